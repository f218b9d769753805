"""Every change is the same each time, does what physics says, and grows with its severity."""

from __future__ import annotations

import csv
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tumorscope.core.errors import InvalidConfiguration, UnsupportedImage
from tumorscope.core.labels import Diagnosis
from tumorscope.dataset.load import load_slice
from tumorscope.evaluation.report import StressLadder
from tumorscope.preprocess import preprocess
from tumorscope.synthesis.artefacts import (
    bias_field,
    from_kspace,
    ghosting,
    gibbs_ringing,
    motion,
    rician_noise,
    spikes,
    to_kspace,
)
from tumorscope.synthesis.degrade import head_depth, head_mask
from tumorscope.synthesis.phantom import make_phantom
from tumorscope.synthesis.stresses import (
    SEVERITIES,
    STRESSES,
    Family,
    apply_stress,
    from_brightness,
    to_brightness,
)
from tumorscope.synthesis.tone import contrast_turnover, gamma_brighter, gamma_darker, window_narrower

DTYPES = [np.uint8, np.int16, np.uint16, np.float32]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def head(dtype: Any = np.uint8, seed: int = 5) -> NDArray[Any]:
    pixels = make_phantom(Diagnosis.MENINGIOMA, seed, 200).pixels
    if dtype is np.uint8:
        return pixels
    return (
        (pixels * 11.3 - 300).astype(dtype) if np.dtype(dtype).kind != "u" else pixels.astype(dtype) * 13 + 40
    )


def brightness(seed: int = 5) -> NDArray[np.float64]:
    return to_brightness(head(seed=seed))[0]


def test_the_families_are_those_of_the_report_and_strengths_ascend() -> None:
    assert {family.value for family in Family} == set(
        StressLadder.model_fields["family"].annotation.__args__  # type: ignore[union-attr]
    )
    for name, stress in STRESSES.items():
        assert name == stress.name
        assert len(stress.strengths) == SEVERITIES
        assert stress.strengths[0] > 0
        assert all(low < high for low, high in pairwise(stress.strengths))
        assert len(stress.meaning) > 20


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", STRESSES)
def test_the_same_each_time_and_in_the_dtype_shape_and_range_of_the_slice(name: str, dtype: Any) -> None:
    pixels = head(dtype)
    kept = pixels.copy()
    for severity in (0, 1, SEVERITIES):
        once, again = (apply_stress(pixels, name, severity, seed=3) for _ in range(2))
        np.testing.assert_array_equal(once, again)
        assert once.dtype == pixels.dtype
        assert once.min() >= pixels.min()
        assert once.max() <= pixels.max()
        assert once.flags.c_contiguous
        if STRESSES[name].keeps_shape or not severity:
            assert once.shape == pixels.shape
        assert preprocess(once, 96).std() > 5
        assert (severity > 0) == (once.shape != pixels.shape or bool((once != pixels).any()))
    np.testing.assert_array_equal(pixels, kept)


@pytest.mark.parametrize("name", [name for name, stress in STRESSES.items() if stress.keeps_shape])
@pytest.mark.parametrize("seed", [1, 5, 11])
def test_each_severity_is_further_from_the_slice_than_the_last(name: str, seed: int) -> None:
    pixels = make_phantom(Diagnosis.GLIOMA, seed, 256).pixels
    levels = [apply_stress(pixels, name, severity).astype(float) for severity in range(SEVERITIES + 1)]
    distances = [float(np.sqrt(np.mean((level - levels[0]) ** 2))) for level in levels]
    assert distances[0] == 0
    assert all(low < high for low, high in pairwise(distances)), distances


def test_a_strength_of_nought_changes_nothing() -> None:
    image = brightness()
    for stress in STRESSES.values():
        np.testing.assert_allclose(stress.change(image, 0.0, rng()), image, atol=1e-12, err_msg=stress.name)


def test_random_changes_hang_on_seed_and_picture() -> None:
    first, second = head(seed=5), head(seed=6)
    for name in ("bias-field", "motion", "spikes", "noise"):
        assert (apply_stress(first, name, 3, 0) != apply_stress(first, name, 3, 1)).any()
    noise = [apply_stress(pixels, "noise", 3).astype(float)[:20, :20] for pixels in (first, second)]
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.2


def test_the_transform_keeps_energy_and_comes_back() -> None:
    image = brightness()
    lines = to_kspace(image)
    assert np.sum(np.abs(lines) ** 2) == pytest.approx(np.sum(image**2))
    assert np.abs(lines).argmax() == np.ravel_multi_index((100, 100), (200, 200))
    np.testing.assert_allclose(from_kspace(lines).real, image, atol=1e-12)


def test_ringing_keeps_low_frequencies_and_overshoots_an_edge_by_nine_percent() -> None:
    image = np.zeros((256, 256))
    image[:, 64:192] = 1.0
    cut = gibbs_ringing(image, 1000 / 64, rng())
    assert np.sum(cut**2) < np.sum(image**2)
    # Wilbraham and Gibbs: about 8.95 % of the jump, whatever the cut.
    assert cut.max() == pytest.approx(1.0895, abs=0.02)
    smooth = brightness() + 1.0
    before, after = to_kspace(smooth), to_kspace(gibbs_ringing(smooth, 1000 / 80, rng()))
    middle = (slice(100 - 30, 100 + 31),) * 2
    np.testing.assert_allclose(after[middle], before[middle], atol=1e-9)
    assert np.abs(after[:55]).max() < 1e-9


def test_ghosts_stand_at_the_nth_part_of_the_field_and_only_lost_lines_lose_energy() -> None:
    image = np.zeros((240, 240))
    image[115:125, 110:130] = 1.0
    found = set()
    for seed in range(12):
        ghosts = ghosting(image, 0.9, rng(seed))
        assert np.sum(ghosts**2) < np.sum(image**2)
        outside = ghosts.copy()
        outside[105:135, 100:140] = 0.0
        row, column = np.unravel_index(int(outside.argmax()), outside.shape)
        away = max(abs(int(row) - 120), abs(int(column) - 120))
        count = next(n for n in (3, 4, 5) if any(abs(away - k * 240 / n) <= 11 for k in (1, 2)))
        found.add(count)
    assert len(found) > 1


def test_motion_keeps_the_energy_of_lines_and_the_place_of_the_head() -> None:
    image = brightness()
    for seed in range(5):
        moved = motion(image, 4.0, rng(seed))
        assert np.sum(moved**2) == pytest.approx(np.sum(image**2), rel=0.05)
        assert np.corrcoef(moved.ravel(), image.ravel())[0, 1] > 0.7


def test_a_spike_is_one_wave_of_the_wanted_height() -> None:
    waves = spikes(np.full((128, 160), 5.0), 0.1, rng())
    lines = np.abs(to_kspace(waves - waves.mean()))
    strong = np.sort(lines.ravel())[::-1]
    assert (
        strong[3] > 20 * strong[6]
    )  # two waves and their conjugates: the magnitude of a bright image is its real part
    assert waves.max() - 5.0 == pytest.approx(0.2, abs=0.03)


def test_noise_is_rayleigh_in_air_and_rician_in_tissue() -> None:
    air = rician_noise(np.zeros((256, 256)), 0.1, rng())
    assert air.mean() == pytest.approx(0.1 * np.sqrt(np.pi / 2), rel=0.02)
    assert np.mean(air**2) == pytest.approx(2 * 0.1**2, rel=0.02)
    tissue = rician_noise(np.ones((256, 256)), 0.1, rng())
    assert tissue.std() == pytest.approx(0.1, rel=0.03)
    large = rician_noise(np.ones((512, 512)), 0.1, rng())
    assert large.std() == pytest.approx(0.1, rel=0.03)
    assert np.corrcoef(large[:, :-1].ravel(), large[:, 1:].ravel())[0, 1] > 0.5
    assert abs(np.corrcoef(tissue[:, :-1].ravel(), tissue[:, 1:].ravel())[0, 1]) < 0.05


def test_a_bias_field_is_smooth_and_as_strong_as_asked() -> None:
    image = brightness()
    inside = image > 0.1
    factor = bias_field(image, 0.7, rng())[inside] / image[inside]
    assert factor.max() / factor.min() == pytest.approx(4.05, abs=0.1)
    lines = np.abs(to_kspace(bias_field(np.ones((128, 128)), 0.7, rng()) - 1.0)) ** 2
    assert lines[54:75, 54:75].sum() > 0.9 * lines.sum()


def test_tone_curves_go_the_way_they_are_named() -> None:
    ramp = np.linspace(0, 1, 101)[None]
    assert (gamma_darker(ramp, 1.0)[0, 1:-1] < ramp[0, 1:-1]).all()
    assert gamma_darker(ramp, 1.0)[0, 50] == pytest.approx(0.25)
    np.testing.assert_allclose(gamma_brighter(gamma_darker(ramp, 0.7), 0.7), ramp, atol=1e-12)
    narrow = window_narrower(ramp, 0.5)[0]
    assert (narrow[:20] == 0).all()
    assert (narrow[71:] == 1).all()
    turned = contrast_turnover(ramp, 1.0)[0]
    assert turned.argmax() == 50
    assert turned[100] == 0
    wide = apply_stress(head(), "window-wider", 5)
    assert len(np.unique(wide)) < 10 < len(np.unique(head()))


def test_cropping_cuts_the_head_at_each_border_and_never_everything() -> None:
    pixels = np.zeros((120, 140), np.uint8)
    pixels[10:110, 20:120] = np.arange(100, 200, dtype=np.uint8)
    cut = apply_stress(pixels, "crop", 5)
    assert cut.shape == (60, 60)
    np.testing.assert_array_equal(cut, pixels[30:90, 40:100])
    small = np.tile(np.arange(17, dtype=np.uint8) * 12 + 40, (17, 1))
    assert min(apply_stress(small, "crop", 5).shape) >= 16


def test_stripping_takes_the_rim_to_the_depth_asked_and_leaves_the_middle() -> None:
    rows, columns = np.ogrid[:200, :200]
    away = np.hypot(rows - 100, columns - 100)
    disc = np.where(away < 80, 150, 0).astype(np.uint8)
    disc[100:, 100:] = np.where(disc[100:, 100:] > 0, 90, 0)
    left = apply_stress(disc, "skull-strip", 3)
    assert (left[away > 80 * 0.86 + 1] == 0).all()
    assert (left[away < 80 * 0.84 - 1] == disc[away < 80 * 0.84 - 1]).all()
    whole = np.ones((64, 64), dtype=np.bool_)
    assert head_depth(whole)[0, 0] < head_depth(whole)[32, 32] < np.inf


def test_the_head_mask_is_one_piece_without_holes_and_leaves_specks_out() -> None:
    pixels = head()
    pixels[2:5, 2:5] = 255
    mask = head_mask(to_brightness(pixels)[0])
    assert not mask[:10, :10].any()
    assert mask[100, 100]
    assert 0.2 < mask.mean() < 0.9
    assert not head_mask(np.zeros((32, 32))).any()


def test_turns_lose_nothing_and_mirrors_are_mirrors() -> None:
    pixels = head()[:, :150]
    expected = [pixels[:, ::-1], pixels[::-1], pixels[::-1, ::-1], np.rot90(pixels), pixels.T]
    for severity, turned in enumerate(expected, 1):
        np.testing.assert_array_equal(apply_stress(pixels, "turn", severity), turned)


def test_brightness_comes_back_exactly() -> None:
    for dtype in DTYPES:
        pixels = head(dtype)
        np.testing.assert_allclose(from_brightness(*to_brightness(pixels)), pixels, rtol=1e-6)


def test_what_is_unknown_is_said() -> None:
    with pytest.raises(InvalidConfiguration, match="known are: bias-field"):
        apply_stress(head(), "fog", 1)
    with pytest.raises(InvalidConfiguration, match="from 0 to 5"):
        apply_stress(head(), "noise", 6)
    with pytest.raises(UnsupportedImage):
        apply_stress(np.zeros((40, 40), np.uint8), "noise", 1)


def test_real_slices_of_all_classes_bear_every_change(real_data: Path) -> None:
    with (real_data / "brain-tumor-mri" / "manifest.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows[:: len(rows) // 6]:
        pixels = load_slice(real_data / "brain-tumor-mri" / row["path"]).pixels
        plain = preprocess(pixels, 96).astype(float)
        for name in STRESSES:
            worst = preprocess(apply_stress(pixels, name, SEVERITIES), 96).astype(float)
            assert worst.std() > 5, name
            if name != "resolution-higher":
                assert np.abs(worst - plain).mean() > 0.5, name


def test_the_documentation_lists_every_change_as_it_is() -> None:
    text = (Path(__file__).parents[2] / "docs" / "stress.md").read_text(encoding="utf-8")
    for stress in STRESSES.values():
        strengths = ", ".join(f"{strength:.3g}" for strength in stress.strengths)
        row = f"| `{stress.name}` | {stress.family} | {stress.meaning.rstrip('.')} | {strengths} ({stress.unit}) |"
        assert row in text
