"""Styles are found without labels and whatever the order of rows; folds hold whole styles and whole groups."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tumorscope.core.errors import InvalidConfiguration, InvalidManifest
from tumorscope.core.labels import CLASS_ORDER, Diagnosis
from tumorscope.dataset.leaks import find_leaks, fold_sides, part_sides
from tumorscope.dataset.load import load_input
from tumorscope.dataset.manifest import ImageRecord, Manifest, Part
from tumorscope.dataset.manifest_file import read_manifest
from tumorscope.dataset.style_split import split_by_style
from tumorscope.dataset.styles import assign_styles, style_features
from tumorscope.preprocess import preprocess
from tumorscope.synthesis.phantom import make_phantom
from tumorscope.synthesis.stresses import apply_stress

LOOKS = (("gamma-darker", 4), ("gamma-brighter", 4), ("noise", 4))


def row(number: int, label: Diagnosis, group: str, source: str = "unknown") -> ImageRecord:
    return ImageRecord(
        Path(f"{number}.png"), label, group, f"slice:{number}", f"{number * 7919 % 10007:064x}", source=source
    )


def looks() -> tuple[Manifest, NDArray[np.uint8], NDArray[np.int64]]:
    """Slices of all classes, each group in one of three looks."""
    rows, images, truth = [], [], []
    for number in range(48):
        label, look = CLASS_ORDER[number % 4], number // 4 % len(LOOKS)
        pixels = make_phantom(label, number, 96).pixels
        images.append(preprocess(apply_stress(pixels, *LOOKS[look]), 64))
        rows.append(row(number, label, f"group:{number}"))
        truth.append(look)
    return Manifest(tuple(rows), Path()), np.stack(images), np.array(truth)


MADE, IMAGES, LOOK = looks()
FEATURES = style_features(IMAGES)


def test_looks_are_told_apart_and_classes_are_not() -> None:
    found = assign_styles(MADE, FEATURES, 3)
    assert set(found.tolist()) == {"style-1", "style-2", "style-3"}
    same = found[:, None] == found[None, :]
    alike = LOOK[:, None] == LOOK[None, :]
    assert (same == alike).mean() > 0.8  # by chance 0.55
    # Named from dark midtones to bright.
    midtones = FEATURES[:, 2]
    means = [midtones[found == f"style-{number}"].mean() for number in (1, 2, 3)]
    assert means == sorted(means)


def test_the_order_of_rows_decides_nothing() -> None:
    found = assign_styles(MADE, FEATURES, 3)
    order = np.random.default_rng(0).permutation(len(MADE))
    np.testing.assert_array_equal(
        assign_styles(MADE.subset(order.tolist()), FEATURES[order], 3), found[order]
    )
    np.testing.assert_array_equal(assign_styles(MADE, FEATURES, 3), found)


def test_a_group_has_one_style_unless_asked_otherwise() -> None:
    rows = tuple(replace(record, group=f"group:{number // 8}") for number, record in enumerate(MADE))
    manifest = Manifest(rows, Path())
    for whole in (True, False):
        found = assign_styles(manifest, FEATURES, 3, whole_groups=whole)
        per_group = [len(set(found[8 * k : 8 * k + 8].tolist())) for k in range(6)]
        assert (max(per_group) == 1) == whole


def test_features_see_the_look_and_are_finite_on_anything() -> None:
    plain, noisy = (style_features(IMAGES[look == LOOK]) for look in (0, 2))
    assert plain.shape[1] == 14
    assert noisy[:, -1].mean() > plain[:, -1].mean()  # energy in the finest band
    assert noisy[:, 2].min() > np.median(plain[:, 2])  # the midtones that gamma sank
    odd = np.stack([np.zeros((64, 64)), np.full((64, 64), 255), np.eye(64) * 255]).astype(np.uint8)
    assert np.isfinite(style_features(odd)).all()


def styled(seed: int = 0) -> tuple[Manifest, NDArray[np.str_]]:
    rng = np.random.default_rng(seed)
    rows: list[ImageRecord] = []
    styles: list[str] = []
    for group in range(60):
        label, home = CLASS_ORDER[group % 4], int(rng.integers(1, 7))
        for _ in range(int(rng.integers(2, 6))):
            rows.append(row(len(rows), label, f"group:{group}"))
            styles.append(f"style-{home if rng.random() < 0.9 else rng.integers(1, 7)}")
    return Manifest(tuple(rows), Path()), np.array(styles)


@pytest.mark.parametrize("seed", range(5))
def test_folds_are_whole_styles_and_whole_groups(seed: int) -> None:
    manifest, styles = styled(seed)
    split = split_by_style(manifest, styles, 3)
    assert [record.path for record in split.manifest] == [record.path for record in manifest]
    assert find_leaks(split.manifest, fold_sides(split.manifest)) == ()
    assert find_leaks(split.manifest, part_sides(split.manifest)) == ()
    folds: dict[str, set[int | None]] = {}
    for style, record in zip(styles.tolist(), split.manifest, strict=True):
        assert record.style == style
        assert (record.fold is None) == (record.part is Part.EXCLUDED)
        folds.setdefault(style, set()).add(record.fold)
    assert all(len(found - {None}) == 1 for found in folds.values())
    assert split.excluded == sum(record.part is Part.EXCLUDED for record in split.manifest)
    assert 0 < split.excluded < 0.2 * len(manifest)
    for fold in split.folds:
        held = [record for record in split.manifest if record.fold == fold.fold]
        assert sum(fold.images.values()) == len(held) > 0.15 * len(manifest)
        assert {style for style, found in folds.items() if fold.fold in found} == set(fold.styles)


def test_a_class_that_a_style_lacks_is_said_and_one_that_no_fold_can_learn_is_refused() -> None:
    rows: list[ImageRecord] = []
    styles: list[str] = []
    for style, labels in {"a": (0, 1, 2), "b": (0, 1, 2), "c": (0, 1, 2, 3), "d": (0, 1, 2, 3)}.items():
        for label in labels:
            for _ in range(5):
                rows.append(row(len(rows), CLASS_ORDER[label], f"group:{len(rows)}"))
                styles.append(style)
    manifest = Manifest(tuple(rows), Path())
    split = split_by_style(manifest, np.array(styles), 4)
    assert sorted(fold.absent for fold in split.folds) == [(), (), ("pituitary",), ("pituitary",)]
    assert split.excluded == 0
    alone = np.array(["c" if style == "d" else style for style in styles])
    with pytest.raises(InvalidManifest, match="class pituitary have styles of fold"):
        split_by_style(manifest, alone, 3)


@pytest.mark.parametrize("seed", range(4))
def test_no_move_and_no_exchange_makes_the_folds_evener(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows: list[ImageRecord] = []
    styles: list[str] = []
    for style in range(9):
        for label, size in enumerate(rng.integers(1, 40, 4).tolist()):
            for _ in range(size):
                rows.append(row(len(rows), CLASS_ORDER[label], f"group:{len(rows)}"))
                styles.append(f"style-{style + 1}")
    manifest = Manifest(tuple(rows), Path())
    split = split_by_style(manifest, np.array(styles), 3)
    assert split.excluded == 0
    fold_of = {record.style: record.fold for record in split.manifest}
    labels, names = manifest.labels(), sorted(set(styles))
    member = np.array(styles)[:, None] == np.array(names)
    counts = np.array([np.bincount(labels[own], minlength=4) for own in member.T], dtype=np.float64)
    shares = np.concatenate(
        [counts / counts.sum(axis=0), counts.sum(axis=1, keepdims=True) / len(rows)], axis=1
    )

    def unevenness(folds: list[int | None]) -> float:
        return sum(
            float(
                (
                    (shares[[k for k, fold in enumerate(folds) if fold == number]].sum(axis=0) - 1 / 3) ** 2
                ).sum()
            )
            for number in (1, 2, 3)
        )

    found = [fold_of[name] for name in names]
    least = unevenness(found) - 1e-9
    for k in range(9):
        assert all(unevenness([*found[:k], number, *found[k + 1 :]]) >= least for number in (1, 2, 3))
        for other in range(k):
            swapped = list(found)
            swapped[k], swapped[other] = found[other], found[k]
            assert unevenness(swapped) >= least


def test_rows_that_are_not_learnt_from_stay_as_they_are() -> None:
    manifest, styles = styled()
    rows = tuple(
        replace(record, part=Part.TEST if record.group == "group:5" else Part.TRAIN) for record in manifest
    )
    split = split_by_style(Manifest(rows, Path()), styles, 3)
    assert {(record.part, record.fold) for record in split.manifest if record.group == "group:5"} == {
        (Part.TEST, None)
    }


def test_numbers_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InvalidConfiguration, match="1 styles were asked for"):
        assign_styles(MADE, FEATURES, 1)
    with pytest.raises(InvalidConfiguration, match="one a row"):
        assign_styles(MADE, FEATURES[:5], 3)
    manifest, styles = styled()
    with pytest.raises(InvalidConfiguration, match="between 2 and 6"):
        split_by_style(manifest, styles, 7)


def test_styles_of_real_slices_follow_brightness_and_give_folds_with_all_classes(real_data: Path) -> None:
    manifest = read_manifest(real_data / "brain-tumor-mri" / "manifest.csv")
    groups = sorted({record.group for record in manifest})[::3]
    rows = [k for k, record in enumerate(manifest) if record.group in set(groups)][::4]
    part = manifest.subset(rows)
    images = np.stack([load_input(record.path, 64) for record in part])
    styles = assign_styles(part, style_features(images), 6)
    assert len(set(styles.tolist())) == 6
    split = split_by_style(part, styles, 2)
    assert split.excluded < 0.1 * len(part)
    assert all(not fold.absent for fold in split.folds)
