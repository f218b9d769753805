"""Several data sets to one.

Owns what may not be mixed and how names are kept apart. Labels were mapped when each was read.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tumorscope.core.errors import InvalidManifest
from tumorscope.dataset.manifest import ImageRecord, Manifest

__all__ = ["join"]


def join(manifests: Sequence[Manifest], names: Sequence[str] | None = None) -> Manifest:
    """Put data sets one after the other.

    Folds and parts are dropped, since they were made for each alone; split the result. Groups and slices that two
    sets share stay shared where they are known by content (hashes) or by the public set's own number
    (``figshare:``); any other key is a name within its own set and gets that set's name in front.

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
    rows = [_renamed(row, name) for manifest, name in zip(manifests, called, strict=True) for row in manifest]
    seen: set[Path] = set()
    for row in rows:
        if row.path in seen:
            raise InvalidManifest(f"{row.path.name} is in two of the data sets; give each image once")
        seen.add(row.path)
    return Manifest(tuple(rows), Path(os.path.commonpath([row.path.parent for row in rows])))


def _renamed(row: ImageRecord, name: str) -> ImageRecord:
    return replace(
        row,
        path=Path(os.path.abspath(row.path)),  # noqa: PTH100 - links stay links
        group=_scoped(row.group, row, name),
        slice_id=_scoped(row.slice_id, row, name),
        fold=None,
        part=None,
    )


def _scoped(key: str, row: ImageRecord, name: str) -> str:
    is_shared = key == row.sha256 or key.startswith("figshare:")
    return key if is_shared else f"{name}/{key}"


def _refuse_two_versions(manifests: Sequence[Manifest]) -> None:
    versions: dict[str, set[str]] = {}
    for manifest in manifests:
        for stamp in {row.dataset for row in manifest if row.dataset}:
            versions.setdefault(stamp.rpartition("@")[0], set()).add(stamp)
    for stamps in versions.values():
        if len(stamps) > 1:
            raise InvalidManifest(
                f"these are versions of one data set: {', '.join(sorted(stamps))}; they share images under other "
                "names, use one of them"
            )
