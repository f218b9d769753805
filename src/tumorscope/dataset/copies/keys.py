"""Pairs as numbers, and membership in a sorted list of them.

Owns the key of a pair. A list that is asked again and again is sorted once: ``numpy.isin`` sorts both sides each time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["contains", "pair_keys"]


def pair_keys(first: NDArray[np.int64], second: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """A number for each pair of positions ``int64 [P]`` below ``count``, different for different pairs."""
    return first * count + second


def contains(ascending: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of ``wanted [W]`` are in ``ascending [A]``, ``bool [W]``."""
    if not len(ascending):
        return np.zeros(len(wanted), np.bool_)
    place = np.minimum(np.searchsorted(ascending, wanted), len(ascending) - 1)
    result: NDArray[np.bool_] = ascending[place] == wanted
    return result
