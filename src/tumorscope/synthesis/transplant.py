"""A tumour taken out of a slice, and one put into another.

Owns filling an ellipse with the tissue around it and pasting one slice's ellipse into another slice. Works on
brightness (:func:`tumorscope.synthesis.stresses.to_brightness`); knows no labels. NumPy and Pillow alone. What comes
out is meant for asking models, not for looking real to a radiologist; every blending leaves other traces, so several
are offered.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

__all__ = ["Blending", "Ellipse", "fill", "paste"]

Image = NDArray[np.float64]

_RING = 1.5  # outer radius of the tissue around an ellipse, in its own radii
_SOFT = 0.25  # width of a soft edge
_SWEEPS = 60  # of diffusion on each level of the pyramid
_COARSEST = 12  # pixels a side


class Blending(StrEnum):
    """How the edge of what is pasted is hidden."""

    SOFT = "soft"
    """Brightness and spread matched to the ring around the place, edge a linear ramp."""
    SHARP = "sharp"
    """The same match, edge one pixel wide."""
    SEAMLESS = "seamless"
    """The difference along the edge is spread smoothly over the inside (Pérez et al., Poisson image editing, 2003)."""


@dataclass(frozen=True, slots=True)
class Ellipse:
    """An upright ellipse in pixels: centre and radii."""

    row: float
    column: float
    height: float
    width: float

    @classmethod
    def of_box(
        cls, box: tuple[float, float, float, float], shape: tuple[int, int], margin: float = 1.0
    ) -> Ellipse:
        """The ellipse of a box in fractions of the image (centre x and y, width, height), ``margin`` times as large."""
        height, width = shape
        return cls(
            box[1] * height - 0.5,
            box[0] * width - 0.5,
            max(2.0, margin * box[3] * height / 2.0),
            max(2.0, margin * box[2] * width / 2.0),
        )

    def radius(self, shape: tuple[int, int]) -> Image:
        """``float64 [H, W]``: 0 at the centre, 1 at the edge, growing outside."""
        rows = (np.arange(shape[0])[:, None] - self.row) / self.height
        columns = (np.arange(shape[1])[None, :] - self.column) / self.width
        return np.asarray(np.hypot(rows, columns))


def fill(image: Image, ellipse: Ellipse, rng: np.random.Generator) -> Image:
    """Replace what is inside an ellipse by what is around it.

    The brightness diffuses in from the edge (a harmonic fill), and texture as rough as that of the ring around
    it is added: its own noise, taken from the ring at random.

    Parameters
    ----------
    image
        ``float64 [H, W]``; it is not changed.
    ellipse
        Where the tumour is.
    rng
        Of the texture.
    """
    radius = ellipse.radius(_shape(image))
    inside = radius < 1.0
    if not inside.any() or inside.all():
        return image.copy()
    smooth = _diffused(image, inside)
    ring = (radius >= 1.0) & (radius < _RING)
    rough = image - _blurred(image)
    grain = rough[ring] if ring.any() else np.zeros(1)
    # Clipped: an edge in the ring is structure, not noise.
    limit = 3.0 * float(np.median(np.abs(grain))) + 1e-6
    texture = np.zeros(image.shape)
    texture[inside] = rng.choice(np.clip(grain, -limit, limit), int(inside.sum()))
    soft = np.clip((1.0 - radius) / _SOFT, 0.0, 1.0)
    return np.where(inside, np.maximum(smooth + soft * texture, 0.0), image)


def paste(image: Image, donor: Image, source: Ellipse, target: Ellipse, blending: Blending) -> Image:
    """Put the ellipse of one slice into another.

    Parameters
    ----------
    image
        ``float64 [H, W]``, the slice it is put into; it is not changed.
    donor
        ``float64 [H', W']``, the slice it is taken from.
    source, target
        Where it is in the donor and where it goes.
    blending
        How the edge is hidden.

    Returns
    -------
    numpy.ndarray
        ``float64 [H, W]``, at least 0; equal to ``image`` outside the target.
    """
    radius = target.radius(_shape(image))
    inside = radius < 1.0
    ring = (radius >= 1.0) & (radius < _RING)
    moved = _moved(donor, source, target, _shape(image))
    if not inside.any() or not ring.any():
        return image.copy()
    if blending is Blending.SEAMLESS:
        patch = np.maximum(moved + _diffused(image - moved, inside), 0.0)
        return np.where(inside, patch, image)
    spread = float(image[ring].std()) / max(float(moved[ring].std()), 1e-3)
    patch = (moved - moved[ring].mean()) * min(max(spread, 0.5), 2.0) + image[ring].mean()
    width = _SOFT if blending is Blending.SOFT else 1.0 / min(target.height, target.width)
    weight = np.clip((1.0 - radius) / width, 0.0, 1.0)
    return np.asarray(np.maximum(image + weight * (patch - image), 0.0))


def _shape(image: Image) -> tuple[int, int]:
    height, width = image.shape
    return int(height), int(width)


def _moved(donor: Image, source: Ellipse, target: Ellipse, shape: tuple[int, int]) -> Image:
    """The donor scaled and shifted so that its ellipse lies on the target."""
    down, across = source.height / target.height, source.width / target.width
    matrix = (
        *(across, 0.0, source.column + 0.5 - across * (target.column + 0.5)),
        *(0.0, down, source.row + 0.5 - down * (target.row + 0.5)),
    )
    moved = Pillow.fromarray(donor.astype(np.float32)).transform(
        (shape[1], shape[0]), Pillow.Transform.AFFINE, matrix, Pillow.Resampling.BILINEAR
    )
    return np.asarray(moved, dtype=np.float64)


def _blurred(image: Image) -> Image:
    """Mean of 3 x 3."""
    padded = np.pad(image, 1, mode="edge")
    height, width = image.shape
    total = sum(padded[i : i + height, j : j + width] for i in range(3) for j in range(3))
    return np.asarray(total) / 9.0


def _diffused(image: Image, inside: NDArray[np.bool_]) -> Image:
    """The image with ``inside`` replaced by the solution of Laplace's equation, from coarse to fine."""
    rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
    window = tuple(slice(max(0, int(found[0]) - 2), int(found[-1]) + 3) for found in (rows, columns))
    result = image.copy()
    result[window] = _solve(image[window], inside[window])
    return result


def _solve(image: Image, inside: NDArray[np.bool_]) -> Image:
    known = ~inside
    if min(image.shape) >= 2 * _COARSEST:
        height, width = (side // 2 * 2 for side in image.shape)
        weight = (
            known[:height, :width].astype(np.float64).reshape(height // 2, 2, width // 2, 2).sum(axis=(1, 3))
        )
        total = (image * known)[:height, :width].reshape(height // 2, 2, width // 2, 2).sum(axis=(1, 3))
        coarse = _solve(total / np.maximum(weight, 1.0), weight == 0)
        guess = np.repeat(np.repeat(coarse, 2, axis=0), 2, axis=1)
        guess = np.pad(
            guess, [(0, a - b) for a, b in zip(image.shape, guess.shape, strict=True)], mode="edge"
        )
    else:
        guess = np.full(image.shape, float(image[known].mean()) if known.any() else 0.0)
    value = np.where(inside, guess, image)
    for _ in range(_SWEEPS):
        padded = np.pad(value, 1, mode="edge")
        around = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
        value = np.where(inside, around / 4.0, image)
    return value
