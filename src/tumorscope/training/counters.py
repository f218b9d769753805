"""Randomness from counters: (seed, epoch, step), never from a global generator.

Owns the one source of every random choice in training. A run that was killed and resumed makes the same choices as
one that was not, since nothing has to be remembered but the step it is at.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

__all__ = ["Purpose", "copies_in_turn", "draw_order", "stream_seed"]


class Purpose(IntEnum):
    """What a stream of random numbers is for; different purposes never share numbers."""

    ORDER = 1
    COPY = 2
    AUGMENTATION = 3
    LAYERS = 4
    INITIALISATION = 5
    TRANSPLANTS = 6
    BOX_HEAD = 7
    SAMPLING = 8
    CLOSE_UPS = 9


def stream_seed(seed: int, purpose: Purpose, epoch: int = 0, step: int = 0, part: int = 0) -> int:
    """A 63-bit seed for one purpose at one place of a run.

    ``part`` is that of one of several processes; the first draws what a single process does.
    """
    place = [seed, int(purpose), epoch, step, *([part] if part else [])]
    state = np.random.SeedSequence(place).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))


def draw_order(slice_ids: Sequence[str], seed: int, epoch: int) -> NDArray[np.int64]:
    """Rows of one epoch: every distinct slice once, in random order.

    Of the n copies of a slice one is drawn, another one in the next epoch, so that over epochs each copy weighs
    1/n and no slice counts more for having been copied.

    Parameters
    ----------
    slice_ids
        The slice each row is a copy of.
    seed, epoch
        The counters.

    Returns
    -------
    numpy.ndarray
        ``int64 [number of distinct slices]``, positions in ``slice_ids``.
    """
    chosen = np.array(
        [rows[(first + epoch) % len(rows)] for rows, first in copies_in_turn(slice_ids, seed)], dtype=np.int64
    )
    return np.random.default_rng(stream_seed(seed, Purpose.ORDER, epoch)).permutation(chosen)


def copies_in_turn(slice_ids: Sequence[str], seed: int) -> list[tuple[list[int], int]]:
    """The rows of each distinct slice, in order of appearance, and a number that says which of them comes first."""
    copies: dict[str, list[int]] = {}
    for row, slice_id in enumerate(slice_ids):
        copies.setdefault(slice_id, []).append(row)
    start = np.random.default_rng(stream_seed(seed, Purpose.COPY)).integers(0, 2**31, len(copies))
    return list(zip(copies.values(), start.tolist(), strict=True))
