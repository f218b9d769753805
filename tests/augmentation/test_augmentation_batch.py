"""What the operations do to a batch: each changes it, within its range, by its generator alone, masks with it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from annotated_types import Le, Lt
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from torch.nn.functional import max_pool2d, pad

from augmentation_cases import NEWER, OFF, OPERATIONS, changed, first_augmentation, heads, only
from tumorscope.augmentation.batch import augment_batch
from tumorscope.augmentation.draws import Draws
from tumorscope.augmentation.intensity import draw_curves, draw_maps
from tumorscope.augmentation.presets import PRESETS
from tumorscope.augmentation.scanner import motion
from tumorscope.augmentation.settings import Augmentation
from tumorscope.augmentation.style import amplitudes_of, histogram_of

FAR = {
    "blur": 0.05,
    "gibbs": 0.9,
    "erasing": 0.5,
    "cutmix": 0.5,
    "spikes": 0.5,
    "motion": 15.0,
    "resolution": 0.9,
}
"""Ranges at which hardly any draw is too small to be seen in these small images."""

ON_THE_SPOT = (
    *("gamma", "contrast", "brightness", "curve", "remap", "histogram", "fourier"),
    *("bias", "blur", "resolution"),
)
"""Operations that neither move tissue nor put anything where none is."""


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return heads()


@pytest.mark.parametrize(
    "settings",
    [
        Augmentation(),
        Augmentation(preset="study"),
        Augmentation(rotation=90, scale=0.4, flip=0, brightness=0.5, contrast=0.6, noise=0.2),
        Augmentation(noise=0),
    ],
)
def test_without_newer_operations_batches_are_those_of_the_first_runs(
    images: torch.Tensor, settings: Augmentation
) -> None:
    masks = (images > 0.5).float()
    expected, expected_masks = first_augmentation(images, masks, settings, torch.Generator().manual_seed(5))
    result = changed(images, settings, 5, masks)
    assert torch.equal(result.images, expected)
    assert result.masks is not None
    assert torch.equal(result.masks, expected_masks)
    assert result.mixture is None


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_changes_images_each_in_its_own_way(images: torch.Tensor, operation: str) -> None:
    settings = only(operation, **({operation: FAR[operation]} if operation in FAR else {}))
    before = images.clone()
    result = changed(images, settings, 1).images
    assert torch.equal(images, before)
    assert result.shape == images.shape
    assert result.dtype == torch.float32
    assert 0 <= float(result.min()) <= float(result.max()) <= 1
    assert int(((result - images).abs().amax(dim=(1, 2, 3)) > 0.01).sum()) >= 2
    again, other = (changed(images, settings, seed).images for seed in (1, 2))
    assert torch.equal(result, again)
    if operation != "flip":
        assert not torch.equal(result, other)


@pytest.mark.parametrize("operation", ON_THE_SPOT)
def test_air_stays_black_where_no_scanner_brightens_it(images: torch.Tensor, operation: str) -> None:
    framed = pad(images, (16, 16, 16, 16))
    air = max_pool2d(framed, 13, stride=1, padding=6) == 0
    result = changed(framed, only(operation), 3).images
    assert float(air.float().mean()) > 0.2
    assert float(result[air].max()) < 1e-6
    assert float((result - framed).abs().max()) > 0.01


@pytest.mark.parametrize("operation", NEWER)
def test_a_range_of_nothing_changes_nothing_and_no_probability_draws_nothing(
    images: torch.Tensor, operation: str
) -> None:
    nothing = changed(images, only(operation, **{operation: 0.0}), 4).images
    assert float((nothing - images).abs().max()) < 1e-4
    noise = Augmentation.model_validate({**OFF, "noise": 0.1})
    never = noise.model_copy(update={operation: 0.05, f"{operation}_probability": 0.0})
    assert torch.equal(changed(images, never, 4).images, changed(images, noise, 4).images)


@pytest.mark.parametrize("operation", ["curve", "rician", "elastic"])
def test_a_probability_is_the_share_of_images_that_change(images: torch.Tensor, operation: str) -> None:
    many = images[:1].repeat(300, 1, 1, 1)[:, :, ::2, ::2]
    settings = Augmentation.model_validate({**OFF, f"{operation}_probability": 0.3})
    moved = (changed(many, settings, 6).images - many).abs().amax(dim=(1, 2, 3)) > 1e-4
    assert 60 < int(moved.sum()) < 120


@pytest.mark.parametrize("preset", list(PRESETS))
def test_the_generator_alone_decides(images: torch.Tensor, preset: str) -> None:
    settings = Augmentation.model_validate({"preset": preset, "mixup_probability": 0.3})
    torch.manual_seed(1)
    first = changed(images, settings, 7)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    assert torch.equal(changed(images, settings, 7).images, first.images)
    assert torch.equal(torch.get_rng_state(), state)
    assert 0 <= float(first.images.min()) <= float(first.images.max()) <= 1


def test_everything_at_once_at_its_furthest_keeps_the_range(images: torch.Tensor) -> None:
    furthest: dict[str, float] = {}
    for name, field in Augmentation.model_fields.items():
        for rule in field.metadata:
            if isinstance(rule, Le | Lt) and name != "mixup_probability":
                limit: Any = rule.le if isinstance(rule, Le) else rule.lt
                furthest[name] = float(limit) - (0.01 if isinstance(rule, Lt) else 0.0)
    assert len(furthest) == len(Augmentation.model_fields) - 2
    result = changed(images, Augmentation.model_validate(furthest), 8, (images > 0.5).float())
    assert bool(torch.isfinite(result.images).all())
    assert 0 <= float(result.images.min()) <= float(result.images.max()) <= 1


def test_one_image_alone_can_be_changed(images: torch.Tensor) -> None:
    settings = Augmentation(preset="strong", mixup_probability=0.5, cutmix_probability=0.5)
    for seed in range(4):
        result = changed(images[:1], settings, seed)
        assert result.mixture is not None
        assert not bool(result.mixture.mixed.any())


@given(seed=st.integers(0, 10_000), top=st.integers(8, 24), left=st.integers(8, 24), side=st.integers(6, 16))
@hypothesis_settings(max_examples=30, deadline=None)
def test_a_bright_square_stays_under_its_mask(seed: int, top: int, left: int, side: int) -> None:
    square = torch.zeros(3, 1, 48, 48)
    square[:, :, top : top + side, left : left + side] = 1
    settings = Augmentation.model_validate(
        {**OFF, "rotation": 40, "scale": 0.3, "shift": 0.1, "flip": 0.5, "shear": 0.3, "elastic": 0.05}
        | {"shear_probability": 0.7, "elastic_probability": 0.7, "erasing_probability": 0.3}
    )
    result = changed(square, settings, seed, square.clone())
    assert result.masks is not None
    assert float((result.images - result.masks).abs().max()) < 1e-5


def test_masks_draw_no_numbers(images: torch.Tensor) -> None:
    settings = Augmentation(preset="strong", cutmix_probability=0.5)
    alone, beside = changed(images, settings, 9), changed(images, settings, 9, torch.ones_like(images))
    assert torch.equal(alone.images, beside.images)


class TestIntensity:
    def test_curves_rise_from_black_to_white_and_differ(self) -> None:
        curves = draw_curves(50, 1.5, Draws(torch.Generator().manual_seed(0), 50, torch.device("cpu")))
        assert bool((curves.diff(dim=1) > 0).all())
        assert bool((curves[:, 0] == 0).all())
        assert float((curves[:, -1] - 1).abs().max()) < 1e-6
        assert float(curves[:, 3].min()) < 0.4
        assert float(curves[:, 3].max()) > 0.6

    def test_maps_may_fall_in_places_but_never_make_a_negative(self) -> None:
        maps = draw_maps(200, 1.0, Draws(torch.Generator().manual_seed(0), 200, torch.device("cpu")))
        line = torch.linspace(-0.5, 0.5, maps.shape[1])
        assert bool(((maps * line).sum(dim=1) > 0).all())
        assert bool((maps.diff(dim=1) < -1e-4).any(dim=1).float().mean() > 0.3)
        assert bool((maps[:, 0] == 0).all())


class TestStyle:
    def test_a_matched_head_has_the_others_histogram(self, images: torch.Tensor) -> None:
        head = images > 0.06
        other = torch.where(head, 0.15 + 0.6 * images, torch.zeros_like(images))
        assert float((histogram_of(images, other) - other)[head].abs().mean()) < 0.02
        assert torch.equal(histogram_of(images, torch.zeros_like(images)) > 0, images > 0)

    def test_a_matched_head_keeps_the_order_of_its_pixels(self, images: torch.Tensor) -> None:
        one, other = images[:1], images[2:3]
        order = one.flatten().argsort()
        values = histogram_of(one, other).flatten()[order]
        assert float(values.diff().min()) > -1e-6

    def test_amplitudes_change_shading_and_keep_edges(self, images: torch.Tensor) -> None:
        assert float((amplitudes_of(images, images) - images).abs().max()) < 1e-5
        taken = amplitudes_of(images, images.roll(1, 0))
        assert float((taken - images).abs().mean()) > 0.005
        for k in range(len(images)):
            both = torch.stack([taken[k].flatten().diff(), images[k].flatten().diff()])
            assert float(torch.corrcoef(both)[0, 1]) > 0.6


class TestScanner:
    def test_a_motion_leaves_the_head_where_it_is(self, images: torch.Tensor) -> None:
        place = torch.arange(48.0)

        def centre(stack: torch.Tensor) -> torch.Tensor:
            mass = stack.sum(dim=(1, 2, 3))
            return (stack.sum(dim=(1, 2)) * place).sum(dim=1) / mass

        moved = motion(images, 4.0, Draws(torch.Generator().manual_seed(1), len(images), torch.device("cpu")))
        assert float((moved - images).abs().mean()) > 0.005
        assert float((centre(moved) - centre(images)).abs().max()) < 2.5

    @pytest.mark.parametrize("operation", ["blur", "resolution", "gibbs"])
    def test_fine_detail_is_lost(self, images: torch.Tensor, operation: str) -> None:
        grain = images + 0.2 * (torch.rand(images.shape, generator=torch.Generator().manual_seed(0)) - 0.5)
        grain = grain.clamp(0, 1)
        result = changed(grain, only(operation, blur=0.03), 2).images

        def fine(stack: torch.Tensor) -> float:
            return float(stack.diff(dim=3).diff(dim=3).square().mean())

        assert fine(result) < 0.95 * fine(grain)


class TestMixing:
    def test_mixup_adds_a_share_of_the_partner(self, images: torch.Tensor) -> None:
        result = changed(images, only("mixup"), 0, torch.ones_like(images))
        mixture = result.mixture
        assert mixture is not None
        assert bool(mixture.mixed.all())
        assert float(mixture.shares.max()) <= 0.4
        assert bool((mixture.partners != torch.arange(len(images))).all())
        shares = mixture.shares.view(-1, 1, 1, 1)
        expected = (1 - shares) * images + shares * images[mixture.partners]
        assert float((result.images - expected).abs().max()) < 1e-4
        assert result.masks is not None
        assert float(result.masks.max()) == 0

    def test_cutmix_counts_the_pixels_of_the_partner(self) -> None:
        flat = torch.linspace(0.1, 0.9, 6).view(-1, 1, 1, 1).expand(6, 1, 32, 32).contiguous()
        result = augment_batch(flat, only("cutmix"), torch.Generator().manual_seed(3))
        mixture = result.mixture
        assert mixture is not None
        for k in range(6):
            foreign = (result.images[k] - flat[k]).abs() > 1e-3
            assert float(foreign.float().mean()) == pytest.approx(float(mixture.shares[k]), abs=1e-6)
            assert bool((result.images[k][foreign] - flat[mixture.partners[k], 0, 0, 0]).abs().max() < 1e-4)
        assert float(mixture.shares.max()) < 0.35

    def test_what_is_erased_is_no_longer_in_the_mask(self, images: torch.Tensor) -> None:
        result = changed(images, only("erasing", erasing=0.4), 2, torch.ones_like(images))
        assert result.masks is not None
        gone = result.masks == 0
        assert 0 < float(gone.float().mean()) < 0.5
        assert float(result.images[gone].max()) == 0
