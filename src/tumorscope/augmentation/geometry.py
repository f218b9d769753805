"""Where the head lies: rotation, scale, shift, left-right flip, shear, elastic deformation.

Owns the sampling grid of a batch and the one resampling by it. Masks go through the same grid as their images.
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional

from tumorscope.augmentation.draws import Draws
from tumorscope.augmentation.settings import Augmentation

__all__ = ["draw_grid", "resample"]

_KNOTS = 6  # of the elastic field along a side; the head bends in a few places, not in every pixel


def draw_grid(shape: torch.Size, settings: Augmentation, draws: Draws) -> torch.Tensor:
    """Draw where each pixel of the result comes from.

    Parameters
    ----------
    shape
        ``[B, 1, S, S]``.
    settings, draws
        How far, and the random numbers.

    Returns
    -------
    torch.Tensor
        ``float32 [B, S, S, 2]``: across and down, -1 to 1 between the outer edges of the image.
    """
    angle = draws.symmetric(math.radians(settings.rotation))
    size = 1 / (1 + draws.symmetric(settings.scale))
    flip = 1 - 2 * (torch.rand(draws.count, generator=draws.generator) < settings.flip).float().to(
        draws.device
    )
    cosine, sine = torch.cos(angle) * size, torch.sin(angle) * size
    # Shifts are fractions of the side; the sampling grid spans 2.
    across, down = 2 * draws.symmetric(settings.shift), 2 * draws.symmetric(settings.shift)
    matrix = torch.stack(
        [
            torch.stack([cosine * flip, -sine, across], dim=1),
            torch.stack([sine * flip, cosine, down], dim=1),
        ],
        dim=1,
    )
    sheared = draws.chosen(settings.shear_probability)
    if len(sheared):
        slant = draws.symmetric(settings.shear, len(sheared)).view(-1, 1)
        matrix = matrix.clone()
        # The second column of a product of the matrix with a shear across.
        matrix[sheared, :, 1] += slant * matrix[sheared, :, 0]
    grid = functional.affine_grid(matrix, list(shape), align_corners=False)
    bent = draws.chosen(settings.elastic_probability)
    if len(bent):
        knots = 2 * draws.even(len(bent), 2, _KNOTS, _KNOTS) - 1
        field = functional.interpolate(knots, size=shape[-2:], mode="bicubic", align_corners=True)
        # A bicubic goes a little beyond its knots; the limit is a limit.
        moves = 2 * settings.elastic * field.clamp(-1, 1)
        grid = grid.index_add(0, bent, moves.permute(0, 2, 3, 1))
    return grid


def resample(images: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
    """Take images, or their masks, from where the grid points; what lies outside is black."""
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
