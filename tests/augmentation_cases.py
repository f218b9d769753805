"""Images to change, settings of one operation alone, and augmentation as the first recorded runs had it."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch.nn import functional

from tumorscope.augmentation.batch import Augmented, augment_batch
from tumorscope.augmentation.families import FAMILIES, alone
from tumorscope.augmentation.settings import FIRST, Augmentation
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.preprocess import preprocess
from tumorscope.synthesis.phantom import make_phantom

OPERATIONS = tuple(name for operations in FAMILIES.values() for name in operations)
NEWER = tuple(name for name in OPERATIONS if name not in FIRST)
OFF = dict.fromkeys(FIRST, 0.0)


def heads(size: int = 48, count: int = 4) -> torch.Tensor:
    """Phantoms, ``float32 [count, 1, size, size]`` in [0, 1]."""
    images = [preprocess(make_phantom(CLASS_ORDER[k % 4], k, size=64).pixels, size) for k in range(count)]
    return torch.from_numpy(np.stack(images)).unsqueeze(1).float() / 255


def changed(
    images: torch.Tensor, settings: Augmentation, seed: int = 0, masks: torch.Tensor | None = None
) -> Augmented:
    """A batch as a seed has it."""
    return augment_batch(images, settings, torch.Generator().manual_seed(seed), masks)


def only(operation: str, **values: float) -> Augmentation:
    """One operation, on every image, as far as by default or as given."""
    return alone(Augmentation.model_validate(values), operation)


def first_augmentation(
    images: torch.Tensor, masks: torch.Tensor, settings: Augmentation, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """What the first recorded runs did to a batch, kept to compare with."""
    count = images.shape[0]

    def uniform(limit: float) -> torch.Tensor:
        return (torch.rand(count, generator=generator) * 2 - 1) * limit

    angle = uniform(math.radians(settings.rotation))
    size = 1 / (1 + uniform(settings.scale))
    flip = 1 - 2 * (torch.rand(count, generator=generator) < settings.flip).float()
    cosine, sine = torch.cos(angle) * size, torch.sin(angle) * size
    across, down = 2 * uniform(settings.shift), 2 * uniform(settings.shift)
    rows = [
        torch.stack([cosine * flip, -sine, across], dim=1),
        torch.stack([sine * flip, cosine, down], dim=1),
    ]
    grid = functional.affine_grid(torch.stack(rows, dim=1), list(images.shape), align_corners=False)
    moved = functional.grid_sample(images, grid, align_corners=False)
    toned = moved.clamp(0, 1) ** torch.exp(uniform(settings.gamma)).view(-1, 1, 1, 1)
    contrast, brightness = 1 + uniform(settings.contrast), uniform(settings.brightness)
    toned = (toned - 0.5) * contrast.view(-1, 1, 1, 1) + 0.5 + brightness.view(-1, 1, 1, 1)
    toned = torch.where(moved > 0, toned, moved)
    level = uniform(settings.noise).abs()
    noise = torch.randn(images.shape, generator=generator)
    result = (toned + noise * level.view(-1, 1, 1, 1)).clamp(0, 1)
    return result, functional.grid_sample(masks, grid, align_corners=False)
