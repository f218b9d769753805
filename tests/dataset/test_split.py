"""Splits never divide what belongs together, and depend on nothing but the data and the seed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from split_cases import one_class_groups, pairs_in, shuffled, tangled
from tumorscope.core.errors import InvalidConfiguration, InvalidManifest, LeakySplit
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.dataset.copies.pair import CopyKind, CopyPair, Orientation
from tumorscope.dataset.groups import groups_with_two_labels, undivided_groups
from tumorscope.dataset.leaks import find_leaks, fold_sides, part_sides
from tumorscope.dataset.manifest import Manifest, OfficialSplit, Part
from tumorscope.dataset.manifest_file import read_manifest
from tumorscope.dataset.resplit import SplitRequest, resplit
from tumorscope.dataset.split import assign_folds, hold_out, leak_free, make_folds

seeds = st.integers(0, 1000)
sizes = st.lists(st.integers(1, 6), min_size=8, max_size=20)
plain = st.fixed_dictionaries(dict.fromkeys(range(4), sizes)).map(one_class_groups)


@given(manifest=tangled(), folds=st.integers(2, 4), seed=seeds)
@settings(max_examples=20, deadline=None)
def test_no_key_and_no_pair_lies_in_two_folds_and_each_class_is_in_each(
    manifest: Manifest, folds: int, seed: int
) -> None:
    pairs = pairs_in(manifest, seed)
    groups, labels = undivided_groups(manifest, pairs), manifest.labels()
    if min(len(set(groups[labels == label])) for label in range(4)) < folds:
        with pytest.raises(InvalidManifest, match=f"{folds} folds need at least {folds}"):
            make_folds(manifest, folds, seed, pairs)
        return
    numbers = make_folds(manifest, folds, seed, pairs)
    split = manifest.with_folds(numbers.tolist())
    assert find_leaks(split, fold_sides(split)) == ()
    assert all(numbers[pair.first] == numbers[pair.second] for pair in pairs)
    assert {(int(label), int(number)) for label, number in zip(labels, numbers, strict=True)} == {
        (label, number) for label in range(4) for number in range(1, folds + 1)
    }


@given(manifest=tangled(least=80, most=120), fraction=st.floats(0.1, 0.5), seed=seeds)
@settings(max_examples=20, deadline=None)
def test_no_key_and_no_pair_is_half_held_out_and_the_share_is_near(
    manifest: Manifest, fraction: float, seed: int
) -> None:
    pairs = pairs_in(manifest, seed)
    kept = hold_out(manifest, fraction, seed, pairs)
    assert find_leaks(manifest, ["out" if out else "in" for out in kept]) == ()
    assert all(kept[pair.first] == kept[pair.second] for pair in pairs)
    labels = manifest.labels()
    for side in (labels[kept], labels[~kept]):
        assert set(side.tolist()) == {0, 1, 2, 3}
    groups = undivided_groups(manifest, pairs)
    for label in range(4):
        own = labels == label
        # Whole groups may allow no better: of a group of 60 % and 40 % in small ones, half cannot be had.
        nearest = _nearest_share(groups[own], fraction)
        assert abs(kept[own].mean() - fraction) <= abs(nearest - fraction) + 0.05


def _nearest_share(groups: NDArray[np.str_], fraction: float) -> float:
    """The share nearest to the wanted one that any choice of whole groups gives."""
    reachable = {0}
    for size in np.unique(groups, return_counts=True)[1].tolist():
        reachable |= {size + count for count in reachable}
    return min((count / len(groups) for count in reachable), key=lambda share: abs(share - fraction))


def test_where_whole_groups_do_not_allow_the_wanted_share_the_nearest_share_is_held_out() -> None:
    manifest = one_class_groups({0: [40, *[2] * 13], **{k: [2] * 30 for k in (1, 2, 3)}})
    own = manifest.labels() == 0
    assert _nearest_share(undivided_groups(manifest)[own], 0.45) == 26 / 66
    for seed in range(5):
        assert hold_out(manifest, 0.45, seed)[own].mean() == pytest.approx(26 / 66, abs=0.05)


@given(manifest=tangled(least=60), seed=seeds)
@settings(max_examples=15, deadline=None)
def test_the_order_of_rows_decides_nothing(manifest: Manifest, seed: int) -> None:
    manifest = Manifest(manifest.records, Path())
    pairs = pairs_in(manifest, seed)
    moved, moved_pairs = shuffled(manifest, pairs, seed + 1)
    request = SplitRequest(folds=3, hold_out=0.25, seed=seed)
    here, there = resplit(manifest, request, pairs), resplit(moved, request, moved_pairs)
    assert {row.path: row for row in here} == {row.path: row for row in there}
    assert resplit(manifest, request, pairs) == here
    assert dict(zip([row.path for row in manifest], leak_free(manifest, pairs), strict=True)) == dict(
        zip([row.path for row in moved], leak_free(moved, moved_pairs), strict=True)
    )


@given(manifest=tangled(), seed=seeds)
@settings(max_examples=20, deadline=None)
def test_the_leak_free_part_is_tied_to_nothing_else_and_leaves_out_no_image_in_vain(
    manifest: Manifest, seed: int
) -> None:
    pairs = pairs_in(manifest, seed)
    parts = leak_free(manifest, pairs)
    groups = undivided_groups(manifest, pairs)
    official = [row.official_split for row in manifest]
    training = {
        group for group, split in zip(groups, official, strict=True) if split is OfficialSplit.TRAINING
    }
    for part, split, group in zip(parts, official, groups, strict=True):
        if split is OfficialSplit.TRAINING:
            assert part is Part.TRAIN
        else:
            assert part is (Part.EXCLUDED if group in training else Part.TEST)
    split_rows = tuple(replace(row, part=part) for row, part in zip(manifest, parts, strict=True))
    marked = Manifest(split_rows, Path())
    assert find_leaks(marked, part_sides(marked)) == ()


@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.12, 0.15, 0.25, 0.33, 0.5])
def test_about_the_wanted_share_of_every_class_is_held_out(fraction: float) -> None:
    manifest = one_class_groups({k: [3] * 40 for k in range(4)})
    kept = hold_out(manifest, fraction)
    for position in range(4):
        assert kept[manifest.labels() == position].mean() == pytest.approx(fraction, abs=0.013)


def test_a_large_patient_does_not_spoil_the_share() -> None:
    manifest = one_class_groups({0: [90, *[3] * 40], **{k: [3] * 60 for k in (1, 2, 3)}})
    for seed in range(8):
        kept = hold_out(manifest, 0.12, seed)
        assert kept[manifest.labels() == 0].mean() == pytest.approx(0.12, abs=0.03)


def test_another_seed_splits_otherwise() -> None:
    manifest = one_class_groups({k: [2] * 30 for k in range(4)})
    assert hold_out(manifest, 0.2, 0).tolist() != hold_out(manifest, 0.2, 1).tolist()
    assert make_folds(manifest, 4, 0).tolist() != make_folds(manifest, 4, 1).tolist()


class TestUndividedGroups:
    def test_each_key_ties_and_chains_hold(self) -> None:
        a, b, c, d, e, f, g = one_class_groups({0: [1] * 7}).records
        rows = (
            replace(a, patient="p"),
            replace(b, patient="p", slice_id="s"),
            replace(c, slice_id="s", sha256="f" * 64),
            replace(d, sha256="f" * 64, pixels_sha256="a" * 64),
            replace(e, pixels_sha256="a" * 64, group="x"),
            replace(f, group="x"),
            g,
        )
        manifest = Manifest(rows, Path())
        assert undivided_groups(manifest).tolist() == ["0-0"] * 6 + ["0-6"]
        pair = CopyPair(5, 6, CopyKind.MIRRORED, Orientation.MIRRORED, 0.99)
        assert undivided_groups(manifest, [pair]).tolist() == ["0-0"] * 7

    def test_what_is_not_known_ties_nothing(self) -> None:
        rows = [replace(row, slice_id="", sha256="", patient=None) for row in one_class_groups({0: [1] * 3})]
        assert undivided_groups(Manifest(tuple(rows), Path())).tolist() == ["0-0", "0-1", "0-2"]
        assert undivided_groups(Manifest((), Path())).tolist() == []

    def test_two_labels_in_a_group_are_reported(self) -> None:
        manifest = one_class_groups({0: [2, 2], 1: [2]})
        assert groups_with_two_labels(manifest) == ()
        wrong = replace(manifest.records[0], label=CLASS_ORDER[3])
        assert groups_with_two_labels(Manifest((wrong, *manifest.records[1:]), Path())) == ("0-0",)


class TestFoldsOfTheManifest:
    def test_they_are_kept(self) -> None:
        manifest = one_class_groups({k: [1, 2, 1] for k in range(4)})
        given_folds = manifest.with_folds([7 if row.group.endswith("1") else 9 for row in manifest])
        assert assign_folds(given_folds, 4) is given_folds

    def test_they_are_made_where_there_are_none(self) -> None:
        manifest = one_class_groups({k: [2] * 9 for k in range(4)})
        made = assign_folds(manifest, 3, seed=5)
        assert [row.fold for row in made] == make_folds(manifest, 3, 5).tolist()

    def test_a_leak_is_refused_unless_allowed(self) -> None:
        manifest = one_class_groups({0: [2], 1: [1]}).with_folds([1, 2, 1])
        with pytest.raises(LeakySplit, match=r"^1 group lies in two folds, .*data split MANIFEST --folds 4"):
            assign_folds(manifest)
        assert assign_folds(manifest, allow_leaks=True) is manifest

    @pytest.mark.parametrize(
        ("manifest", "message"),
        [
            (
                Manifest((*one_class_groups({0: [3]}, fold=1), *one_class_groups({1: [2]})), Path()),
                r"2 of 5 rows have no fold; give all rows one, or none",
            ),
            (
                one_class_groups({k: [2, 2] for k in range(4)}, fold=3),
                r"all 16 rows are in fold 3; .*at least two folds",
            ),
            (
                one_class_groups({0: [5] * 9, 1: [5] * 3, 2: [5] * 9, 3: [5] * 9}),
                r"class meningioma has 3 groups; 4 folds need at least 4",
            ),
        ],
    )
    def test_what_cannot_be_split_is_refused(self, manifest: Manifest, message: str) -> None:
        with pytest.raises(InvalidManifest, match=message):
            assign_folds(manifest)


class TestRefusals:
    def test_too_few_groups_cannot_be_held_out(self) -> None:
        with pytest.raises(InvalidManifest, match=r"class glioma has 4 groups, too few to hold out 0\.12"):
            hold_out(one_class_groups({k: [10] * 4 for k in range(4)}), 0.12)
        with pytest.raises(InvalidManifest, match=r"class glioma has 1 groups, too few"):
            hold_out(one_class_groups({k: [10] for k in range(4)}), 0.5)
        with pytest.raises(InvalidManifest, match=r"class glioma has 50 groups, too few to hold out 0\.001"):
            hold_out(one_class_groups({k: [1] * 50 for k in range(4)}), 0.001)

    @pytest.mark.parametrize("fraction", [0.0, -0.1, 0.51, float("nan")])
    def test_a_share_out_of_range(self, fraction: float) -> None:
        with pytest.raises(InvalidConfiguration, match=r"it must be above 0 and at most 0\.5"):
            hold_out(one_class_groups({k: [1] * 9 for k in range(4)}), fraction)

    def test_one_fold(self) -> None:
        with pytest.raises(InvalidConfiguration, match="1 folds were asked for; at least 2 are needed"):
            make_folds(one_class_groups({k: [1] * 9 for k in range(4)}), 1)

    def test_no_official_test_images(self) -> None:
        with pytest.raises(InvalidManifest, match="0 of 36 rows have the official_split Testing"):
            leak_free(one_class_groups({k: [1] * 9 for k in range(4)}))

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({}, "nothing to split by"),
            ({"hold_out": 0.2, "leak_free": True}, "both make the parts"),
            ({"folds": 3, "keep_folds": True}, "give one of them"),
        ],
    )
    def test_what_cannot_be_asked_for_together(self, options: dict[str, object], message: str) -> None:
        with pytest.raises(InvalidConfiguration, match=message):
            SplitRequest(**options)  # type: ignore[arg-type]


class TestResplit:
    manifest = one_class_groups({k: [2] * 12 for k in range(4)}).with_folds([1] * 48 + [2] * 48)

    def test_folds_are_made_over_what_is_learnt_from(self) -> None:
        result = resplit(self.manifest, SplitRequest(folds=3, hold_out=0.25))
        assert Counter(row.part for row in result) == {Part.TRAIN: 72, Part.TEST: 24}
        assert {row.fold for row in result if row.part is Part.TRAIN} == {1, 2, 3}
        assert {row.fold for row in result if row.part is Part.TEST} == {None}

    def test_old_folds_go_unless_kept_and_old_parts_stay(self) -> None:
        held = resplit(self.manifest, SplitRequest(hold_out=0.25))
        assert {row.fold for row in held} == {None}
        kept = resplit(self.manifest, SplitRequest(hold_out=0.25, keep_folds=True))
        assert [row.fold for row in kept] == [row.fold for row in self.manifest]
        again = resplit(held, SplitRequest(folds=4))
        assert [row.part for row in again] == [row.part for row in held]
        assert {row.fold for row in again if row.part is Part.TEST} == {None}

    def test_what_is_kept_must_not_leak(self) -> None:
        across = CopyPair(0, 95, CopyKind.NEAR, Orientation.SAME, 0.99)
        with pytest.raises(
            LeakySplit, match="own folds cannot be kept: on two sides are 1 group; make them anew"
        ):
            resplit(self.manifest, SplitRequest(hold_out=0.25, keep_folds=True), [across])
        parts = resplit(self.manifest, SplitRequest(hold_out=0.25))
        ends = [
            next(i for i, row in enumerate(parts) if row.part is part) for part in (Part.TRAIN, Part.TEST)
        ]
        pair = CopyPair(min(ends), max(ends), CopyKind.NEAR, Orientation.SAME, 0.99)
        with pytest.raises(LeakySplit, match="own parts cannot be kept: on two sides are 1 group"):
            resplit(parts, SplitRequest(folds=3), [pair])

    def test_near_copies_are_written_into_the_groups(self) -> None:
        pair = CopyPair(0, 95, CopyKind.NEAR, Orientation.SAME, 0.99)
        result = resplit(self.manifest, SplitRequest(folds=3), [pair])
        assert result.records[0].group == result.records[95].group == "0-0"
        assert result.records[0].fold == result.records[95].fold


class TestRealData:
    def test_the_real_folds_do_not_leak_and_the_held_out_part_is_fair(self, real_data: Path) -> None:
        manifest = read_manifest(real_data / "brain-tumor-mri")
        assert assign_folds(manifest) is manifest
        kept = hold_out(manifest, 0.12)
        names, labels = np.array([row.group for row in manifest]), manifest.labels()
        assert not set(names[kept]) & set(names[~kept])
        for position in range(4):
            assert kept[labels == position].mean() == pytest.approx(0.12, abs=0.005)

    def test_folds_made_anew_are_even(self, real_data: Path) -> None:
        manifest = read_manifest(real_data / "brain-tumor-mri")
        numbers, labels = make_folds(manifest, 5), manifest.labels()
        for position in range(4):
            shares = np.bincount(numbers[labels == position], minlength=6)[1:] / (labels == position).sum()
            assert shares == pytest.approx(np.full(5, 0.2), abs=0.01)

    def test_five_official_test_images_are_leak_free(self, real_data: Path) -> None:
        manifest = read_manifest(real_data / "brain-tumor-mri")
        parts = leak_free(manifest)
        assert Counter(parts) == {Part.TRAIN: 4291, Part.EXCLUDED: 1018, Part.TEST: 5}
        test = [row for row, part in zip(manifest, parts, strict=True) if part is Part.TEST]
        assert Counter(row.label.value for row in test) == {"meningioma": 4, "notumor": 1}
        assert len({row.group for row in test}) == 4
