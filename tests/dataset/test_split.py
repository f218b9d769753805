"""Splits never divide a group."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tumorscope.core.errors import InvalidManifest
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.dataset.manifest import ImageRecord, Manifest
from tumorscope.dataset.manifest_file import read_manifest
from tumorscope.dataset.split import assign_folds, hold_out


def _manifest(sizes: dict[int, list[int]], fold: int | None = None) -> Manifest:
    """For each class the sizes of its groups."""
    rows = [
        ImageRecord(Path("x.png"), CLASS_ORDER[k], f"{k}-{group}", f"{k}-{group}-{n}", "0" * 64, fold=fold)
        for k, groups in sizes.items()
        for group, size in enumerate(groups)
        for n in range(size)
    ]
    return Manifest(tuple(rows), Path())


groups = st.lists(st.integers(1, 6), min_size=8, max_size=20)
manifests = st.fixed_dictionaries(dict.fromkeys(range(4), groups)).map(_manifest)


@given(manifest=manifests, folds=st.integers(2, 5), seed=st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_folds_leave_groups_whole_and_reach_every_row(manifest: Manifest, folds: int, seed: int) -> None:
    result = assign_folds(manifest, folds, seed)
    folds_of = defaultdict(set)
    for row in result:
        folds_of[row.group].add(row.fold)
    assert all(len(numbers) == 1 for numbers in folds_of.values())
    assert {row.fold for row in result} == set(range(1, folds + 1))
    assert [row.slice_id for row in result] == [row.slice_id for row in manifest]
    assert assign_folds(manifest, folds, seed) == result


@given(manifest=manifests, fraction=st.floats(0.13, 0.5), seed=st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_what_is_held_out_leaves_groups_whole(manifest: Manifest, fraction: float, seed: int) -> None:
    kept = hold_out(manifest, fraction, seed)
    names = np.array([row.group for row in manifest])
    assert not set(names[kept]) & set(names[~kept])
    assert 0 < kept.sum() < len(manifest)
    assert kept.tolist() == hold_out(manifest, fraction, seed).tolist()


@pytest.mark.parametrize("fraction", [0.1, 0.12, 0.25, 0.5])
def test_about_the_wanted_share_of_every_class_is_held_out(fraction: float) -> None:
    manifest = _manifest({k: [3] * 40 for k in range(4)})
    kept = hold_out(manifest, fraction)
    for position in range(4):
        assert kept[manifest.labels() == position].mean() == pytest.approx(fraction, abs=0.04)


def test_another_seed_holds_out_others() -> None:
    manifest = _manifest({k: [2] * 30 for k in range(4)})
    assert hold_out(manifest, 0.2, 0).tolist() != hold_out(manifest, 0.2, 1).tolist()


def test_given_folds_are_kept() -> None:
    manifest = _manifest({k: [1, 2, 1] for k in range(4)})
    given_folds = manifest.with_folds([7 if row.group.endswith("1") else 9 for row in manifest])
    assert assign_folds(given_folds, 4) is given_folds


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (
            Manifest((*_manifest({0: [3]}, fold=1), *_manifest({1: [2]})), Path()),
            r"2 of 5 rows have no fold; give all rows one, or none",
        ),
        (
            _manifest({0: [2], 1: [1]}).with_folds([1, 2, 1]),
            r"a group lies in folds 1 and 2 \(x\.png\)",
        ),
        (
            _manifest({k: [2, 2] for k in range(4)}, fold=3),
            r"all 16 rows are in fold 3; .*at least two folds",
        ),
        (
            _manifest({0: [5] * 9, 1: [5] * 3, 2: [5] * 9, 3: [5] * 9}),
            r"class meningioma has 3 groups; 4 parts need at least 4",
        ),
    ],
)
def test_what_cannot_be_split_is_refused(manifest: Manifest, message: str) -> None:
    with pytest.raises(InvalidManifest, match=message):
        assign_folds(manifest)


def test_too_few_groups_cannot_be_held_out() -> None:
    with pytest.raises(InvalidManifest, match=r"class glioma has 4 groups; 8 parts need at least 8"):
        hold_out(_manifest({k: [10] * 4 for k in range(4)}), 0.12)


def test_the_real_folds_are_used_and_the_held_out_part_is_fair(real_data: Path) -> None:
    manifest = read_manifest(real_data / "brain-tumor-mri")
    assert assign_folds(manifest) is manifest
    kept = hold_out(manifest, 0.12)
    assert kept.mean() == pytest.approx(0.125, abs=0.02)
    names = np.array([row.group for row in manifest])
    assert not set(names[kept]) & set(names[~kept])
    share = Counter(manifest.labels()[kept].tolist())
    for position, total in Counter(manifest.labels().tolist()).items():
        assert share[position] / total == pytest.approx(0.125, abs=0.05)
