"""Artefacts of MRI that MONAI makes: bias field, Gibbs ringing, spikes in k-space.

Owns the way to MONAI and back. Its transforms work on one image at a time and are asked for those alone that are to be
changed; their state comes from the generator of the batch, never from a global one. MONAI is imported when the first
image needs it, which takes seconds.
"""

from __future__ import annotations

import math
import os
from typing import Any

import torch

from tumorscope.augmentation.draws import Draws
from tumorscope.core.optional import require

__all__ = ["bias_field", "gibbs_ringing", "spikes"]

_INNER = 0.15  # of the side: spikes nearer to the centre of k-space would be shades, not stripes


def bias_field(images: torch.Tensor, limit: float, draws: Draws) -> torch.Tensor:
    """Uneven sensitivity of the coil: the exponential of a random polynomial (Van Leemput et al., IEEE TMI 18, 1999).

    The brightest place of an image keeps its brightness, as a window set on the image would have it.

    Parameters
    ----------
    images
        ``float32 [K, 1, S, S]`` in [0, 1].
    limit
        Largest coefficient of the Legendre polynomials up to third order.
    draws
        The random numbers.

    Returns
    -------
    torch.Tensor
        ``float32 [K, 1, S, S]`` in [0, 1].
    """
    transform = _transforms().RandBiasField(degree=3, coeff_range=(-limit, limit), prob=1.0)
    changed = []
    for image, seed in zip(images, draws.seeds(len(images)), strict=True):
        transform.set_random_state(seed=seed)
        changed.append(_plain(transform(image)))
    shaded = torch.stack(changed)
    return (
        shaded * images.amax(dim=(2, 3), keepdim=True) / shaded.amax(dim=(2, 3), keepdim=True).clamp(min=1e-6)
    )


def gibbs_ringing(images: torch.Tensor, limit: float, draws: Draws) -> torch.Tensor:
    """k-space is cut off: edges overshoot and ring, fine detail is lost (Gibbs, Nature 59, 1899).

    ``limit`` is the largest part of the radius of k-space that is cut. Parameters and result are those of
    :func:`bias_field`, but values may leave [0, 1] a little.
    """
    cuts = (limit * draws.even(len(images))).tolist()
    made = _transforms().GibbsNoise
    return torch.stack(
        [_plain(made(alpha=cut)(image)) for image, cut in zip(images, cuts, strict=True)]
    ).abs()


def spikes(images: torch.Tensor, limit: float, draws: Draws) -> torch.Tensor:
    """A spark hits one point of k-space: stripes over everything (Heiland, Clin. Neuroradiol. 18, 2008).

    ``limit`` is the largest height of the wave. Parameters and result are those of :func:`gibbs_ringing`.
    """
    side = images.shape[-1]
    made = _transforms().KSpaceSpikeNoise
    changed = []
    for image, (height, angle, radius) in zip(images, draws.even(len(images), 3).tolist(), strict=True):
        reach = side * (_INNER + (0.45 - _INNER) * radius)
        row = side // 2 + round(reach * math.sin(2 * math.pi * angle))
        column = side // 2 + round(reach * math.cos(2 * math.pi * angle))
        # A point of this size is a wave of the wanted height; MONAI takes its logarithm.
        size = math.log(max(limit * height, 1e-6) * side * side)
        changed.append(_plain(made(loc=(row, column), k_intensity=size)(image)))
    return torch.stack(changed).abs()


def _plain(image: Any) -> torch.Tensor:
    """A tensor as torch knows it; MONAI's carries metadata along."""
    return torch.as_tensor(image).as_subclass(torch.Tensor)


def _transforms() -> Any:
    # MONAI imports MLflow where that is installed, which reports its use unless told not to.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    return require("monai.transforms", extra="train", purpose="augmentation by artefacts of MRI")
