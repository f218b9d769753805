"""Several data sets to one.

Owns what may not be mixed and which groups of two sets are one. Labels were mapped when each was read.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tumorscope.core.errors import InvalidManifest
from tumorscope.core.labels import Diagnosis
from tumorscope.dataset.manifest import ImageRecord, Manifest

__all__ = ["SharedFiles", "join", "shared_files"]

_PUBLIC = "figshare:"  # keys of slices that mean the same in every set


@dataclass(frozen=True, slots=True)
class SharedFiles:
    """Files that several data sets hold, by their hash.

    Parameters
    ----------
    count
        How many different files.
    contradictory
        In how many of them the labels differ.
    """

    count: int
    contradictory: int


def shared_files(manifests: Sequence[Manifest]) -> SharedFiles:
    """Count the files that lie in more than one of the data sets, under whatever names."""
    holders: dict[str, set[int]] = {}
    labels: dict[str, set[Diagnosis]] = {}
    for number, manifest in enumerate(manifests):
        for row in manifest:
            holders.setdefault(row.sha256, set()).add(number)
            labels.setdefault(row.sha256, set()).add(row.label)
    shared = [sha256 for sha256, found in holders.items() if len(found) > 1]
    return SharedFiles(len(shared), sum(len(labels[sha256]) > 1 for sha256 in shared))


def join(manifests: Sequence[Manifest], names: Sequence[str] | None = None) -> Manifest:
    """Put data sets one after the other.

    Folds, parts and styles are dropped, since they were made for each alone; split the result. A key (of a group,
    slice or patient) is a name within its own set and gets that set's name in front, unless it is a hash of the
    content or belongs to a slice of the public Figshare set, whose numbers mean the same everywhere. Groups of two
    sets become one where they share a file, decoded pixels or a slice, so that no split of the result divides them.

    Parameters
    ----------
    manifests
        At least two.
    names
        What to call each; ``1``, ``2``... where ``None``.

    Raises
    ------
    InvalidManifest
        If fewer than two are given, an image occurs in two of them, or two versions of one public set meet.
    """
    if len(manifests) < 2:
        raise InvalidManifest(f"{len(manifests)} data set was given; joining needs at least two")
    called = list(names or (str(number) for number in range(1, len(manifests) + 1)))
    if len(set(called)) < len(called):
        raise InvalidManifest(
            f"two data sets are called the same: {', '.join(called)}; name them differently"
        )
    _refuse_two_versions(manifests)
    rows = [row for manifest, name in zip(manifests, called, strict=True) for row in _scoped(manifest, name)]
    seen: set[Path] = set()
    for row in rows:
        if row.path in seen:
            raise InvalidManifest(f"{row.path.name} is in two of the data sets; give each image once")
        seen.add(row.path)
    return Manifest(tuple(_merged(rows)), _common_folder(rows))


def _scoped(manifest: Manifest, name: str) -> list[ImageRecord]:
    """Rows whose keys do not meet those of another set by chance."""
    traced = [row for row in manifest if row.slice_id.startswith(_PUBLIC) and row.patient]
    public_patients = {row.patient for row in traced}
    public_groups = {row.group for row in traced if row.group == f"patient:{row.patient}"}
    return [
        replace(
            row,
            path=Path(os.path.abspath(row.path)),  # noqa: PTH100 - links stay links
            group=row.group
            if row.group == row.sha256 or row.group in public_groups
            else f"{name}/{row.group}",
            slice_id=(
                row.slice_id
                if row.slice_id == row.sha256 or row.slice_id.startswith(_PUBLIC)
                else f"{name}/{row.slice_id}"
            ),
            patient=row.patient
            if row.patient is None or row.patient in public_patients
            else f"{name}/{row.patient}",
            fold=None,
            part=None,
            style=None,
        )
        for row in manifest
    ]


def _merged(rows: list[ImageRecord]) -> list[ImageRecord]:
    """Rows with one slice for equal content and one group for all that share a slice."""
    slices, groups = _Classes(), _Classes()
    first_row: dict[str, ImageRecord] = {}
    for row in rows:
        for content in (f"file:{row.sha256}", f"pixels:{row.pixels_sha256 or row.sha256}"):
            same = first_row.setdefault(content, row)
            slices.unite(same.slice_id, row.slice_id)
            groups.unite(same.group, row.group)
    first_group: dict[str, str] = {}
    for row in rows:
        groups.unite(first_group.setdefault(slices.name(row.slice_id), row.group), row.group)
    return [replace(row, slice_id=slices.name(row.slice_id), group=groups.name(row.group)) for row in rows]


class _Classes:
    """Keys that mean the same, called by the one that was seen first (union-find)."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def name(self, key: str) -> str:
        root = key
        while (parent := self._parent.get(root, root)) != root:
            root = parent
        while key != root:  # shorten the way for the next time
            above = self._parent[key]
            self._parent[key] = root
            key = above
        return root

    def unite(self, first: str, second: str) -> None:
        self._parent[self.name(second)] = self.name(first)


def _common_folder(rows: Sequence[ImageRecord]) -> Path:
    try:
        return Path(os.path.commonpath([row.path.parent for row in rows]))
    except ValueError:  # two drives
        return rows[0].path.parent


def _refuse_two_versions(manifests: Sequence[Manifest]) -> None:
    versions: dict[str, set[str]] = {}
    for manifest in manifests:
        for stamp in {row.dataset for row in manifest if row.dataset}:
            versions.setdefault(stamp.rpartition("@")[0] or stamp, set()).add(stamp)
    for stamps in versions.values():
        if len(stamps) > 1:
            raise InvalidManifest(
                f"these are versions of one data set: {', '.join(sorted(stamps))}; they share images under other "
                "names, use one of them"
            )
