"""What can be measured of an image without looking at the brain in it.

Owns the features of the shortcut probe: facts of the file, statistics of the border, of the margins around the head
and of the grey values as a whole. All but the facts come from a coarse sample of the pixels, and are computed for
many images at once: an audit must cost little more than opening the files.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.slice import Slice
from tumorscope.dataset.facts import ImageFacts

__all__ = ["FEATURES", "SAMPLE_SIDE", "appearance", "sample"]

SAMPLE_SIDE = 64
"""Pixels a row and column of the sample; 4,096 in all give a share to within 1 % or so."""

FEATURES = (
    "file format",
    "pixel mode",
    "width",
    "height",
    "aspect ratio",
    "file bytes per pixel",
    "border mean",
    "border spread",
    "border share of one value",
    "margin above",
    "margin below",
    "margin left",
    "margin right",
    "mean",
    "spread",
    "1st percentile",
    "5th percentile",
    "25th percentile",
    "median",
    "75th percentile",
    "95th percentile",
    "99th percentile",
    "entropy",
    "share of black",
    "share of white",
    "distinct grey values",
)
"""Names in the order of the columns."""

_PERCENTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_BRIGHT, _HEAD = 0.995, 0.1  # as the head is found in preprocessing: a tenth of the 99.5th percentile
_NUMBERS = 1 << 20  # so many a float32 tells apart
_AT_ONCE = 128  # images whose samples stay in the processor's cache


def sample(image: Slice) -> NDArray[np.uint8]:
    """Take every n-th pixel, the four borders included.

    Parameters
    ----------
    image
        A slice of any size and depth.

    Returns
    -------
    numpy.ndarray
        ``uint8 [64, 64]``; deeper pixels are scaled from their value range.
    """
    rows, columns = _places(*image.shape)
    pixels = image.pixels[rows, columns]
    if pixels.dtype == np.uint8:
        return pixels
    low, high = image.value_range or _natural_range(image)
    scaled = (pixels.astype(np.float64) - low) * (255.0 / max(high - low, np.finfo(np.float64).tiny))
    return np.rint(np.clip(scaled, 0.0, 255.0)).astype(np.uint8)


def appearance(facts: Sequence[ImageFacts], samples: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Measure many images.

    Parameters
    ----------
    facts
        Of each file.
    samples
        ``uint8 [N, 64, 64]``, what :func:`sample` gives for each.

    Returns
    -------
    numpy.ndarray
        ``float32 [N, 26]``, columns as :data:`FEATURES`, grey values as 0 to 255, shares and margins in [0, 1].
    """
    if not facts:
        return np.empty((0, len(FEATURES)), dtype=np.float32)
    rows = []
    for start in range(0, len(facts), _AT_ONCE):
        few = samples[start : start + _AT_ONCE]
        counts = _histograms(few.reshape(len(few), -1))
        below = np.cumsum(counts, axis=1)
        columns = [
            *_of_files(facts[start : start + _AT_ONCE]),
            *_of_borders(few),
            *_margins(few, counts, below),
            *_of_values(counts, below),
        ]
        rows.append(np.stack(columns, axis=1).astype(np.float32))
    return np.concatenate(rows)


@lru_cache(maxsize=4096)
def _places(height: int, width: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    rows = np.linspace(0, height - 1, SAMPLE_SIDE).round().astype(np.int64)
    columns = np.linspace(0, width - 1, SAMPLE_SIDE).round().astype(np.int64)
    return rows[:, None], columns


def _natural_range(image: Slice) -> tuple[float, float]:
    if np.issubdtype(image.pixels.dtype, np.integer):
        limits = np.iinfo(image.pixels.dtype)
        return float(limits.min), float(limits.max)
    return float(image.pixels.min()), float(image.pixels.max())


def _of_files(facts: Sequence[ImageFacts]) -> list[NDArray[np.float64]]:
    width = np.array([fact.width for fact in facts], dtype=np.float64)
    height = np.array([fact.height for fact in facts], dtype=np.float64)
    size = np.array([fact.file_bytes for fact in facts], dtype=np.float64)
    return [
        np.array([_number(fact.format) for fact in facts]),
        np.array([_number(fact.mode) for fact in facts]),
        width,
        height,
        width / height,
        size / (width * height),
    ]


def _number(name: str) -> float:
    """The same number for a name in every data set; trees only ask which of a few numbers it is."""
    return float(zlib.crc32(name.upper().encode()) % _NUMBERS)


def _of_borders(samples: NDArray[np.uint8]) -> list[NDArray[np.float64]]:
    edges = (samples[:, 0], samples[:, -1], samples[:, 1:-1, 0], samples[:, 1:-1, -1])
    border = np.concatenate(edges, axis=1)
    return [
        border.mean(axis=1),
        border.std(axis=1),
        _histograms(border).max(axis=1) / border.shape[1],
    ]


def _margins(
    samples: NDArray[np.uint8], counts: NDArray[np.int64], below: NDArray[np.int64]
) -> list[NDArray[np.float64]]:
    """Share of the picture above, below, left and right of what is brighter than a tenth of the brightest."""
    darkest = (counts > 0).argmax(axis=1)
    limit = darkest + _HEAD * (_quantile(below, _BRIGHT) - darkest)
    # A value is above the limit when it is above its whole part; bytes compare faster.
    head = samples > np.floor(limit).astype(np.uint8)[:, None, None]
    rows, columns = head.any(axis=2), head.any(axis=1)
    before = [edge.argmax(axis=1) for edge in (rows, rows[:, ::-1], columns, columns[:, ::-1])]
    return [pixels / SAMPLE_SIDE for pixels in before]


def _of_values(counts: NDArray[np.int64], below: NDArray[np.int64]) -> list[NDArray[np.float64]]:
    values = np.arange(256, dtype=np.float64)
    share = counts / counts.sum(axis=1, keepdims=True)
    mean = share @ values
    spread = np.sqrt(np.maximum(share @ values**2 - mean**2, 0.0))
    entropy = -(share * np.log2(np.where(share > 0, share, 1.0))).sum(axis=1)
    percentiles = [_quantile(below, part) for part in _PERCENTILES]
    distinct = (counts > 0).sum(axis=1).astype(np.float64)
    return [mean, spread, *percentiles, entropy, share[:, 0], share[:, 255], distinct]


def _histograms(values: NDArray[np.uint8]) -> NDArray[np.int64]:
    """``int64 [N, 256]``: how often each value occurs in each row."""
    shifted = values.astype(np.int64) + 256 * np.arange(len(values))[:, None]
    return np.bincount(shifted.ravel(), minlength=256 * len(values)).reshape(-1, 256)


def _quantile(below: NDArray[np.int64], part: float) -> NDArray[np.float64]:
    """The smallest value at or below which a share ``part`` of each row's pixels lie, from cumulated counts."""
    first = (below >= part * below[:, -1:]).argmax(axis=1)
    return np.asarray(first, dtype=np.float64)
