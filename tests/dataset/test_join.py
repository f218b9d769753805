"""Data sets put together share no key by chance and lose none that they have in common."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tumorscope.core.errors import InvalidManifest
from tumorscope.core.labels import Diagnosis
from tumorscope.dataset.join import SharedFiles, join, shared_files
from tumorscope.dataset.manifest import ImageRecord, Manifest, Part


def _row(path: str, group: str, sha256: str = "", **more: Any) -> ImageRecord:
    digest = sha256 or path
    return ImageRecord(
        Path("/data") / path,
        Diagnosis.GLIOMA,
        group=group,
        slice_id=more.pop("slice_id", digest),
        sha256=digest,
        **more,
    )


def _set(*rows: ImageRecord) -> Manifest:
    return Manifest(rows, Path("/data"))


def test_rows_keep_their_order_and_lose_folds_parts_and_styles() -> None:
    joined = join(
        [
            _set(_row("a/1", "p", fold=2, part=Part.TEST, style="style-1")),
            _set(_row("b/1", "q"), _row("b/0", "r", fold=1)),
        ]
    )
    assert [row.path.as_posix() for row in joined] == ["/data/a/1", "/data/b/1", "/data/b/0"]
    assert {(row.fold, row.part, row.style) for row in joined} == {(None, None, None)}
    assert joined.root == Path("/data")


def test_names_within_a_set_do_not_meet() -> None:
    first = _set(_row("a/1", "patient:7", patient="7", slice_id="s1"))
    second = _set(_row("b/1", "patient:7", patient="7", slice_id="s1"))
    one, two = join([first, second], ["kaggle", "own"])
    assert (one.group, one.patient, one.slice_id) == ("kaggle/patient:7", "kaggle/7", "kaggle/s1")
    assert (two.group, two.patient, two.slice_id) == ("own/patient:7", "own/7", "own/s1")


def test_the_public_set_means_the_same_everywhere() -> None:
    first = _set(_row("a/1", "patient:MR1", patient="MR1", slice_id="figshare:5"))
    second = _set(
        _row("b/1", "patient:MR1", patient="MR1", slice_id="figshare:6"),
        _row("b/2", "patient:MR1", patient="MR1"),
        _row("b/3", "patient:9", patient="9"),
    )
    rows = join([first, second]).records
    assert [row.group for row in rows] == ["patient:MR1"] * 3 + ["2/patient:9"]
    assert [row.patient for row in rows] == ["MR1"] * 3 + ["2/9"]
    assert [row.slice_id for row in rows] == ["figshare:5", "figshare:6", "b/2", "b/3"]


def test_groups_that_share_a_file_pixels_or_a_slice_become_one() -> None:
    first = _set(
        _row("a/1", "p1", sha256="X"),
        _row("a/2", "p2", pixels_sha256="Y"),
        _row("a/3", "cluster:4", slice_id="figshare:3"),
        _row("a/4", "p5"),
    )
    second = _set(
        _row("b/1", "q1", sha256="X"),
        _row("b/2", "q1", pixels_sha256="Y"),
        _row("b/3", "q3", slice_id="figshare:3"),
        _row("b/4", "q4"),
    )
    joined = join([first, second])
    groups = {row.path.as_posix()[6:]: row.group for row in joined}
    # q1 holds copies of p1 and of p2: all three are one.
    assert len({groups[name] for name in ("a/1", "a/2", "b/1", "b/2")}) == 1
    assert groups["a/3"] == groups["b/3"]
    assert len(set(groups.values())) == 4
    weights = dict(zip(groups, joined.weights(), strict=True))
    assert [weights[name] for name in ("a/1", "b/1", "a/2", "b/2", "a/3", "b/3", "a/4", "b/4")] == [
        0.5
    ] * 6 + [1, 1]


def test_a_group_that_is_a_hash_stays_one() -> None:
    rows = join([_set(_row("a/1", "X", sha256="X")), _set(_row("b/1", "X", sha256="X"))]).records
    assert [(row.group, row.slice_id) for row in rows] == [("X", "X")] * 2


def test_a_long_chain_of_shared_files_is_one_group_in_reasonable_time() -> None:
    length = 6_000
    first = _set(*(_row(f"a/{k}", f"g{k}", sha256=f"s{k}") for k in range(length)))
    second = _set(*(_row(f"b/{k}", f"h{k // 2}", sha256=f"s{k + 1}") for k in range(length - 1)))
    third = _set(*(_row(f"c/{k}", f"i{k // 2}", sha256=f"s{k}") for k in range(length)))
    assert len({row.group for row in join([first, second, third])}) == 1


@pytest.mark.parametrize(
    ("sets", "names", "message"),
    [
        ([_set(_row("a", "g"))], None, "1 data set was given; joining needs at least two"),
        ([_set(_row("a", "g")), _set(_row("b", "g"))], ["x", "x"], "called the same: x, x"),
        ([_set(_row("a", "g")), _set(_row("a", "h"))], None, "a is in two of the data sets"),
        (
            [_set(_row("a", "g", dataset="k@1")), _set(_row("b", "g", dataset="k@2"))],
            None,
            "versions of one data set: k@1, k@2",
        ),
    ],
)
def test_what_may_not_be_joined_is_named(sets: list[Manifest], names: list[str] | None, message: str) -> None:
    with pytest.raises(InvalidManifest, match=message):
        join(sets, names)


def test_two_data_sets_that_carry_no_version_are_not_versions_of_one() -> None:
    assert len(join([_set(_row("a", "g", dataset="br35h")), _set(_row("b", "g", dataset="sartaj"))])) == 2


def test_files_in_several_sets_are_counted_and_those_with_two_labels() -> None:
    first = _set(_row("a/1", "g", sha256="X"), _row("a/2", "g", sha256="Y"), _row("a/3", "g", sha256="X"))
    second = _set(
        replace(_row("b/1", "h", sha256="X"), label=Diagnosis.NOTUMOR), _row("b/2", "h", sha256="Y")
    )
    third = _set(_row("c/1", "i", sha256="Y"), _row("c/2", "i", sha256="Z"), _row("c/3", "i", sha256="Z"))
    assert shared_files([first, second, third]) == SharedFiles(2, 1)
    assert shared_files([first, third]) == SharedFiles(1, 0)
    assert shared_files([second, second.subset([0])]) == SharedFiles(1, 0)
    assert shared_files([first]) == SharedFiles(0, 0)
