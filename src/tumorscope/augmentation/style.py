"""The look of another image: its histogram, or the coarse amplitudes of its spectrum.

Owns what an image takes over from another one of the batch while it keeps its own anatomy and its class. Images of one
class often come from one source, so whoever learns must not know a class by the look of its source.
"""

from __future__ import annotations

import torch

from tumorscope.augmentation.draws import Draws
from tumorscope.augmentation.settings import Augmentation
from tumorscope.augmentation.tables import apply_tables

__all__ = ["amplitudes_of", "histogram_of", "take_style"]

_LEVELS = 128  # of a histogram
_SIGNAL = 0.06  # brightness from which a pixel counts as head
_COARSE = 0.05  # of the spectrum's side: periods longer than about a tenth of the image


def take_style(images: torch.Tensor, settings: Augmentation, draws: Draws) -> torch.Tensor:
    """Give some images the look of others.

    Parameters
    ----------
    images
        ``float32 [B, 1, S, S]`` in [0, 1].
    settings, draws
        How often and how far, and the random numbers.

    Returns
    -------
    torch.Tensor
        ``float32 [B, 1, S, S]`` in [0, 1].
    """
    given = images
    for probability, limit, take in (
        (settings.histogram_probability, settings.histogram, histogram_of),
        (settings.fourier_probability, settings.fourier, amplitudes_of),
    ):
        chosen = draws.chosen(probability)
        if not len(chosen):
            continue
        partners = draws.partners(chosen)
        share = (limit * draws.even(len(chosen))).view(-1, 1, 1, 1)
        own = images[chosen]
        images = images.index_copy(0, chosen, own + share * (take(own, given[partners]) - own))
    return images


def histogram_of(images: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Match the brightness of each head to that of another: a rising curve (Nyul et al., IEEE TMI 19, 2000).

    Parameters
    ----------
    images, others
        ``float32 [K, 1, S, S]`` in [0, 1]. Only what is brighter than the background is matched, the background
        turns black; an image that is black stays as it is, and so does one whose other is.
    """
    own, other = _distribution(images), _distribution(others)
    levels = torch.linspace(0, 1, _LEVELS + 1, device=images.device)
    # For each level of the image that of the other image below which the same share of its head lies.
    upper = torch.searchsorted(other.contiguous(), own.contiguous()).clamp(1, _LEVELS)
    low, high = other.gather(1, upper - 1), other.gather(1, upper)
    part = ((own - low) / (high - low).clamp(min=1e-6)).clamp(0, 1)
    tables = (upper - 1 + part) / _LEVELS
    empty = (own[:, -1] == 0) | (other[:, -1] == 0)
    tables = torch.where(empty[:, None], levels, tables)
    return apply_tables(images, tables)


def amplitudes_of(images: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Take the coarse amplitudes of another image's spectrum and keep the own phases, which hold the anatomy.

    Coarse amplitudes are shading and contrast between large parts (Yang and Soatto, CVPR 2020; Xu et al., CVPR 2021).
    What is as dark as air stays as it is.

    Parameters
    ----------
    images, others
        ``float32 [K, 1, S, S]`` in [0, 1].

    Returns
    -------
    torch.Tensor
        ``float32 [K, 1, S, S]`` in [0, 1].
    """
    side = images.shape[-1]
    reach = max(1, round(_COARSE * side))
    lines = torch.fft.rfft2(images)
    sizes = torch.fft.rfft2(others).abs()
    rows = torch.cat([torch.arange(reach + 1), torch.arange(side - reach, side)]).to(images.device)
    block = lines[:, :, rows, : reach + 1]
    phases = block / block.abs().clamp(min=1e-9)
    lines[:, :, rows, : reach + 1] = phases * sizes[:, :, rows, : reach + 1]
    changed = torch.fft.irfft2(lines, s=images.shape[-2:]).clamp(0, 1)
    return torch.where(images > _SIGNAL, changed, images)


def _distribution(images: torch.Tensor) -> torch.Tensor:
    """Share of the head's pixels below each level, ``float32 [K, 129]``; all 0 for a black image."""
    count = len(images)
    level = (images.flatten(1) * _LEVELS).long().clamp(0, _LEVELS - 1)
    level = level + torch.arange(count, device=images.device)[:, None] * _LEVELS
    bright = (images.flatten(1) > _SIGNAL).float()
    counts = torch.zeros(count * _LEVELS, device=images.device).index_add_(
        0, level.flatten(), bright.flatten()
    )
    below = counts.view(count, _LEVELS).cumsum(dim=1)
    shares = below / below[:, -1:].clamp(min=1)
    return torch.cat([torch.zeros(count, 1, device=images.device), shares], dim=1)
