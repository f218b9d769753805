"""Exact copies within a merged set: which there are, and which of them stay.

Owns the rule for two copies of different classes. Copies are images of equal decoded pixels here; near copies are
:mod:`tumorscope.dataset.copies`' business, and always stay.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from tumorscope.dataset.manifest import ImageRecord, Manifest

__all__ = ["CopyRule", "SortedCopies", "sort_copies"]

CopyRule = Literal["keep", "remove"]


@dataclass(frozen=True, slots=True)
class SortedCopies:
    """A set with its copies dealt with.

    Parameters
    ----------
    kept
        What stays; copies share a ``slice_id``.
    removed
        What goes.
    copies
        How many images have the pixels of an earlier one.
    contradictory
        Images with a copy of another class.
    """

    kept: Manifest
    removed: tuple[ImageRecord, ...]
    copies: int
    contradictory: frozenset[Path]


def _copy_groups(manifest: Manifest) -> list[list[int]]:
    """Positions of images of equal decoded pixels, two or more together."""
    same: dict[str, list[int]] = defaultdict(list)
    for position, row in enumerate(manifest):
        same[row.pixels_sha256 or row.sha256].append(position)
    return [group for group in same.values() if len(group) > 1]


def sort_copies(manifest: Manifest, rule: CopyRule) -> SortedCopies:
    """Find the copies and keep or remove them.

    Parameters
    ----------
    manifest
        Rows with the hash of their pixels.
    rule
        ``keep`` all, or ``remove`` all but the first of each, and all where they have different classes: nobody
        knows which is right.
    """
    rows = list(manifest)
    gone: set[int] = set()
    exact = 0
    contradictory: set[Path] = set()
    for group in _copy_groups(manifest):
        exact += len(group) - 1
        labels = {rows[position].label for position in group}
        if len(labels) > 1:
            contradictory |= {rows[position].path for position in group}
        gone |= set(group if len(labels) > 1 else group[1:])
        for position in group[1:]:
            rows[position] = replace(rows[position], slice_id=rows[group[0]].slice_id)
    stays = [position for position in range(len(rows)) if rule == "keep" or position not in gone]
    removed = [] if rule == "keep" else sorted(gone)
    return SortedCopies(
        Manifest(tuple(rows[position] for position in stays), manifest.root),
        tuple(rows[position] for position in removed),
        exact,
        frozenset(contradictory),
    )
