"""THE function from a slice to what the network sees, used by training, evaluation and serving alike.

Owns :data:`PREPROCESSING`, the name and version that a bundle records. Steps, in order:

1. *Head*: pixels brighter than a tenth of the 99.5th percentile of everything above the darkest value; its
   bounding box leaves out rows and columns with next to no head in them (specks, burned-in marks).
2. *Range*: the 1st and 99.5th percentile of the head's own pixels become 0 and 255.
3. *Square*: equal black margins; where left and right could not be equal the side grows by one.
4. *Resize*: antialiased triangle filter in fixed-point arithmetic.

Deterministic; invariant to padding with background; within one grey level under positive scaling of the
intensities; and a left-right flip of the input is exactly a left-right flip of the output.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tumorscope.core.errors import UnsupportedImage
from tumorscope.core.slice import Slice

__all__ = ["MINIMUM_SIDE", "PREPROCESSING", "HeadFrame", "find_head", "preprocess"]

PREPROCESSING = "head-crop-v1"
MINIMUM_SIDE = 16

_HEAD_FRACTION = 0.1 * (
    1 + 1e-5
)  # rounding must not decide about pixels at exactly a tenth; exact to 16 bits
_BRIGHT = 0.995
_DARK = 0.01
_SMALLEST_RANGE, _LARGEST_RANGE = 1e-280, 1e300  # beyond, the arithmetic of the stretch overflows
_MARGIN_PROFILE = 50  # a row belongs to the head when it holds 1/50 of the head pixels of the fullest row


@dataclass(frozen=True, slots=True)
class HeadFrame:
    """Where the head lies in a slice and how bright it is.

    Parameters
    ----------
    top, left, height, width
        Tight bounding box in pixels of the slice.
    low, high
        Pixel values that become 0 and 255.
    """

    top: int
    left: int
    height: int
    width: int
    low: float
    high: float

    @property
    def side(self) -> int:
        """Side of the padded square in pixels of the slice."""
        longer = max(self.height, self.width)
        return longer + (longer - self.width) % 2

    @property
    def offset(self) -> tuple[int, int]:
        """Row and column of the box inside the padded square."""
        return (self.side - self.height) // 2, (self.side - self.width) // 2


def preprocess(image: Slice | NDArray[Any], size: int, frame: HeadFrame | None = None) -> NDArray[np.uint8]:
    """Turn a slice into the network's input.

    Parameters
    ----------
    image
        A slice, or its pixels ``[H, W]`` of any real dtype, at least 16 x 16.
    size
        Side of the result in pixels.
    frame
        The result of :func:`find_head` where it is already known.

    Returns
    -------
    numpy.ndarray
        ``uint8 [size, size]``.

    Raises
    ------
    UnsupportedImage
        If the pixels are not a finite, varying 2-D array of at least 16 x 16.
    """
    pixels = image.pixels if isinstance(image, Slice) else image
    frame = frame or find_head(pixels)
    row, column = frame.offset
    square = Image.new("L", (frame.side, frame.side))
    square.paste(_head(pixels, frame), (column, row))
    return np.asarray(square.resize((size, size), Image.Resampling.BILINEAR))


def find_head(pixels: NDArray[Any]) -> HeadFrame:
    """Locate the head and measure its brightness.

    Parameters
    ----------
    pixels
        ``[H, W]`` of any real dtype.

    Returns
    -------
    HeadFrame
        Box and range; both unchanged by padding the image with its darkest value.

    Raises
    ------
    UnsupportedImage
        See :func:`preprocess`.
    """
    _check(pixels)
    threshold, low, high = _levels(pixels)
    # Small dtypes compare several times faster with a number of their own kind.
    head = pixels > (pixels.dtype.type(threshold) if pixels.dtype.itemsize < 8 else threshold)
    top, height = _extent(_count(head, axis=1))
    left, width = _extent(_count(head, axis=0))
    return HeadFrame(top, left, height, width, low, high)


def _check(pixels: NDArray[Any]) -> None:
    if pixels.ndim != 2 or not (
        np.issubdtype(pixels.dtype, np.integer) or np.issubdtype(pixels.dtype, np.floating)
    ):
        raise UnsupportedImage(
            f"an array of shape {pixels.shape} and dtype {pixels.dtype} was given; "
            "a slice is two-dimensional, [H, W], with integer or floating-point values"
        )
    if min(pixels.shape) < MINIMUM_SIDE:
        height, width = pixels.shape
        raise UnsupportedImage(
            f"the image is {width} x {height} pixels; at least {MINIMUM_SIDE} x {MINIMUM_SIDE} are needed"
        )
    if np.issubdtype(pixels.dtype, np.floating) and not np.isfinite(pixels).all():
        raise UnsupportedImage("the image holds NaN or infinite values; replace them before prediction")


def _levels(pixels: NDArray[Any]) -> tuple[float, float, float]:
    """Brightest value that is not head, and the two ends of the head's range."""
    values, counts = _histogram(pixels)
    darkest = values[0]
    with np.errstate(over="ignore"):
        above = values - darkest
    if len(values) == 1:
        raise UnsupportedImage(
            f"all {pixels.size} pixels have the same value, {darkest:g}; an image with content is needed"
        )
    bright = above[_rank(counts[1:], _BRIGHT) + 1]
    if bright < _SMALLEST_RANGE or above[-1] > _LARGEST_RANGE:
        raise UnsupportedImage(
            f"the values of the image run from {darkest:g} to {values[-1]:g}; spans from "
            f"{_SMALLEST_RANGE:g} to {_LARGEST_RANGE:g} can be read"
        )
    is_head = above > bright * _HEAD_FRACTION
    head_values, head_counts = values[is_head], counts[is_head]
    low, high = head_values[_rank(head_counts, _DARK)], head_values[_rank(head_counts, _BRIGHT)]
    if high <= low:
        low = darkest
    # The value just below the head is the threshold: exact in the dtype of the pixels, whatever their scale.
    return float(values[~is_head][-1]), float(low), float(high)


def _histogram(pixels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Sorted distinct values and how often each occurs."""
    if pixels.dtype == np.uint8:
        counts = np.array(Image.fromarray(pixels).histogram())  # twice as fast as bincount
        values = np.flatnonzero(counts)
        return values, counts[values]
    if np.issubdtype(pixels.dtype, np.floating):
        pixels = pixels.astype(np.float64)
    else:
        # Differences of 8-byte integers could overflow; nothing that a scanner writes needs all their digits.
        pixels = pixels.astype(np.int64 if pixels.dtype.itemsize < 8 else np.float64)
    return np.unique(pixels, return_counts=True)


def _rank(counts: NDArray[np.int64], quantile: float) -> int:
    """Index of the smallest value at or below which ``quantile`` of the pixels lie."""
    cumulative = np.cumsum(counts)
    return int(np.searchsorted(cumulative, quantile * cumulative[-1]))


def _count(head: NDArray[np.bool_], axis: int) -> NDArray[np.int64]:
    """How many head pixels each row (axis 1) or column (axis 0) holds; five times as fast as count_nonzero."""
    counts: NDArray[np.uint32] = np.add.reduce(head.view(np.uint8), axis=axis, dtype=np.uint32)
    return counts.astype(np.int64)


def _extent(profile: NDArray[np.int64]) -> tuple[int, int]:
    """First row (or column) that holds head, and how many to the last."""
    rows = np.flatnonzero(profile * _MARGIN_PROFILE >= profile.max())
    return int(rows[0]), int(rows[-1] - rows[0] + 1)


def _head(pixels: NDArray[Any], frame: HeadFrame) -> Image.Image:
    """The head alone, its range stretched to 0..255, as an 8-bit gray image."""
    right, bottom = frame.left + frame.width, frame.top + frame.height
    if pixels.dtype == np.uint8:
        table = _stretch(np.arange(256), frame.low, frame.high).tolist()
        return Image.fromarray(pixels).crop((frame.left, frame.top, right, bottom)).point(table)
    box = pixels[frame.top : bottom, frame.left : right]
    return Image.fromarray(_stretch(box, frame.low, frame.high))


def _stretch(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    with np.errstate(over="ignore"):  # an outlier far beyond the range is clipped all the same
        scaled = (values.astype(np.float64) - low) * (255.0 / (high - low))
    return np.rint(np.clip(scaled, 0.0, 255.0)).astype(np.uint8)
