"""From the network's view back onto the slice: the inverse of :mod:`tumorscope.preprocess` for maps.

Owns the mapping of a heat-map cell to the pixels it looked at. Knows nothing of colours.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tumorscope.preprocess import HeadFrame

__all__ = ["lay_over"]


def lay_over(heatmap: NDArray[np.float32], frame: HeadFrame, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Lay the graph's maps over the slice at its own resolution.

    Parameters
    ----------
    heatmap
        ``float32 [K, h, w]``, evidence over the padded square that the network saw.
    frame
        Where that square lies in the slice, from :func:`~tumorscope.preprocess.find_head`.
    shape
        Height and width of the slice in pixels.

    Returns
    -------
    numpy.ndarray
        ``float32 [K, H, W]`` in the units of ``heatmap``; bilinear between the centres of the cells, 0
        outside the head, which the network did not see.
    """
    whole = np.zeros((heatmap.shape[0], *shape), dtype=np.float32)
    row, column = frame.offset
    window = (column, row, column + frame.width, row + frame.height)
    for map_, target in zip(heatmap, whole, strict=True):
        square = Image.fromarray(np.ascontiguousarray(map_)).resize(
            (frame.side, frame.side), Image.Resampling.BILINEAR
        )
        box = np.asarray(square.crop(window))
        target[frame.top : frame.top + frame.height, frame.left : frame.left + frame.width] = box
    return whole
