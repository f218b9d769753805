"""Random changes of a batch: geometry, then brightness.

Owns the augmentation of training images on tensors. All randomness comes from the generator it is given.
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional

from tumorscope.training.config import Augmentation

__all__ = ["augment", "augment_both"]


def augment(images: torch.Tensor, settings: Augmentation, generator: torch.Generator) -> torch.Tensor:
    """Change every image of a batch in its own way.

    Parameters
    ----------
    images
        ``float32 [B, 1, S, S]`` in [0, 1].
    settings
        How far each change may go.
    generator
        Source of all random numbers, on the CPU.

    Returns
    -------
    torch.Tensor
        ``float32 [B, 1, S, S]`` in [0, 1].
    """
    return augment_both(images, None, settings, generator)[0]


def augment_both(
    images: torch.Tensor, masks: torch.Tensor | None, settings: Augmentation, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Change images as :func:`augment` does, and move their masks with them.

    Parameters
    ----------
    images, settings, generator
        As for :func:`augment`; masks draw no numbers.
    masks
        ``float32 [B, 1, S, S]`` in [0, 1], or ``None``.

    Returns
    -------
    tuple
        Images and masks of the same shapes.
    """
    count = images.shape[0]

    def uniform(limit: float) -> torch.Tensor:
        return ((torch.rand(count, generator=generator) * 2 - 1) * limit).to(images.device)

    angle = uniform(math.radians(settings.rotation))
    size = 1 / (1 + uniform(settings.scale))
    flip = 1 - 2 * (torch.rand(count, generator=generator) < settings.flip).float().to(images.device)
    cosine, sine = torch.cos(angle) * size, torch.sin(angle) * size
    # Shifts are fractions of the side; the sampling grid spans 2.
    across, down = 2 * uniform(settings.shift), 2 * uniform(settings.shift)
    matrix = torch.stack(
        [
            torch.stack([cosine * flip, -sine, across], dim=1),
            torch.stack([sine * flip, cosine, down], dim=1),
        ],
        dim=1,
    )
    grid = functional.affine_grid(matrix, list(images.shape), align_corners=False)
    moved = functional.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)

    def per_image(values: torch.Tensor) -> torch.Tensor:
        return values.view(-1, 1, 1, 1)

    toned = moved.clamp(0, 1) ** per_image(torch.exp(uniform(settings.gamma)))
    contrast, brightness = 1 + uniform(settings.contrast), uniform(settings.brightness)
    toned = (toned - 0.5) * per_image(contrast) + 0.5 + per_image(brightness)
    # The background stays black: no scanner brightens air.
    toned = torch.where(moved > 0, toned, moved)
    level = uniform(settings.noise).abs()
    noise = torch.randn(images.shape, generator=generator).to(images.device)
    if masks is not None:
        masks = functional.grid_sample(
            masks, grid, mode="bilinear", padding_mode="zeros", align_corners=False
        )
    return (toned + noise * per_image(level)).clamp(0, 1), masks
