"""Near copies and labels: what a pair says, and what it does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tumorscope.core.labels import Diagnosis
from tumorscope.dataset.audit.clusters import joined
from tumorscope.dataset.audit.conflicts import conflict_check
from tumorscope.dataset.audit.copies import copy_checks, described
from tumorscope.dataset.audit.document import Verdict
from tumorscope.dataset.copies.pair import CopyKind, CopyPair, Orientation
from tumorscope.dataset.manifest import ImageRecord, Manifest, Part

G, M = Diagnosis.GLIOMA, Diagnosis.MENINGIOMA


def made(*labels: Diagnosis, parts: tuple[Part | None, ...] = (), folds: tuple[int, ...] = ()) -> Manifest:
    rows = [
        ImageRecord(
            Path("/d") / f"{k}.png",
            label,
            group=f"g{k}",
            slice_id=f"s{k}",
            sha256=f"{k:064x}",
            part=parts[k] if parts else None,
            fold=folds[k] if folds else None,
        )
        for k, label in enumerate(labels)
    ]
    return Manifest(tuple(rows), Path("/d"))


def near(first: int, second: int, kind: CopyKind = CopyKind.MIRRORED) -> CopyPair:
    orientation = Orientation.MIRRORED if kind is CopyKind.MIRRORED else Orientation.SAME
    return CopyPair(first, second, kind, orientation, 0.98765)


def test_a_near_copy_contradicts_its_partner_only() -> None:
    # 0 and 2 are each near to 1, not to each other; 1 and 2 differ in class.
    _, found = conflict_check(made(G, G, M), np.arange(3), [near(0, 1), near(1, 2)])
    assert [(conflict.paths, conflict.labels) for conflict in found] == [(("1.png", "2.png"), (G, M))]


def test_equal_pixels_are_one_conflict_however_many() -> None:
    slices = joined(["a", "b", "c", "d"], [(0, 1), (1, 2)])
    assert slices.tolist() == [0, 0, 0, 1]
    check, found = conflict_check(made(G, G, M, M), slices, [near(0, 3), near(1, 3)])
    assert [conflict.paths for conflict in found] == [("0.png", "1.png", "2.png"), ("0.png", "3.png")]
    assert (check.count, check.verdict) == (2, Verdict.PROBLEM)


def test_pairs_say_on_which_sides_they_lie() -> None:
    parts = (Part.TRAIN, Part.TEST, Part.EXCLUDED, Part.TRAIN)
    manifest = made(G, G, G, M, parts=parts, folds=(1, 1, 2, 1))
    pairs = described(manifest, [near(2, 3), near(0, 1, CopyKind.EXACT), near(1, 2)])
    told = [(pair.first, pair.across_parts, pair.across_folds, pair.across_split) for pair in pairs]
    # What is excluded is on no side of the hold-out split.
    assert told == [
        ("0.png", True, False, False),
        ("1.png", False, True, False),
        ("2.png", False, True, False),
    ]
    assert [pair.score for pair in pairs] == [0.9877] * 3
    exact, others = copy_checks(pairs, len(manifest))
    assert (exact.verdict, exact.count) == (Verdict.PROBLEM, 1)
    assert "1 across the hold-out split" in exact.sentence
    assert "2 across folds and 1 across classes" in others.sentence
    assert "0 the same way round, 2 mirrored, 0 turned or flipped" in others.sentence


def test_copies_on_one_side_are_worth_knowing_and_no_problem() -> None:
    exact, others = copy_checks(described(made(G, G), [near(0, 1, CopyKind.EXACT)]), 2)
    assert exact.verdict is Verdict.NOTICE
    assert "none across a split or across classes" in exact.sentence
    assert others.verdict is Verdict.GOOD
