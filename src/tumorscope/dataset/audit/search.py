"""The search for copies, as an audit asks for it.

Owns the one place where an audit meets :mod:`tumorscope.dataset.copies`. Only exact copies are found for now, and the
audit says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorscope.dataset.copies.pair import CopyKind, CopyPair, Orientation
from tumorscope.dataset.scan import Progress

__all__ = ["SEEKS_NEAR", "find_copies", "thumbnail"]

SEEKS_NEAR = False
"""Whether near copies are looked for."""


def thumbnail(_pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Nothing yet."""
    return np.zeros((1, 1), dtype=np.uint8)


def find_copies(
    thumbnails: NDArray[np.uint8],  # noqa: ARG001
    pixel_hashes: Sequence[str],
    *,
    progress: Progress | None = None,  # noqa: ARG001
) -> list[CopyPair]:
    """Exact copies only."""
    first: dict[str, int] = {}
    pairs = []
    for place, name in enumerate(pixel_hashes):
        before = first.setdefault(name, place)
        if before != place:
            pairs.append(CopyPair(before, place, CopyKind.EXACT, Orientation.SAME, 1.0))
    return pairs
