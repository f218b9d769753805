"""The check for contradictory labels.

Owns the three ways two labels can meet: on copies of one picture, in one group, and against the source.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tumorscope.dataset.audit.document import Check, LabelConflict, Verdict
from tumorscope.dataset.audit.words import counted, listed
from tumorscope.dataset.copies.pair import CopyPair
from tumorscope.dataset.manifest import ImageRecord, Manifest

__all__ = ["conflict_check"]


def conflict_check(
    manifest: Manifest, slices: NDArray[np.int64], pairs: Sequence[CopyPair]
) -> tuple[Check, tuple[LabelConflict, ...]]:
    """Find images that two labels speak of.

    Parameters
    ----------
    manifest
        The data set.
    slices
        ``int64 [N]``: images of one slice, by the manifest or by equal pixels, share a number.
    pairs
        All copies found; a near copy is held against its own partner only, not against the partner's partners.

    Returns
    -------
    tuple
        The check, and the conflicts sorted by kind and path. Of a group the first image of each class stands for
        the others; a group whose classes meet on copies already is not named again.
    """
    copies = _conflicts(manifest, slices.tolist(), "copies", each=False) + _near(manifest, slices, pairs)
    copies.sort(key=lambda conflict: conflict.paths)
    told = {path for conflict in copies for path in conflict.paths}
    groups = [
        conflict
        for conflict in _conflicts(manifest, [row.group for row in manifest], "group", each=True)
        if not told.issuperset(conflict.paths)
    ]
    source = [
        LabelConflict(
            paths=(manifest.display_path(row),), labels=(row.label, row.source_label), found_by="source"
        )
        for row in manifest
        if row.source_label is not None and row.source_label is not row.label
    ]
    found = (*copies, *groups, *sorted(source, key=lambda conflict: conflict.paths))
    parts = [
        f"{number} {text}"
        for number, text in (
            (counted(len(copies), "picture"), "whose copies have more than one class"),
            (counted(len(groups), "group"), "with more than one class"),
            (counted(len(source), "image"), "that the source it was traced to gives another class"),
        )
        if not number.startswith("0 ")
    ]
    sentence = f"Found: {listed(parts)}." if parts else ("No copies, groups or sources contradict a label.")
    verdict = Verdict.PROBLEM if found else Verdict.GOOD
    if len(manifest) < 2 and all(row.source_label is None for row in manifest):
        verdict, sentence = Verdict.NOT_RUN, "Fewer than two images can be read, so no two labels can meet."
    check = Check(
        key="label-conflicts",
        title="Contradictory labels",
        verdict=verdict,
        sentence=sentence,
        count=None if verdict is Verdict.NOT_RUN else len(found),
    )
    return check, found


def _near(manifest: Manifest, slices: NDArray[np.int64], pairs: Sequence[CopyPair]) -> list[LabelConflict]:
    """Near copies with two classes, once for each two slices."""
    found: dict[frozenset[int], LabelConflict] = {}
    for pair in pairs:
        first, second = manifest.records[pair.first], manifest.records[pair.second]
        between = frozenset((int(slices[pair.first]), int(slices[pair.second])))
        if first.label is not second.label and len(between) == 2:
            named = sorted((manifest.display_path(row), row.label) for row in (first, second))
            paths, labels = zip(*named, strict=True)
            conflict = LabelConflict(paths=paths, labels=labels, found_by="copies")
            found[between] = min(found.get(between, conflict), conflict, key=lambda known: known.paths)
    return list(found.values())


def _conflicts(
    manifest: Manifest, keys: Sequence[object], found_by: Literal["copies", "group"], *, each: bool
) -> list[LabelConflict]:
    members: dict[object, list[ImageRecord]] = defaultdict(list)
    for key, row in zip(keys, manifest, strict=True):
        members[key].append(row)
    found = []
    for rows in members.values():
        if len({row.label for row in rows}) > 1:
            named = sorted((manifest.display_path(row), row.label) for row in rows)
            if each:
                first = {label: path for path, label in reversed(named)}
                named = sorted((path, label) for label, path in first.items())
            paths, labels = zip(*named, strict=True)
            found.append(LabelConflict(paths=paths, labels=labels, found_by=found_by))
    return sorted(found, key=lambda conflict: conflict.paths)
