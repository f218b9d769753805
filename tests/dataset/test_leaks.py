"""What lies on two sides is found, counted and told without naming anyone."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from split_cases import one_class_groups, tangled
from tumorscope.core.errors import LeakySplit
from tumorscope.dataset.groups import Key, key_of
from tumorscope.dataset.leaks import (
    count_leaks,
    describe_leaks,
    find_leaks,
    find_shared,
    fold_sides,
    part_sides,
    refuse_leaks,
)
from tumorscope.dataset.manifest import ImageRecord, Manifest, OfficialSplit, Part
from tumorscope.dataset.manifest_file import read_manifest


@given(manifest=tangled(least=4, most=12), seed=st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_it_finds_exactly_what_comparing_every_two_rows_finds(manifest: Manifest, seed: int) -> None:
    sides = [
        (None, "a", "b", "c")[number] for number in np.random.default_rng(seed).integers(0, 4, len(manifest))
    ]
    expected = set()
    for (one, first), (other, second) in combinations(enumerate(manifest), 2):
        for key in Key:
            value = key_of(first, key)
            apart = sides[one] is not None and sides[other] is not None and sides[one] != sides[other]
            if apart and value is not None and value == key_of(second, key):
                expected.add((key, value))
    found = find_leaks(manifest, sides)
    assert {(leak.key, leak.name) for leak in found} == expected
    assert len(found) == len(expected)
    for leak in found:
        assert sum(leak.sides.values()) == len(leak.rows)
        assert {sides[row] for row in leak.rows} == set(leak.sides)


class TestEachKind:
    a, b, c = one_class_groups({0: [1, 1, 1]}).with_folds([1, 2, 2]).records

    @pytest.mark.parametrize(
        ("key", "shared"),
        [
            (Key.PATIENT, {"patient": "x"}),
            (Key.GROUP, {"group": "x"}),
            (Key.SLICE, {"slice_id": "x"}),
            (Key.FILE, {"sha256": "a" * 64}),
            (Key.PIXELS, {"pixels_sha256": "a" * 64}),
        ],
    )
    def test_it_is_found_across_and_not_within(self, key: Key, shared: dict[str, Any]) -> None:
        def leaks(*rows: ImageRecord) -> dict[str, int]:
            manifest = Manifest(rows, Path())
            return count_leaks(find_leaks(manifest, fold_sides(manifest)))

        a, b, c = (replace(row, **shared) for row in (self.a, self.b, self.c))
        assert leaks(self.a, self.b, self.c) == {}
        assert leaks(self.a, b, c) == {}
        assert leaks(a, b, self.c) == {key.value: 1}
        assert leaks(a, b, c) == {key.value: 1}


class TestSides:
    def test_a_row_without_a_fold_is_on_no_side(self) -> None:
        manifest = one_class_groups({0: [2]})
        assert fold_sides(manifest) == (None, None)
        assert fold_sides(manifest.with_folds([2, 10])) == ("2", "10")

    def test_what_has_no_part_is_learnt_from_where_others_have_one(self) -> None:
        rows = one_class_groups({0: [4]}).records
        assert part_sides(Manifest(rows, Path())) == (None,) * 4
        parts = (None, Part.TEST, Part.EXCLUDED, Part.TRAIN)
        marked = tuple(replace(row, part=part) for row, part in zip(rows, parts, strict=True))
        assert part_sides(Manifest(marked, Path())) == ("train", "test", None, "train")

    def test_columns_that_are_not_there_are_not_looked_at(self) -> None:
        (leak,) = find_shared({Key.FILE: ["f", "", "", "f"]}, ["1", "1", "2", "2"])
        assert (leak.key, leak.sides, leak.rows) == (Key.FILE, {"1": 1, "2": 1}, (0, 3))


class TestWords:
    def test_counts_are_told_in_order(self) -> None:
        counts = {"pixels": 1, "patient": 1200, "file": 1, "slice": 2}
        assert describe_leaks(counts) == "1,200 patients, 2 slices, 1 file, 1 picture (equal pixels)"
        assert describe_leaks({}) == ""

    def test_a_refusal_is_one_line_that_names_nobody(self) -> None:
        a, b = one_class_groups({0: [2]}).with_folds([1, 2]).records
        manifest = Manifest((replace(a, patient="JANE DOE"), replace(b, patient="JANE DOE")), Path())
        leaks = find_leaks(manifest, fold_sides(manifest))
        with pytest.raises(LeakySplit) as caught:
            refuse_leaks(count_leaks(leaks), "folds", "--folds K")
        assert str(caught.value) == (
            "1 patient, 1 group lie in two folds, so the figures would be too good; split anew with "
            "'tumorscope data split MANIFEST --folds K --out NEW', or go on with --allow-leaks: results are stamped"
        )
        assert "JANE" not in str(caught.value) + repr(leaks)
        refuse_leaks({}, "folds", "--folds K")


def test_the_official_split_of_the_real_data_leaks_and_its_folds_do_not(real_data: Path) -> None:
    manifest = read_manifest(real_data / "brain-tumor-mri")
    official = count_leaks(find_leaks(manifest, [row.official_split for row in manifest]))
    patients = {
        side: {row.patient for row in manifest if row.official_split is side and row.patient}
        for side in OfficialSplit
    }
    shared = patients[OfficialSplit.TRAINING] & patients[OfficialSplit.TESTING]
    assert official["patient"] == len(shared) > 100
    assert official["file"] > 0
    assert find_leaks(manifest, fold_sides(manifest)) == ()
