"""What may not be divided: images that share a patient, a group, a slice, a file, its pixels, or are near copies.

Owns the keys that tie two images together and the groups they make. Knows nothing of splits.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.optional import require
from tumorscope.dataset.copies.pair import CopyPair
from tumorscope.dataset.manifest import ImageRecord, Manifest

__all__ = ["Key", "groups_with_two_labels", "key_of", "undivided_groups", "with_groups"]


class Key(StrEnum):
    """What two images of one side of a split may share and two of different sides may not."""

    PATIENT = "patient"
    GROUP = "group"
    SLICE = "slice"
    FILE = "file"
    """The same bytes."""
    PIXELS = "pixels"
    """The same decoded pixels."""


def key_of(row: ImageRecord, key: Key) -> str | None:
    """The row's value of a key; ``None`` where it is not known."""
    value = {
        Key.PATIENT: row.patient,
        Key.GROUP: row.group,
        Key.SLICE: row.slice_id,
        Key.FILE: row.sha256,
        Key.PIXELS: row.pixels_sha256,
    }[key]
    return value or None


def undivided_groups(manifest: Manifest, pairs: Sequence[CopyPair] = ()) -> NDArray[np.str_]:
    """Tie together all images that share a key or are near copies, through any number of others.

    Parameters
    ----------
    manifest
        The data set.
    pairs
        Near copies, as positions in it.

    Returns
    -------
    numpy.ndarray
        ``str [N]``, the name of each image's undivided group: the first in the alphabet of the manifest's own
        groups that it joins, so that it depends neither on the order of the rows nor on a seed.

    Raises
    ------
    MissingDependency
        If SciPy is not installed.
    """
    sparse = require("scipy.sparse", extra="evaluate", purpose="splitting by group")
    graph = require("scipy.sparse.csgraph", extra="evaluate", purpose="splitting by group")
    if not len(manifest):
        return np.array([], dtype=np.str_)
    # A star for each value of each key: every row is tied to the first that has it.
    first: dict[tuple[Key, str], int] = {}
    ties = [
        (first.setdefault((key, value), position), position)
        for key in Key
        for position, row in enumerate(manifest)
        if (value := key_of(row, key)) is not None
    ]
    ties += [(pair.first, pair.second) for pair in pairs]
    ends = np.array(ties, dtype=np.int64).reshape(-1, 2)
    size = len(manifest)
    matrix = sparse.coo_array(
        (np.ones(len(ends), dtype=np.int8), (ends[:, 0], ends[:, 1])), shape=(size, size)
    )
    _, component = graph.connected_components(matrix, directed=False)
    names: dict[int, str] = {}
    for number, row in zip(component.tolist(), manifest, strict=True):
        names[number] = min(names.get(number, row.group), row.group)
    return np.array([names[number] for number in component.tolist()])


def with_groups(manifest: Manifest, groups: NDArray[np.str_]) -> Manifest:
    """The same rows with new groups (``str [N]``)."""
    rows = (replace(row, group=str(group)) for row, group in zip(manifest, groups, strict=True))
    return Manifest(tuple(rows), manifest.root)


def groups_with_two_labels(manifest: Manifest) -> tuple[str, ...]:
    """Names of the groups whose images have more than one class, sorted: a wrong label, or a wrong tie."""
    labels = defaultdict(set)
    for row in manifest:
        labels[row.group].add(row.label)
    return tuple(sorted(group for group, found in labels.items() if len(found) > 1))
