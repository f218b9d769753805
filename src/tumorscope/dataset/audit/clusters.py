"""Numbers that tie images together.

Owns the union of what the manifest says and what the search for copies found.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["joined"]


def joined(keys: Sequence[str], pairs: Iterable[tuple[int, int]]) -> NDArray[np.int64]:
    """Number the clusters that equal keys and pairs make together.

    Parameters
    ----------
    keys
        One an image; equal keys belong together.
    pairs
        Positions of images that belong together.

    Returns
    -------
    numpy.ndarray
        ``int64 [N]``: numbers from 0 in the order in which clusters first occur.
    """
    first: dict[str, int] = {}
    parent = [first.setdefault(key, place) for place, key in enumerate(keys)]

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    for one, other in pairs:
        low, high = sorted((root(one), root(other)))
        parent[high] = low
    roots = [root(place) for place in range(len(parent))]
    # The root of a cluster is its smallest position, so sorted numbers are in order of occurrence.
    numbers: NDArray[np.int64] = np.unique(np.array(roots, dtype=np.int64), return_inverse=True)[1]
    return numbers.reshape(-1).astype(np.int64)
