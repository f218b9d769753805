"""How bright tissue is: gamma, contrast, brightness, rising tone curves, random maps of brightness.

Owns changes that look at each pixel alone. Where there is no signal there is none afterwards: no scanner brightens air,
and no map turns an image into its negative.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from tumorscope.augmentation.draws import Draws
from tumorscope.augmentation.settings import Augmentation
from tumorscope.augmentation.tables import apply_tables

__all__ = ["change_tone", "draw_curves", "draw_maps", "remap"]

_PARTS = 6  # of a tone curve
_KNOTS = 7  # of a random map, with both ends


def change_tone(images: torch.Tensor, settings: Augmentation, draws: Draws) -> torch.Tensor:
    """Gamma, contrast and brightness of every image.

    Parameters
    ----------
    images
        ``float32 [B, 1, S, S]``, about in [0, 1].
    settings, draws
        How far, and the random numbers.

    Returns
    -------
    torch.Tensor
        ``float32 [B, 1, S, S]``; not yet clipped.
    """

    def per_image(values: torch.Tensor) -> torch.Tensor:
        return values.view(-1, 1, 1, 1)

    toned = images.clamp(0, 1) ** per_image(torch.exp(draws.symmetric(settings.gamma)))
    contrast, brightness = 1 + draws.symmetric(settings.contrast), draws.symmetric(settings.brightness)
    toned = (toned - 0.5) * per_image(contrast) + 0.5 + per_image(brightness)
    # The background stays black: no scanner brightens air.
    return torch.where(images > 0, toned, images)


def remap(images: torch.Tensor, settings: Augmentation, draws: Draws) -> torch.Tensor:
    """Send some images through a random tone curve or a random map of brightness.

    Parameters and result are those of :func:`change_tone`; the images must lie in [0, 1].
    """
    curved = draws.chosen(settings.curve_probability)
    if len(curved):
        tables = draw_curves(len(curved), settings.curve, draws)
        images = images.index_copy(0, curved, apply_tables(images[curved], tables))
    mapped = draws.chosen(settings.remap_probability)
    if len(mapped):
        tables = draw_maps(len(mapped), settings.remap, draws)
        images = images.index_copy(0, mapped, apply_tables(images[mapped], tables))
    return images


def draw_curves(count: int, limit: float, draws: Draws) -> torch.Tensor:
    """Tone curves that rise everywhere, from 0 to 1.

    Parameters
    ----------
    count
        How many.
    limit
        Largest absolute logarithm of a part's steepness before the whole is scaled to end at 1.
    draws
        The random numbers.

    Returns
    -------
    torch.Tensor
        ``float32 [count, 7]``, ascending tables.
    """
    rises = torch.exp(limit * (2 * draws.even(count, _PARTS) - 1))
    ends = rises.cumsum(dim=1) / rises.sum(dim=1, keepdim=True)
    return functional.pad(ends, (1, 0))


def draw_maps(count: int, limit: float, draws: Draws) -> torch.Tensor:
    """Maps of brightness that may fall in places but rise as a whole.

    Other contrasts order tissues in another way (fluid is dark in T1 and bright in T2), which no rising curve can do;
    compare the Bezier curves of Zhou et al., Medical Image Analysis 67 (2021). A map that falls as a whole would be
    a negative; such a draw is reversed.

    Parameters
    ----------
    count
        How many.
    limit
        Largest share of chance; the rest is the straight line.
    draws
        The random numbers.

    Returns
    -------
    torch.Tensor
        ``float32 [count, 7]``, tables in [0, 1] that begin at 0.
    """
    values = draws.even(count, _KNOTS)
    share = limit * draws.even(count, 1)
    line = torch.linspace(0, 1, _KNOTS, device=draws.device)
    falling = ((values - values.mean(dim=1, keepdim=True)) * (line - 0.5)).sum(dim=1, keepdim=True) < 0
    values = torch.where(falling, values.flip(1), values)
    # Black stays black; at the dark end a smaller value only makes the whole rise more.
    values = torch.cat([torch.zeros_like(share), values[:, 1:]], dim=1)
    return (1 - share) * line + share * values
