"""A slice's pixels as unsigned integers with rescale and window, so that a viewer can choose its own window.

Owns the way from any dtype to 8 or 16 bits without loss where the values allow it. Knows no format and no network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.slice import Slice
from tumorscope.preprocess import HeadFrame

__all__ = ["Gray", "gray_of"]

_LARGEST = 65535


@dataclass(frozen=True, slots=True, eq=False)
class Gray:
    """Pixels that travel.

    Parameters
    ----------
    pixels
        ``uint8`` or ``uint16 [H, W]``.
    slope, intercept
        value = slope * pixels + intercept, in the units of the file.
    window
        Centre and width of what is shown from black to white, in units of the value.
    given
        Whether the file settles the window, by its own one or by 8-bit pixels.
    """

    pixels: NDArray[Any]
    slope: float
    intercept: float
    window: tuple[float, float]
    given: bool

    def shown(self) -> NDArray[np.uint8]:
        """The pixels through the window, ``uint8 [H, W]``."""
        centre, width = self.window
        values = self.pixels.astype(np.float32) * np.float32(self.slope) + np.float32(self.intercept)
        scaled = (values - np.float32(centre - width / 2)) * np.float32(255 / width)
        shown: NDArray[np.uint8] = np.rint(np.clip(scaled, 0, 255)).astype(np.uint8)
        return shown


def gray_of(image: Slice, frame: HeadFrame) -> Gray:
    """Encode a slice.

    Parameters
    ----------
    image
        With its stored values where the file has a window.
    frame
        From :func:`~tumorscope.preprocess.find_head`: the window of a file that names none ends where its range does.

    Returns
    -------
    Gray
        8-bit pixels and integers within a range of 65,535 as they are; others in 65,536 equal steps.
    """
    if image.stored is not None:
        stored = image.stored
        pixels, slope, intercept = _unsigned(stored.pixels)
        # value = s * (slope * pixels + intercept) + i
        slope, intercept = stored.slope * slope, stored.slope * intercept + stored.intercept
        window = stored.window or _whole(pixels, slope, intercept)
        return Gray(pixels, slope, intercept, window, stored.window is not None)
    if image.pixels.dtype == np.uint8:
        return Gray(image.pixels, 1.0, 0.0, (127.5, 255.0), True)
    pixels, slope, intercept = _unsigned(image.pixels)
    low, high = float(image.pixels.min()), frame.high
    return Gray(pixels, slope, intercept, ((low + high) / 2, high - low), False)


def _unsigned(values: NDArray[Any]) -> tuple[NDArray[Any], float, float]:
    if values.dtype in (np.uint8, np.uint16):
        return values, 1.0, 0.0
    low, high = float(values.min()), float(values.max())
    if values.dtype.kind in "iu" and high - low <= _LARGEST:
        return (values.astype(np.int64) - int(values.min())).astype(np.uint16), 1.0, low
    slope = (high - low) / _LARGEST or 1.0
    return np.rint((values.astype(np.float64) - low) / slope).astype(np.uint16), slope, low


def _whole(pixels: NDArray[Any], slope: float, intercept: float) -> tuple[float, float]:
    """The window of all values that occur."""
    ends = sorted(slope * float(end) + intercept for end in (pixels.min(), pixels.max()))
    return (ends[0] + ends[1]) / 2, (ends[1] - ends[0]) or 1.0
