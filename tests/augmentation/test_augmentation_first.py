"""The first operations: none where none is asked for, and only from the generator given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import max_pool2d

from augmentation_cases import OFF
from tumorscope.augmentation.batch import augment_batch
from tumorscope.augmentation.settings import FIRST, Augmentation
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.preprocess import preprocess
from tumorscope.synthesis.phantom import make_phantom


def _images(size: int = 64) -> torch.Tensor:
    images = [preprocess(make_phantom(CLASS_ORDER[k % 4], k).pixels, size) for k in range(8)]
    return torch.from_numpy(np.stack(images)).unsqueeze(1).float() / 255


def _run(images: torch.Tensor, **settings: float) -> torch.Tensor:
    return _with(images, OFF | settings)


def _with(images: torch.Tensor, settings: dict[str, Any], seed: int = 0) -> torch.Tensor:
    chosen = Augmentation.model_validate(settings)
    return augment_batch(images, chosen, torch.Generator().manual_seed(seed)).images


@pytest.mark.parametrize("size", [32, 64, 160])
def test_all_settings_at_zero_change_nothing(size: int) -> None:
    images = _images(size)
    # The sampling grid has 24 bits: half a pixel of the image times its rounding.
    assert (_run(images) - images).abs().max() < size * 1e-7


@pytest.mark.parametrize("size", [32, 160])
def test_a_certain_flip_is_the_mirror_image(size: int) -> None:
    images = _images(size)
    assert (_run(images, flip=1) - images.flip(3)).abs().max() < size * 1e-7


def test_half_the_images_are_flipped_at_a_half() -> None:
    images = _images(32)[:1].repeat(400, 1, 1, 1)
    result = _run(images, flip=0.5)
    flipped = (result - images.flip(3)).abs().amax(dim=(1, 2, 3)) < 1e-5
    kept = (result - images).abs().amax(dim=(1, 2, 3)) < 1e-5
    assert bool((flipped ^ kept).all())
    assert 140 < int(flipped.sum()) < 260


@pytest.mark.parametrize("name", FIRST)
def test_every_setting_changes_images_each_in_its_own_way_and_keeps_the_range(name: str) -> None:
    images = _images()[:1].repeat(6, 1, 1, 1)
    result = _with(images, OFF | {name: 90.0 if name == "rotation" else 0.5})
    assert result.shape == images.shape
    assert result.dtype == torch.float32
    assert 0 <= float(result.min()) <= float(result.max()) <= 1
    assert (result - images).abs().max() > 0.05
    assert (result[0] - result[1:]).abs().max() > 0.02


def test_the_range_holds_at_the_extremes_of_every_setting() -> None:
    extreme = dict.fromkeys(("scale", "shift", "contrast", "brightness", "noise"), 0.99)
    result = _with(_images(), {**extreme, "rotation": 180, "flip": 1, "gamma": 2})
    assert bool(torch.isfinite(result).all())
    assert 0 <= float(result.min()) <= float(result.max()) <= 1


def test_the_generator_alone_decides() -> None:
    images, settings = _images(), Augmentation().model_dump()
    torch.manual_seed(1)
    first = _with(images, settings, seed=7)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    assert torch.equal(_with(images, settings, seed=7), first)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(_with(images, settings, seed=8), first)


def test_the_images_given_are_left_alone() -> None:
    images = _images()
    before = images.clone()
    _with(images, Augmentation().model_dump())
    assert torch.equal(images, before)


def test_a_rotation_turns_by_no_more_than_its_limit() -> None:
    image = torch.zeros(200, 1, 65, 65)
    image[:, :, 32, 56:60] = 1  # a mark right of the middle, 25.5 pixels away
    result = _run(image, rotation=30).squeeze(1)
    mass = result.sum(dim=(1, 2))
    axis = torch.arange(65.0) - 32
    down = (result.sum(dim=2) * axis).sum(dim=1) / mass
    across = (result.sum(dim=1) * axis).sum(dim=1) / mass
    angles = torch.rad2deg(torch.atan2(down, across))
    assert angles.abs().max() <= 30.5
    assert angles.min() < -25
    assert angles.max() > 25


def test_tone_leaves_the_background_black() -> None:
    images = _images()
    result = _run(images, brightness=0.5, contrast=0.5, gamma=0.5)
    air = max_pool2d(images, 3, stride=1, padding=1) == 0  # interpolation reaches one pixel far
    assert 0.1 < float(air.float().mean()) < 0.9
    assert float(result[air].max()) == 0
