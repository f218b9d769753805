"""All pairs of images that are one picture.

Owns the order of the work: exact copies by the hash of their pixels; for the rest candidates by their vectors; a
quick fit at low resolution that turns most of them away; a careful fit that decides; and last the pairs that follow
from others, so that a cluster of copies is found whole.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.optional import require
from tumorscope.dataset.copies.candidates import Candidates, candidates
from tumorscope.dataset.copies.descriptor import normalised
from tumorscope.dataset.copies.orientation import ORIENTATIONS, after, inverse, turn
from tumorscope.dataset.copies.pair import CopyKind, CopyPair, Orientation
from tumorscope.dataset.copies.registration import register
from tumorscope.dataset.copies.thumbnail import VIEWS

__all__ = ["THRESHOLD", "find_copies"]

Progress = Callable[[int, int], None]
Pictures = NDArray[np.floating[Any]]
Scores = NDArray[np.floating[Any]]

THRESHOLD = 0.90
"""Correlation of two fitted heads from which on they count as one picture.

Development data: copies of 500 images, cropped, mirrored, turned, scaled, compressed and with another tone, reach 0.92
in 99 of 100; the most alike heads of two patients 0.81.
"""

_PICTURE, _HEAD = VIEWS.index("picture"), VIEWS.index("head")
# The whole picture agrees in its black background already; it decides only where it agrees almost perfectly.
_PICTURE_THRESHOLD, _PICTURE_COSINE = 0.985, 0.9
_QUICK_SIDE, _QUICK_STEPS, _QUICK_THRESHOLD = 16, 3, 0.75
_CAREFUL_STEPS = 3
_CHUNK = 1024
_LARGEST_CLUSTER = 256  # beyond, pairs that only follow from others are left out


def find_copies(
    thumbnails: NDArray[np.uint8], pixel_hashes: Sequence[str], *, progress: Progress | None = None
) -> list[CopyPair]:
    """Find every pair of copies.

    Parameters
    ----------
    thumbnails
        What :func:`~tumorscope.dataset.copies.thumbnail.thumbnail` made of each image, ``uint8 [N, 2, 32, 32]``.
    pixel_hashes
        Hash of the decoded pixels of each image.
    progress
        Called with (done, total) images.

    Returns
    -------
    list of CopyPair
        Sorted by position; the same for the same input.
    """
    same = defaultdict(list)
    for position, pixel_hash in enumerate(pixel_hashes):
        same[pixel_hash].append(position)
    exact = [
        CopyPair(first, second, CopyKind.EXACT, Orientation.SAME, 1.0)
        for members in same.values()
        for first, second in combinations(members, 2)
    ]
    # Of exact copies one stands for all: what is near to it is near to the others.
    chosen = np.array([members[0] for members in same.values()], dtype=np.int64)
    distinct = thumbnails if len(chosen) == len(thumbnails) else thumbnails[chosen]
    near = [
        _ordered(first, second, orientation, score)
        for (one, other), (orientation, score) in _near_copies(distinct, progress).items()
        for first in same[pixel_hashes[chosen[one]]]
        for second in same[pixel_hashes[chosen[other]]]
    ]
    return sorted([*exact, *near], key=lambda pair: (pair.first, pair.second))


_Pairs = dict[tuple[int, int], tuple[Orientation, float]]


def _near_copies(thumbnails: NDArray[np.uint8], progress: Progress | None) -> _Pairs:
    """Pairs among images of which no two are exact copies."""
    pairs: _Pairs = {}
    for view in (_PICTURE, _HEAD):
        share = _share(progress, view, len(VIEWS), len(thumbnails))
        for proposed in candidates(thumbnails[:, view], share):
            new = [
                pair not in pairs
                for pair in zip(proposed.first.tolist(), proposed.second.tolist(), strict=True)
            ]
            _keep(
                pairs,
                thumbnails,
                proposed.where(np.array(new, dtype=np.bool_)),
                from_picture=view == _PICTURE,
            )
    following = _following(pairs, len(thumbnails))
    if following is not None:
        _keep(pairs, thumbnails, following, from_picture=False)
    return pairs


def _keep(pairs: _Pairs, thumbnails: NDArray[np.uint8], proposed: Candidates, *, from_picture: bool) -> None:
    """Fit proposed pairs and keep those that hold."""
    parts = [slice(at, at + _CHUNK) for at in range(0, len(proposed), _CHUNK)]
    limits = require("threadpoolctl", extra="data", purpose="searching for copies")
    # NumPy releases the interpreter's lock. Its matrix products here are small, and threads of its own would only
    # stand in the way of these.
    with ThreadPoolExecutor(os.cpu_count()) as pool, limits.threadpool_limits(1, user_api="blas"):
        scores = list(pool.map(lambda part: _scores(thumbnails, proposed, part, from_picture), parts))
    for row, score in enumerate(np.concatenate(scores) if scores else ()):
        if score >= THRESHOLD:
            pair = (int(proposed.first[row]), int(proposed.second[row]))
            pairs[pair] = (ORIENTATIONS[proposed.orientation[row]], min(1.0, float(score)))


def _scores(thumbnails: NDArray[np.uint8], proposed: Candidates, part: slice, from_picture: bool) -> Scores:
    """Score of each pair of a part; 0 for those turned away."""
    first, second = proposed.first[part], proposed.second[part]
    orientation = proposed.orientation[part]
    scores = _fit(thumbnails[:, _HEAD], first, second, orientation)
    if from_picture:
        alike = np.flatnonzero((scores < THRESHOLD) & (proposed.cosine[part] >= _PICTURE_COSINE))
        again = _fit(thumbnails[:, _PICTURE], first[alike], second[alike], orientation[alike])
        scores[alike] = np.where(again >= _PICTURE_THRESHOLD, again, 0)
    return scores


def _fit(
    thumbnails: NDArray[np.uint8],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    orientation: NDArray[np.int64],
) -> Scores:
    scores = np.zeros(len(first), np.float32)
    if not len(first):
        return scores
    fixed, moving = _pictures(thumbnails, first), _pictures(thumbnails, second)
    for number, name in enumerate(ORIENTATIONS):
        rows = orientation == number
        fixed[rows] = turn(fixed[rows], name)
    quick, warp = register(_reduced(fixed), _reduced(moving), _QUICK_STEPS)
    hopeful = np.flatnonzero(quick >= _QUICK_THRESHOLD)
    if not len(hopeful):
        return scores
    scores[hopeful], _ = register(fixed[hopeful], moving[hopeful], _CAREFUL_STEPS, warp[hopeful])
    return scores


def _pictures(thumbnails: NDArray[np.uint8], positions: NDArray[np.int64]) -> Pictures:
    """Normalised pictures ``float32 [P, T, T]``; one that is asked for several times is made once."""
    unique, back = np.unique(positions, return_inverse=True)
    return normalised(thumbnails[unique])[back]


def _reduced(pictures: Pictures) -> Pictures:
    factor = pictures.shape[-1] // _QUICK_SIDE
    blocks = pictures.reshape(len(pictures), _QUICK_SIDE, factor, _QUICK_SIDE, factor)
    result: Pictures = blocks.mean(axis=(2, 4), dtype=np.float32)
    return result


def _following(pairs: _Pairs, count: int) -> Candidates | None:
    """Pairs not found yet of images that others connect, with the orientation that follows."""
    if not pairs:
        return None
    sparse = require("scipy.sparse", extra="data", purpose="searching for copies")
    graph = require("scipy.sparse.csgraph", extra="data", purpose="searching for copies")
    ends = np.array(list(pairs))
    links = sparse.coo_matrix((np.ones(len(ends)), ends.T), shape=(count, count)).tocsr()
    _, cluster = graph.connected_components(links, directed=False)
    members: dict[int, list[int]] = defaultdict(list)
    for position in np.unique(ends).tolist():
        members[cluster[position]].append(position)
    first, second, orientation = [], [], []
    for positions in members.values():
        if not 2 < len(positions) <= _LARGEST_CLUSTER:
            continue
        seen, parents = graph.breadth_first_order(links, positions[0], directed=False)
        from_root = {positions[0]: Orientation.SAME}
        for position in seen[1:].tolist():
            parent = int(parents[position])
            from_root[position] = after(from_root[parent], _known(pairs, parent, position))
        for one, other in combinations(positions, 2):
            if (one, other) not in pairs:
                first.append(one)
                second.append(other)
                orientation.append(ORIENTATIONS.index(after(inverse(from_root[one]), from_root[other])))
    return Candidates(
        np.array(first, dtype=np.int64),
        np.array(second, dtype=np.int64),
        np.array(orientation, dtype=np.int64),
        np.ones(len(first), np.float32),
    )


def _known(pairs: _Pairs, start: int, end: int) -> Orientation:
    return pairs[start, end][0] if start < end else inverse(pairs[end, start][0])


def _ordered(first: int, second: int, orientation: Orientation, score: float) -> CopyPair:
    if first > second:
        first, second, orientation = second, first, inverse(orientation)
    return CopyPair(first, second, orientation.kind, orientation, score)


def _share(progress: Progress | None, part: int, parts: int, count: int) -> Progress | None:
    """Progress of one of several parts of equal weight."""
    if progress is None:
        return None
    return lambda done, total: progress((part * total + done) // parts, count)
