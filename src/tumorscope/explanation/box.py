"""A tumour's box as the network's map sees it, and back.

Owns the arithmetic between three places: fractions of the original image (a manifest's box), the padded square around
the head that :mod:`tumorscope.preprocess` cuts out, and the cells of a map that lies over that square. Knows no model.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tumorscope.dataset.manifest import Box
from tumorscope.preprocess import HeadFrame

__all__ = ["SquareBox", "cells_inside", "centres_inside", "share_of_head", "to_image", "to_square"]


class SquareBox(NamedTuple):
    """Edges in fractions of the padded square's side; outside [0, 1] where the box reaches beyond it."""

    left: float
    top: float
    right: float
    bottom: float


def to_square(box: Box, frame: HeadFrame, shape: tuple[int, int]) -> SquareBox:
    """Carry a box from the image to the square that the network sees.

    Parameters
    ----------
    box
        In fractions of the image.
    frame
        Where the head lies in it.
    shape
        Height and width of the image in pixels.
    """
    height, width = shape
    row, column = frame.offset
    x, y = column - frame.left, row - frame.top
    half_width, half_height = box.width / 2, box.height / 2
    return SquareBox(
        left=((box.center_x - half_width) * width + x) / frame.side,
        top=((box.center_y - half_height) * height + y) / frame.side,
        right=((box.center_x + half_width) * width + x) / frame.side,
        bottom=((box.center_y + half_height) * height + y) / frame.side,
    )


def to_image(box: SquareBox, frame: HeadFrame, shape: tuple[int, int]) -> Box:
    """Carry a box back from the square to the image: the inverse of :func:`to_square`."""
    height, width = shape
    row, column = frame.offset
    x, y = frame.left - column, frame.top - row
    left, right = (box.left * frame.side + x) / width, (box.right * frame.side + x) / width
    top, bottom = (box.top * frame.side + y) / height, (box.bottom * frame.side + y) / height
    return Box((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)


def centres_inside(box: SquareBox, grid: tuple[int, int]) -> NDArray[np.bool_]:
    """Which cells have their centre in the box, edges included: ``bool [h, w]``."""
    rows, columns = ((np.arange(count) + 0.5) / count for count in grid)
    inside_rows = (rows >= box.top) & (rows <= box.bottom)
    inside_columns = (columns >= box.left) & (columns <= box.right)
    return np.asarray(inside_rows[:, None] & inside_columns)


def cells_inside(box: SquareBox, grid: tuple[int, int]) -> NDArray[np.float64]:
    """How much of each cell's area the box covers: ``float64 [h, w]`` in [0, 1]."""
    rows = _overlap(box.top, box.bottom, grid[0])
    return np.asarray(rows[:, None] * _overlap(box.left, box.right, grid[1]))


def share_of_head(box: SquareBox, frame: HeadFrame) -> float:
    """How much of the head's bounding box the tumour's box covers, in [0, 1].

    This is the chance that a place drawn at random over the head lies in the tumour's box.
    """
    row, column = frame.offset
    covered_rows = min(box.bottom * frame.side - row, frame.height) - max(box.top * frame.side - row, 0.0)
    covered_columns = min(box.right * frame.side - column, frame.width) - max(
        box.left * frame.side - column, 0.0
    )
    return max(covered_rows, 0.0) * max(covered_columns, 0.0) / (frame.height * frame.width)


def _overlap(low: float, high: float, count: int) -> NDArray[np.float64]:
    """Share of each of ``count`` equal parts of [0, 1] that lies between ``low`` and ``high``."""
    edges = np.arange(count + 1) / count
    covered = np.minimum(edges[1:], high) - np.maximum(edges[:-1], low)
    return np.asarray(np.clip(covered * count, 0.0, 1.0))
