"""One slice to the two small pictures that copies are searched with.

Owns :func:`thumbnail`. The first picture is the whole image: no cut-out is as steady where nothing was cropped.
The second is the middle of the head, by the moments of its bright part: cropping an edge moves those far less than
it moves a bounding box, and a burned-in line of text does not move them at all. Both are stretched to a square, so
that each axis is normalised alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

__all__ = ["SIDE", "VIEWS", "HeadBox", "head_view", "thumbnail"]

SIDE = 32
VIEWS = ("picture", "head")

_WORKING_SIDE = 128  # the picture that everything is measured on; finer detail is not used
_MOMENT_SIDE = 64
_BRIGHT_FRACTION = 0.15  # of the range up to the 98th percentile; brighter is head
_REACH = 1.6  # standard deviations on each side of the centre: four fifths of an ellipse
_FAR = 2.4  # standard deviations beyond which a bright spot is not part of the head
_SMALLEST_SPREAD = 0.02
_HALF_BRIGHT = 127  # mean of a neighbourhood of which half is 255
_ALONG = (np.arange(_MOMENT_SIDE, dtype=np.float32) + 0.5) / _MOMENT_SIDE

Pixels = NDArray[Any]
HeadBox = tuple[float, float, float, float]


def thumbnail(pixels: Pixels) -> NDArray[np.uint8]:
    """Make the small pictures.

    Parameters
    ----------
    pixels
        ``[H, W]`` of any real dtype.

    Returns
    -------
    numpy.ndarray
        ``uint8 [2, 32, 32]``, in the order of :data:`VIEWS`.
    """
    image = _reduced(pixels, _WORKING_SIDE)
    whole = image.resize((_MOMENT_SIDE, _MOMENT_SIDE), Image.Resampling.BILINEAR)
    picture = whole.reduce(_MOMENT_SIDE // SIDE)
    head = _cut_out(image, _head_box(np.asarray(whole)), SIDE)
    return np.stack([np.asarray(picture), head])


def head_view(pixels: Pixels, side: int) -> tuple[NDArray[np.uint8], HeadBox]:
    """The second picture alone, at another size, and where it lies.

    Parameters
    ----------
    pixels
        ``[H, W]`` of any real dtype.
    side
        Side of the picture in pixels.

    Returns
    -------
    tuple
        ``uint8 [side, side]``, and left, top, right and bottom in fractions of the image; the box may reach beyond it.
    """
    whole = _reduced(pixels, _WORKING_SIDE).resize((_MOMENT_SIDE, _MOMENT_SIDE), Image.Resampling.BILINEAR)
    box = _head_box(np.asarray(whole))
    return _cut_out(_reduced(pixels, 2 * side), box, side), box


def _reduced(pixels: Pixels, side: int) -> Image.Image:
    """The image with its shorter side between ``side`` and twice that, where it was larger."""
    image = Image.fromarray(pixels if pixels.dtype == np.uint8 else _to_8_bits(pixels))
    factor = min(image.size) // side
    return image.reduce(factor) if factor > 1 else image


def _cut_out(image: Image.Image, box: HeadBox, side: int) -> NDArray[np.uint8]:
    """A part of the image as a square, black where the box leaves it."""
    width, height = image.size
    left, top = round(box[0] * width), round(box[1] * height)
    right, bottom = max(round(box[2] * width), left + 1), max(round(box[3] * height), top + 1)
    part = image.crop((left, top, right, bottom))
    return np.asarray(part.resize((side, side), Image.Resampling.BILINEAR))


def _to_8_bits(pixels: Pixels) -> NDArray[np.uint8]:
    low, high = float(pixels.min()), float(pixels.max())
    # Single precision holds 16 bits, not large offsets or ranges.
    exact: NDArray[np.floating[Any]] = pixels.astype(np.float32 if pixels.dtype.itemsize <= 2 else np.float64)
    scaled: NDArray[np.floating[Any]] = (exact - low) * (255.0 / ((high - low) or 1.0))
    return scaled.astype(np.uint8)


def _head_box(picture: NDArray[np.uint8]) -> HeadBox:
    """Left, top, right and bottom of the middle of the head, in fractions of the image."""
    counts = np.cumsum(np.bincount(picture.ravel(), minlength=256))
    low, high = counts.searchsorted([1, int(0.98 * picture.size) + 1]).tolist()
    bright = (picture > low + _BRIGHT_FRACTION * (high - low)).view(np.uint8) * np.uint8(255)
    # Half of the neighbours must be bright too: letters and scale marks are not.
    dense = np.asarray(Image.fromarray(bright).filter(ImageFilter.BoxBlur(2)))
    mass = np.maximum(dense, _HALF_BRIGHT).astype(np.float32) - np.float32(_HALF_BRIGHT)
    center_x, spread_x, center_y, spread_y = _moments(mass.sum(axis=0), mass.sum(axis=1))
    near_x = (np.abs(_ALONG - center_x) < _FAR * spread_x).astype(np.float32)
    near_y = (np.abs(_ALONG - center_y) < _FAR * spread_y).astype(np.float32)
    center_x, spread_x, center_y, spread_y = _moments(near_y @ mass * near_x, mass @ near_x * near_y)
    reach_x, reach_y = _REACH * spread_x, _REACH * spread_y
    return center_x - reach_x, center_y - reach_y, center_x + reach_x, center_y + reach_y


def _moments(*profiles: NDArray[np.floating[Any]]) -> tuple[float, float, float, float]:
    """Centre and standard deviation along x, then along y, of how much lies in each column and row.

    What lies there are whole numbers that single precision holds, so that the order of a sum does not matter.
    """
    total = float(profiles[0].sum())
    if total == 0:
        return 0.5, 0.5 / _REACH, 0.5, 0.5 / _REACH  # nothing to hold on to: the whole image
    result = []
    for profile in profiles:
        share = profile / total
        center = float(share @ _ALONG)
        spread = float(np.sqrt(share @ (_ALONG - center) ** 2))
        result += [center, max(spread, _SMALLEST_SPREAD)]
    return result[0], result[1], result[2], result[3]
