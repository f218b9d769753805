"""Two images in one, and rectangles that are missing: mixup, cutmix, random erasing.

Owns what is taken from where and how much of another image's class is then true. What a loss makes of it is the
business of training.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from tumorscope.augmentation.draws import Draws
from tumorscope.augmentation.settings import Augmentation

__all__ = ["Mixture", "erase", "mix"]


class Mixture(NamedTuple):
    """What else is in the images of a batch.

    Parameters
    ----------
    partners
        ``int64 [B]``: the position of the image that was mixed in; its own where none was.
    shares
        ``float32 [B]`` in [0, 0.5]: how much of the image, and of its class, is the partner's.
    """

    partners: torch.Tensor
    shares: torch.Tensor

    @property
    def mixed(self) -> torch.Tensor:
        """``bool [B]``: which images are of two."""
        return self.shares > 0


def mix(images: torch.Tensor, settings: Augmentation, draws: Draws) -> tuple[torch.Tensor, Mixture | None]:
    """Mix some images with others, by mixup or by cutmix and never by both.

    Parameters
    ----------
    images
        ``float32 [B, 1, S, S]`` in [0, 1].
    settings, draws
        How often and how far, and the random numbers.

    Returns
    -------
    tuple
        Images of the same shape, and what is in them; ``None`` where neither operation is on.

    References
    ----------
    Zhang et al., "mixup: beyond empirical risk minimization", ICLR 2018; Yun et al., "CutMix", ICCV 2019.
    """
    often = settings.mixup_probability + settings.cutmix_probability
    if often <= 0:
        return images, None
    kind, amount = draws.even(draws.count), draws.even(draws.count)
    partners = draws.partners(torch.arange(draws.count, device=draws.device))
    blended = kind < settings.mixup_probability
    cut = (kind < often) & ~blended
    rectangles = _rectangles(images, settings.cutmix * amount, draws) * cut.view(-1, 1, 1, 1)
    shares = torch.where(blended, settings.mixup * amount, rectangles.mean(dim=(1, 2, 3)))
    own = torch.arange(draws.count, device=draws.device)
    alone = (shares <= 0) | (partners == own)
    mixture = Mixture(torch.where(alone, own, partners), torch.where(alone, torch.zeros_like(shares), shares))
    weights = torch.where(blended.view(-1, 1, 1, 1), mixture.shares.view(-1, 1, 1, 1), rectangles)
    return images + weights * (images[mixture.partners] - images), mixture


def erase(
    images: torch.Tensor, masks: torch.Tensor | None, settings: Augmentation, draws: Draws
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Blacken a rectangle of some images; what of a mask lies there is gone too, since it can no longer be seen.

    Parameters
    ----------
    images, masks
        ``float32 [B, 1, S, S]`` in [0, 1].
    settings, draws
        How often and how large, and the random numbers.

    References
    ----------
    Zhong et al., "Random erasing data augmentation", AAAI 2020.
    """
    chosen = draws.chosen(settings.erasing_probability)
    if not len(chosen):
        return images, masks
    kept = 1 - _rectangles(images[chosen], settings.erasing * draws.even(len(chosen)), draws)
    images = images.index_copy(0, chosen, images[chosen] * kept)
    if masks is not None:
        masks = masks.index_copy(0, chosen, masks[chosen] * kept)
    return images, masks


def _rectangles(images: torch.Tensor, areas: torch.Tensor, draws: Draws) -> torch.Tensor:
    """Random rectangles, 1 inside: ``float32 [K, 1, S, S]``, of given parts of the square, once to twice as long."""
    count, side = len(images), images.shape[-1]
    form, down, across = draws.even(count), draws.even(count), draws.even(count)
    ratio = torch.exp2(2 * form - 1).sqrt()
    height, width = (areas.sqrt() * ratio).clamp(max=1), (areas.sqrt() / ratio).clamp(max=1)
    places = (torch.arange(side, device=images.device) + 0.5) / side

    def inside(length: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        start = (1 - length) * place
        return (places >= start[:, None]) & (places < (start + length)[:, None])

    return (inside(height, down)[:, None, :, None] & inside(width, across)[:, None, None, :]).float()
