"""Pairs that follow from others.

Owns the closing of clusters: of images that known pairs connect, every two may be copies, in the orientation that
follows along the way from one to the other. They are proposed, not taken for granted: a chain of small changes may
lead far.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.optional import require
from tumorscope.dataset.copies.candidates import Candidates
from tumorscope.dataset.copies.fitting import Fitted
from tumorscope.dataset.copies.keys import contains, pair_keys
from tumorscope.dataset.copies.orientation import ORIENTATIONS, after, inverse

__all__ = ["following"]

# Pairs proposed at most: so many for each image, and this many at least. The smallest clusters come first.
_PAIRS_AN_IMAGE, _PAIRS_AT_LEAST = 10, 200_000

_AFTER = np.array([[ORIENTATIONS.index(after(one, two)) for two in ORIENTATIONS] for one in ORIENTATIONS])
_INVERSE = np.array([ORIENTATIONS.index(inverse(one)) for one in ORIENTATIONS])


def following(found: Fitted, count: int) -> Candidates:
    """Propose the pairs that are missing between images that others connect.

    Parameters
    ----------
    found
        The pairs known.
    count
        Number of images.
    """
    root, from_root = _placed(found, count)
    keys = np.sort(pair_keys(found.first, found.second, count))
    # Members of a cluster side by side, the small clusters first.
    sizes = np.bincount(root, minlength=count)[root]
    order = np.lexsort((root, sizes))
    order = order[sizes[order] > 2]
    ends = np.flatnonzero(np.diff(root[order], append=-1)) + 1
    budget = max(_PAIRS_AT_LEAST, _PAIRS_AN_IMAGE * count)
    firsts, seconds = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for members in np.split(order, ends[:-1]) if len(order) else ():
        pairs = len(members) * (len(members) - 1) // 2
        if pairs > budget:
            break
        budget -= pairs
        one, other = np.triu_indices(len(members), 1)
        firsts.append(members[one])
        seconds.append(members[other])
    first, second = np.concatenate(firsts), np.concatenate(seconds)
    new = ~contains(keys, pair_keys(first, second, count))
    first, second = first[new], second[new]
    orientation = _AFTER[_INVERSE[from_root[first]], from_root[second]]
    return Candidates(first, second, orientation, np.ones(len(first), np.float32))


def _placed(found: Fitted, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each image the first of its cluster, and the orientation that takes that one to it, ``int64 [N]`` each."""
    sparse = require("scipy.sparse", extra="data", purpose="searching for copies")
    graph = require("scipy.sparse.csgraph", extra="data", purpose="searching for copies")
    ends = (found.first, found.second)
    links = sparse.coo_matrix((np.ones(len(found), np.int8), ends), shape=(count, count))
    _, cluster = graph.connected_components(links, directed=False)
    _, roots = np.unique(cluster, return_index=True)
    # One walk for all: a node of its own leads to the first image of every cluster.
    first = np.concatenate([found.first, np.full(len(roots), count)])
    second = np.concatenate([found.second, roots])
    links = sparse.coo_matrix((np.ones(len(first), np.int8), (first, second)), shape=(count + 1, count + 1))
    seen, parents = graph.breadth_first_order(links.tocsr(), count, directed=False)
    children = seen[1:]
    children = children[parents[children] != count]
    steps = _steps(found, count, parents[children].astype(np.int64), children.astype(np.int64))
    from_root = np.zeros(count, np.int64)
    for child, parent, step in zip(
        children.tolist(), parents[children].tolist(), steps.tolist(), strict=True
    ):
        from_root[child] = _AFTER[from_root[parent], step]
    return roots[cluster], from_root


def _steps(found: Fitted, count: int, start: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.int64]:
    """Orientation that takes each start to its end, of pairs that were found."""
    keys = pair_keys(found.first, found.second, count)
    order = np.argsort(keys)
    place = np.searchsorted(keys[order], pair_keys(np.minimum(start, end), np.maximum(start, end), count))
    forwards = found.orientation[order[place]]
    result: NDArray[np.int64] = np.where(start < end, forwards, _INVERSE[forwards])
    return result
