"""Pairs that may be copies, by their vectors.

Owns which pairs are worth a fit: the nearest few of each image in eight orientations and two views.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorscope.dataset.copies.descriptor import FEW, Embedding, fit_embedding, normalised
from tumorscope.dataset.copies.neighbours import Neighbours
from tumorscope.dataset.copies.orientation import ORIENTATIONS, inverse, turn
from tumorscope.dataset.copies.pair import Orientation

__all__ = ["Candidates", "candidates"]

Progress = Callable[[int, int], None]
Vectors = NDArray[np.floating[Any]]

_NEIGHBOURS = 6
_LEAST_COSINE = 0.6
_CHUNK = 2048
_BACKWARDS = np.array([ORIENTATIONS.index(inverse(orientation)) for orientation in ORIENTATIONS])


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Pairs ``first < second`` with the orientation that may take the first to the second.

    Parameters
    ----------
    first, second
        Positions, ``int64 [P]``.
    orientation
        Positions in :data:`ORIENTATIONS`, ``int64 [P]``.
    cosine
        Of their vectors, ``float32 [P]``.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    orientation: NDArray[np.int64]
    cosine: NDArray[np.floating[Any]]

    def __len__(self) -> int:
        return len(self.first)

    def where(self, kept: NDArray[np.bool_]) -> Candidates:
        """Those for which ``kept [P]`` is true."""
        return Candidates(self.first[kept], self.second[kept], self.orientation[kept], self.cosine[kept])


def candidates(
    thumbnails: NDArray[np.uint8],
    progress: Progress | None = None,
    *,
    rows: NDArray[np.int64] | None = None,
) -> Iterator[Candidates]:
    """Propose pairs in one view.

    Parameters
    ----------
    thumbnails
        ``uint8 [N, T, T]``; may be mapped from a file, no copy of the whole is made.
    progress
        Called with (done, total) images.
    rows
        The images to look at, ``int64 [R]``, ascending; all where ``None``. Positions of the pairs are in this.

    Yields
    ------
    Candidates
        For a run of images at a time, so that a million of them need no memory for their pairs. A pair comes once.
    """
    rows = np.arange(len(thumbnails)) if rows is None else rows
    count = len(rows)
    if count < 2:
        return
    embed = fit_embedding(thumbnails, rows=rows)
    index = Neighbours(_vectors(thumbnails, rows, embed))
    least_cosine = -1.0 if count < FEW else _LEAST_COSINE  # of few all are worth a fit
    neighbours = min(_NEIGHBOURS + 1, count)  # one of them may be the image itself
    proposed = np.full((count, _NEIGHBOURS), -1, np.int32)  # by each image, so far
    for at in range(0, count, _CHUNK):
        pictures = normalised(thumbnails[rows[at : at + _CHUNK]])
        queries = np.arange(at, at + len(pictures))
        cosines, positions = [], []
        for orientation in ORIENTATIONS:
            # Most images have no turned copy, and the nearest to them is then not worth finding.
            turned = orientation is not Orientation.SAME
            near, where = index.nearest(embed(turn(pictures, orientation)), neighbours, quick=turned)
            near[(where < 0) | (where == queries[:, None])] = -2
            cosines.append(near)
            positions.append(where)
        every = np.concatenate(cosines, axis=1)
        best = np.argpartition(-every, _NEIGHBOURS, axis=1)[:, :_NEIGHBOURS]
        cosine = np.take_along_axis(every, best, axis=1)
        others = np.take_along_axis(np.concatenate(positions, axis=1), best, axis=1)
        others[cosine < least_cosine] = -1
        # An image of an earlier run may have proposed the pair itself.
        known = (proposed[np.maximum(others, 0)] == queries[:, None, None]).any(axis=2) & (others < at)
        proposed[queries] = others
        row, column = np.nonzero((others >= 0) & ~known)
        yield _distinct(
            queries[row], others[row, column], best[row, column] // neighbours, cosine[row, column]
        )
        if progress is not None:
            progress(min(at + _CHUNK, count), count)


def _vectors(thumbnails: NDArray[np.uint8], rows: NDArray[np.int64], embed: Embedding) -> Vectors:
    """``float32 [R, D]``."""
    first = embed(normalised(thumbnails[rows[:_CHUNK]]))
    vectors = np.empty((len(rows), first.shape[1]), np.float32)
    vectors[:_CHUNK] = first
    for at in range(_CHUNK, len(rows), _CHUNK):
        vectors[at : at + _CHUNK] = embed(normalised(thumbnails[rows[at : at + _CHUNK]]))
    return vectors


def _distinct(
    query: NDArray[np.int64],
    other: NDArray[np.int64],
    orientation: NDArray[np.int64],
    cosine: NDArray[np.floating[Any]],
) -> Candidates:
    """The lower position first, and each pair once, with its most likely orientation."""
    # Turning back is another orientation only for the two quarter turns.
    orientation = np.where(query > other, _BACKWARDS[orientation], orientation)
    first, second = np.minimum(query, other), np.maximum(query, other)
    order = np.lexsort((-cosine, second, first))
    first, second = first[order], second[order]
    new = np.ones(len(first), dtype=np.bool_)
    new[1:] = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
    return Candidates(first[new], second[new], orientation[order][new], cosine[order][new])
