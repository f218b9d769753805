"""Small pictures to vectors of which near ones are likely copies.

Owns the local normalisation that takes out brightness and contrast, and :class:`Embedding`, a linear discriminant
fitted on the pictures at hand: directions in which a picture changes when it is cropped a little or its tone is
changed are shrunk, directions in which pictures differ from each other are kept (Fisher's criterion, with changes
made for the purpose as the within-class scatter). No label is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.optional import require
from tumorscope.dataset.copies.blas import one_blas_thread

__all__ = ["DIMENSIONS", "FEW", "Embedding", "fit_embedding", "normalised"]

DIMENSIONS = 32
FEW = 64
"""Number of pictures below which nothing is fitted: the vectors are the pictures."""

_COARSE = 16  # side of the picture that the vector is made of
_NEIGHBOURHOOD = 4.0  # standard deviation in pixels of a 32-pixel picture
_FLOOR = 0.02  # of the full range: noise in the dark is not stretched to structure
_SAMPLE = 500
_CHANGES = 16
_LARGEST_CUT = 0.08
_SHRINKAGE = 0.05

Pictures = NDArray[np.floating[Any]]
Vectors = NDArray[np.floating[Any]]


def normalised(thumbnails: NDArray[np.uint8]) -> Pictures:
    """Take local brightness and contrast out of pictures.

    Parameters
    ----------
    thumbnails
        ``uint8 [N, T, T]``.

    Returns
    -------
    numpy.ndarray
        ``float32 [N, T, T]``, about zero mean and unit spread everywhere.
    """
    blur = _blur(thumbnails.shape[-1])
    bright = thumbnails.astype(np.float32) / np.float32(255)
    detail = bright - blur @ bright @ blur.T
    spread = np.sqrt(np.maximum(blur @ (detail * detail) @ blur.T, 0))
    result: Pictures = detail / (spread + np.float32(_FLOOR))
    return result


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """A linear map from normalised pictures to unit vectors.

    Parameters
    ----------
    mean
        ``float32 [256]``.
    projection
        ``float32 [256, D]``, D at most 32 where it was fitted.
    """

    mean: Vectors
    projection: Vectors

    def __call__(self, pictures: Pictures) -> Vectors:
        """Normalised pictures ``float32 [N, T, T]`` to unit vectors ``float32 [N, D]``."""
        return _unit((_coarse(pictures) - self.mean) @ self.projection)


def fit_embedding(
    thumbnails: NDArray[np.uint8], seed: int = 0, *, rows: NDArray[np.int64] | None = None
) -> Embedding:
    """Fit the map on pictures themselves.

    Parameters
    ----------
    thumbnails
        ``uint8 [N, T, T]``, N at least 1; a sample of at most 500 is used.
    seed
        Seed of the sample and of the changes.
    rows
        Positions to draw the sample from; all where ``None``.
    """
    linalg = require("scipy.linalg", extra="data", purpose="searching for copies")
    random = np.random.default_rng(seed)
    count = len(thumbnails) if rows is None else len(rows)
    if count < FEW:
        # The mean of two pictures lies between them, and taken out of both makes opposites of two copies.
        size = _COARSE * _COARSE
        return Embedding(np.zeros(size, np.float32), np.eye(size, dtype=np.float32))
    chosen = np.sort(random.permutation(count)[:_SAMPLE])
    sample = thumbnails[chosen if rows is None else rows[chosen]]
    with one_blas_thread():
        plain = _coarse(normalised(sample))
        within = np.zeros((plain.shape[1], plain.shape[1]))
        for _ in range(_CHANGES):
            change = _coarse(_cut(normalised(_retoned(sample, random)), random)) - plain
            within += change.T @ change / (len(sample) * _CHANGES)
        mean = plain.mean(axis=0)
        between = (plain - mean).T @ (plain - mean) / len(sample)
        within += np.eye(len(within)) * (_SHRINKAGE * np.trace(within) / len(within) + 1e-9)
        _, directions = linalg.eigh(between, within)
    return Embedding(mean, directions[:, ::-1][:, :DIMENSIONS].astype(np.float32))


def _retoned(thumbnails: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """Another gamma and gain for each picture."""
    shape = (len(thumbnails), 1, 1)
    gamma = np.exp2(random.uniform(-0.6, 0.6, shape)).astype(np.float32)
    gain = random.uniform(0.7, 1.5, shape).astype(np.float32)
    bright = (thumbnails.astype(np.float32) / np.float32(255)) ** gamma * gain
    result: NDArray[np.uint8] = (np.minimum(bright, 1.0) * 255).astype(np.uint8)
    return result


def _cut(pictures: Pictures, random: np.random.Generator) -> Pictures:
    """All pictures without a little of each edge, stretched to the old size."""
    left, right, top, bottom = random.uniform(0, _LARGEST_CUT, 4)
    side = pictures.shape[-1]
    rows, columns = _resample(side, side, top, 1 - bottom), _resample(side, side, left, 1 - right)
    result: Pictures = rows @ pictures @ columns.T
    return result


def _coarse(pictures: Pictures) -> Vectors:
    rows = _resample(pictures.shape[-1], _COARSE, 0.0, 1.0)
    return _unit((rows @ pictures @ rows.T).reshape(len(pictures), -1))


def _resample(source: int, target: int, start: float, end: float) -> Vectors:
    """``[target, source]``: each row the mean of the pixels that a part of [start, end] covers."""
    edges = np.linspace(start * source, end * source, target + 1)
    low, high = edges[:-1, None], edges[1:, None]
    pixel = np.arange(source)
    covered = np.clip(np.minimum(high, pixel + 1) - np.maximum(low, pixel), 0, None)
    weights: Vectors = (covered / covered.sum(axis=1, keepdims=True)).astype(np.float32)
    return weights


def _blur(side: int) -> Vectors:
    """``[side, side]``: Gaussian means that keep their weight at the edges."""
    pixel = np.arange(side)
    sigma = _NEIGHBOURHOOD * side / 32
    weights = np.exp(-0.5 * ((pixel[:, None] - pixel) / sigma) ** 2)
    result: Vectors = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return result


def _unit(vectors: Vectors) -> Vectors:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    result: Vectors = vectors / np.maximum(length, np.float32(1e-6))
    return result
