"""Images looked up among others: which of the references is this a copy of?

Owns the search across two sets, where :mod:`tumorscope.dataset.copies.search` searches within one. It proposes; whoever
asks decides on more detail than the small pictures have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorscope.dataset.copies.descriptor import Embedding, fit_embedding, normalised
from tumorscope.dataset.copies.neighbours import Neighbours
from tumorscope.dataset.copies.orientation import ORIENTATIONS, inverse, turn, turn_each
from tumorscope.dataset.copies.registration import Warps, register
from tumorscope.dataset.copies.thumbnail import VIEWS

__all__ = ["Proposals", "look_up"]

Progress = Callable[[int, int], None]

_NEIGHBOURS = 6
_LEAST_COSINE = 0.5
_STEPS = 4
_LEAST_SCORE = 0.7
_CHUNK = 512
_HEAD = VIEWS.index("head")


@dataclass(frozen=True, slots=True, eq=False)
class Proposals:
    """References that a query may be a copy of.

    Parameters
    ----------
    query, reference
        Positions, ``int64 [P]``; ascending by query, the best reference first.
    orientation
        What takes the reference to the query, positions in :data:`ORIENTATIONS`, ``int64 [P]``.
    score
        Correlation of the fitted heads, ``float [P]``.
    warp
        See :func:`~tumorscope.dataset.copies.registration.register`, with the turned reference fixed, ``float [P, 4]``.
    """

    query: NDArray[np.int64]
    reference: NDArray[np.int64]
    orientation: NDArray[np.int64]
    score: NDArray[np.floating[Any]]
    warp: Warps

    def where(self, kept: NDArray[np.bool_]) -> Proposals:
        """Those for which ``kept [P]`` is true."""
        return Proposals(
            self.query[kept], self.reference[kept], self.orientation[kept], self.score[kept], self.warp[kept]
        )


def look_up(
    queries: NDArray[np.uint8], references: NDArray[np.uint8], progress: Progress | None = None
) -> Proposals:
    """Propose references for each query.

    Parameters
    ----------
    queries, references
        Thumbnails, ``uint8 [N, 2, 32, 32]`` and ``uint8 [M, 2, 32, 32]``, both at least one.
    progress
        Called with (done, total) queries.
    """
    known = []
    for view in range(len(VIEWS)):
        embed = fit_embedding(references[:, view])
        known.append((embed, Neighbours(embed(normalised(references[:, view])))))
    heads = normalised(references[:, _HEAD])
    found = []
    for at in range(0, len(queries), _CHUNK):
        chunk = queries[at : at + _CHUNK]
        near = [_nearest(chunk[:, view], embed, index) for view, (embed, index) in enumerate(known)]
        triples = np.unique(np.concatenate(near, axis=1), axis=1)
        found.append(_fitted(normalised(chunk[:, _HEAD]), heads, triples, at))
        if progress is not None:
            progress(min(at + _CHUNK, len(queries)), len(queries))
    return Proposals(*(np.concatenate(column) for column in zip(*found, strict=True)))


def _nearest(queries: NDArray[np.uint8], embed: Embedding, index: Neighbours) -> NDArray[np.int64]:
    """Query, reference and orientation ``[3, P]`` of the nearest few, over all orientations."""
    pictures = normalised(queries)
    cosines, places = [], []
    for orientation in ORIENTATIONS:
        # The query is laid back to where a reference would lie.
        cosine, place = index.nearest(embed(turn(pictures, inverse(orientation))), _NEIGHBOURS)
        cosines.append(np.where(place < 0, -1, cosine))  # fewer references than asked for
        places.append(place)
    every = np.concatenate(cosines, axis=1)
    best = np.argpartition(-every, _NEIGHBOURS, axis=1)[:, :_NEIGHBOURS]
    row, column = np.nonzero(np.take_along_axis(every, best, axis=1) >= _LEAST_COSINE)
    chosen = best[row, column]
    return np.stack([row, np.concatenate(places, axis=1)[row, chosen], chosen // _NEIGHBOURS])


def _fitted(
    queries: NDArray[Any], references: NDArray[Any], triples: NDArray[np.int64], first_query: int
) -> tuple[NDArray[Any], ...]:
    """Columns of :class:`Proposals` for a run of queries."""
    row, column, number = triples
    scores = np.empty(len(row), np.float32)
    warps = np.empty((len(row), 4), np.float32)
    for at in range(0, len(row), _CHUNK):
        part = slice(at, at + _CHUNK)
        fixed = references[column[part]]
        turn_each(fixed, number[part])
        scores[part], warps[part] = register(fixed, queries[row[part]], _STEPS)
    kept = np.flatnonzero(scores >= _LEAST_SCORE)
    order = kept[np.lexsort((-scores[kept], row[kept]))]
    return row[order] + first_query, column[order], number[order], scores[order], warps[order]
