"""The eight ways to lay a square picture, as array operations.

Owns what each :class:`Orientation` does to an array.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorscope.dataset.copies.pair import Orientation

__all__ = ["ORIENTATIONS", "after", "inverse", "is_reflection", "turn", "turn_each", "turn_point"]

Pictures = NDArray[Any]

_TURNS: dict[Orientation, Callable[[Pictures], Pictures]] = {
    Orientation.SAME: lambda pictures: pictures,
    Orientation.MIRRORED: lambda pictures: pictures[..., :, ::-1],
    Orientation.ROTATED_90: lambda pictures: np.swapaxes(pictures, -1, -2)[..., ::-1, :],
    Orientation.ROTATED_180: lambda pictures: pictures[..., ::-1, ::-1],
    Orientation.ROTATED_270: lambda pictures: np.swapaxes(pictures, -1, -2)[..., :, ::-1],
    Orientation.FLIPPED: lambda pictures: pictures[..., ::-1, :],
    Orientation.TRANSPOSED: lambda pictures: np.swapaxes(pictures, -1, -2),
    Orientation.TRANSVERSED: lambda pictures: np.swapaxes(pictures, -1, -2)[..., ::-1, ::-1],
}
ORIENTATIONS = tuple(Orientation)
"""All eight, in the order of the enum."""


def turn(pictures: Pictures, orientation: Orientation) -> Pictures:
    """Lay square pictures ``[..., T, T]`` another way; a view where NumPy can give one."""
    return _TURNS[orientation](pictures)


def turn_each(pictures: Pictures, orientations: NDArray[np.int64]) -> None:
    """Lay each of the pictures ``[N, T, T]`` its own way, in place; ``int64 [N]`` in :data:`ORIENTATIONS`."""
    for number, orientation in enumerate(ORIENTATIONS[1:], start=1):
        which = np.flatnonzero(orientations == number)
        pictures[which] = turn(pictures[which], orientation)


def after(first: Orientation, second: Orientation) -> Orientation:
    """The one orientation that does ``first`` and then ``second``."""
    return _BY_LOOK[_look(turn(turn(_MARKED, first), second))]


def inverse(orientation: Orientation) -> Orientation:
    """What undoes an orientation."""
    return next(other for other in ORIENTATIONS if after(orientation, other) is Orientation.SAME)


def is_reflection(orientation: Orientation) -> bool:
    """Whether left and right of the head change sides, however it is turned."""
    (right_x, right_y), (down_x, down_y) = turn_point((1, 0), orientation), turn_point((0, 1), orientation)
    return right_x * down_y - right_y * down_x < 0


def turn_point(point: tuple[float, float], orientation: Orientation) -> tuple[float, float]:
    """Where a point (x, y) of the picture goes, measured from its centre, x to the right and y down."""
    x, y = point
    return {
        Orientation.SAME: (x, y),
        Orientation.MIRRORED: (-x, y),
        Orientation.ROTATED_90: (y, -x),
        Orientation.ROTATED_180: (-x, -y),
        Orientation.ROTATED_270: (-y, x),
        Orientation.FLIPPED: (x, -y),
        Orientation.TRANSPOSED: (y, x),
        Orientation.TRANSVERSED: (-y, -x),
    }[orientation]


def _look(marked: Pictures) -> tuple[int, ...]:
    return tuple(marked.ravel().tolist())


# A square whose corners differ looks different in each of the eight.
_MARKED = np.arange(4).reshape(2, 2)
_BY_LOOK = {_look(turn(_MARKED, orientation)): orientation for orientation in ORIENTATIONS}
