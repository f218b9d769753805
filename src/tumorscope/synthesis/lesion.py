"""Lesions drawn by a program into a slice of float brightness.

Owns the look of the three tumours as T1-weighted post-contrast and T2-weighted MRI show them, and the soft shapes
they are made of. Knows nothing of the head around them: where a lesion lies and where tissue ends is told by the
caller. The look is a caricature good enough to test software with; it carries no medical truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.core.labels import Diagnosis

__all__ = ["Blob", "Contrast", "Lesion", "draw_lesion", "soft_step", "waves"]

Image = NDArray[np.float64]

_HARMONICS = 5


class Contrast(StrEnum):
    """What a scan makes bright."""

    T1 = "T1"
    """Fat, and tumours after a contrast agent; fluid is dark."""
    T2 = "T2"
    """Fluid and swollen tissue."""


@dataclass(frozen=True, slots=True)
class Lesion:
    """A slice with a lesion in it.

    Parameters
    ----------
    image
        ``float64 [H, W]``, brightness in [0, 1].
    mask
        ``bool [H, W]``, true inside the mass itself (oedema around it is left out).
    """

    image: Image
    mask: NDArray[np.bool_]

    def box(self) -> tuple[float, float, float, float]:
        """Tight box around the mass as (centre x, centre y, width, height), fractions of the image."""
        height, width = self.mask.shape
        rows = np.flatnonzero(self.mask.any(axis=1))
        columns = np.flatnonzero(self.mask.any(axis=0))
        top, bottom = int(rows[0]), int(rows[-1]) + 1
        left, right = int(columns[0]), int(columns[-1]) + 1
        return (
            (left + right) / 2 / width,
            (top + bottom) / 2 / height,
            (right - left) / width,
            (bottom - top) / height,
        )


@dataclass(frozen=True, slots=True)
class Blob:
    """A closed outline ``radius(angle)`` around a centre, in pixels.

    Parameters
    ----------
    row, column
        Centre in pixels.
    radius
        Mean radius in pixels.
    amplitudes, phases
        ``float64 [K]``: harmonic *k* + 2 changes the radius by that fraction; zeros make a circle.
    """

    row: float
    column: float
    radius: float
    amplitudes: NDArray[np.float64]
    phases: NDArray[np.float64]

    @classmethod
    def random(
        cls, rng: np.random.Generator, row: float, column: float, radius: float, irregularity: float
    ) -> Blob:
        """An outline whose radius wanders by about ``irregularity`` (a fraction) from harmonics 2 to 6."""
        falling = irregularity / np.sqrt(np.arange(1, _HARMONICS + 1))
        amplitudes = falling * rng.uniform(-1.0, 1.0, _HARMONICS)
        return cls(row, column, radius, amplitudes, rng.uniform(0.0, 2.0 * np.pi, _HARMONICS))

    def scaled(self, factor: float) -> Blob:
        """The same outline, ``factor`` times as large."""
        return Blob(self.row, self.column, self.radius * factor, self.amplitudes, self.phases)

    def depth(self, shape: tuple[int, int]) -> Image:
        """Pixels from each pixel to the outline along the ray from the centre; negative outside it."""
        rows = np.arange(shape[0], dtype=np.float64)[:, None] - self.row
        columns = np.arange(shape[1], dtype=np.float64)[None, :] - self.column
        away = np.hypot(rows, columns)
        # The k-th power of the direction as a complex number of modulus 1 holds cosine and sine of k times its angle.
        direction = (columns + 1j * rows) / np.where(away > 0.0, away, 1.0)
        direction[away == 0.0] = 1.0
        outline, power = np.ones(shape), direction
        for amplitude, phase in zip(self.amplitudes, self.phases, strict=True):
            power = power * direction
            outline += amplitude * (np.cos(phase) * power.real - np.sin(phase) * power.imag)
        return self.radius * outline - away


def soft_step(depth: Image, width: float = 1.0) -> Image:
    """0 outside, 1 inside, with a linear edge ``width`` pixels wide: an antialiased mask."""
    return np.clip(depth / width + 0.5, 0.0, 1.0)


def waves(rng: np.random.Generator, shape: tuple[int, int], cycles: float, count: int = 6) -> Image:
    """Smooth random texture ``[H, W]`` of mean 0 and standard deviation 1: plane waves in random directions.

    ``cycles`` is how many periods of the finest wave fit into the width of the image.
    """
    down, across = (np.linspace(0.0, 2.0 * np.pi, side) for side in shape)
    by_row, by_column = np.empty((shape[0], 2 * count)), np.empty((2 * count, shape[1]))
    for k in range(count):
        angle, phase = rng.uniform(0.0, 2.0 * np.pi, 2)
        pace = cycles * rng.uniform(0.35, 1.0)
        # cos(a + b) = cos a cos b - sin a sin b: two vectors for each wave instead of an image.
        first, second = pace * np.sin(angle) * down, pace * np.cos(angle) * across + phase
        by_row[:, 2 * k], by_column[2 * k] = np.cos(first), np.cos(second)
        by_row[:, 2 * k + 1], by_column[2 * k + 1] = -np.sin(first), np.sin(second)
    return (by_row @ by_column) / float(np.sqrt(count / 2))


def draw_lesion(
    image: Image,
    diagnosis: Diagnosis,
    centre: tuple[float, float],
    radius: float,
    rng: np.random.Generator,
    *,
    tissue: Image | None = None,
    contrast: Contrast = Contrast.T1,
) -> Lesion:
    """Draw a tumour into a slice.

    Parameters
    ----------
    image
        ``float64 [H, W]``, brightness in [0, 1]; it is not changed.
    diagnosis
        Any class but ``notumor``.
    centre
        Row and column in pixels.
    radius
        Mean radius of the mass in pixels, at least 2.
    rng
        Source of its shape and texture.
    tissue
        Where the lesion may be seen, ``[H, W]`` in [0, 1]; everywhere if ``None``. A meningioma is cut off by
        it, which makes its base broad.
    contrast
        That of the slice.

    Raises
    ------
    InvalidConfiguration
        If there is nothing to draw: ``notumor``, a radius below 2, or a centre outside the tissue.
    """
    if diagnosis is Diagnosis.NOTUMOR or radius < 2:
        raise InvalidConfiguration(
            f"a {diagnosis.value} lesion of radius {radius:g} was asked for; "
            "a tumour of at least 2 pixels is needed"
        )
    within = np.ones(image.shape) if tissue is None else tissue
    drawn, mask = _PAINTERS[diagnosis](image, centre, radius, rng, within)
    if contrast is Contrast.T2:
        drawn = _as_t2(image, drawn, mask, diagnosis)
    inside = mask > 0.5
    if not inside.any():
        raise InvalidConfiguration(
            f"the lesion at row {centre[0]:.0f}, column {centre[1]:.0f} lies outside the tissue"
        )
    return Lesion(np.clip(drawn, 0.0, 1.0), inside)


def _as_t2(image: Image, drawn: Image, mask: Image, diagnosis: Diagnosis) -> Image:
    """A lesion drawn as T1 shows it, turned round: what it darkened is bright, and its mass is midway."""
    around = np.clip((image - drawn) / np.maximum(image, 0.05), 0.0, 1.0) * (1.0 - mask)
    swollen = image + (0.82 - image) * around
    low, high = (0.8, 0.52) if diagnosis is Diagnosis.GLIOMA else (0.55, 0.7)
    return swollen * (1.0 - mask) + (low + (high - low) * drawn) * mask


def _glioma(
    image: Image, centre: tuple[float, float], radius: float, rng: np.random.Generator, tissue: Image
) -> tuple[Image, Image]:
    """An irregular enhancing ring around a dark core, in dark oedema."""
    mass = Blob.random(rng, *centre, radius, irregularity=0.22)
    oedema = Blob.random(rng, *centre, radius * rng.uniform(1.5, 1.9), irregularity=0.25)
    swelling = soft_step(oedema.depth(image.shape), width=0.35 * radius) * tissue
    drawn = image * (1.0 - rng.uniform(0.45, 0.6) * swelling)
    depth = mass.depth(image.shape)
    inside = soft_step(depth, width=1.5) * tissue
    core = soft_step(depth - rng.uniform(0.22, 0.34) * radius, width=0.12 * radius + 1.0)
    texture = waves(rng, (image.shape[0], image.shape[1]), cycles=18.0)
    rim_value = rng.uniform(0.82, 0.95) + 0.05 * texture
    core_value = rng.uniform(0.14, 0.26) + 0.04 * texture
    value = core * core_value + (1.0 - core) * rim_value
    return drawn * (1.0 - inside) + value * inside, inside


def _meningioma(
    image: Image, centre: tuple[float, float], radius: float, rng: np.random.Generator, tissue: Image
) -> tuple[Image, Image]:
    """A bright, even, rounded mass that the edge of the tissue cuts off."""
    mass = Blob.random(rng, *centre, radius, irregularity=0.06)
    inside = soft_step(mass.depth(image.shape), width=1.5) * tissue
    value = rng.uniform(0.84, 0.95) + 0.012 * waves(rng, (image.shape[0], image.shape[1]), cycles=12.0)
    cleft = (
        soft_step(mass.scaled(1.12).depth(image.shape), width=2.0) * tissue
    )  # cerebrospinal fluid around it
    drawn = image * (1.0 - 0.35 * cleft)
    return drawn * (1.0 - inside) + value * inside, inside


def _pituitary(
    image: Image, centre: tuple[float, float], radius: float, rng: np.random.Generator, tissue: Image
) -> tuple[Image, Image]:
    """A small, bright, nearly round mass in a dark cistern."""
    mass = Blob.random(rng, *centre, radius, irregularity=0.05)
    inside = soft_step(mass.depth(image.shape), width=1.5) * tissue
    cistern = soft_step(mass.scaled(1.45).depth(image.shape), width=3.0) * tissue
    value = rng.uniform(0.76, 0.92) + 0.015 * waves(rng, (image.shape[0], image.shape[1]), cycles=14.0)
    drawn = image * (1.0 - 0.75 * cistern)
    return drawn * (1.0 - inside) + value * inside, inside


_PAINTERS = {
    Diagnosis.GLIOMA: _glioma,
    Diagnosis.MENINGIOMA: _meningioma,
    Diagnosis.PITUITARY: _pituitary,
}
