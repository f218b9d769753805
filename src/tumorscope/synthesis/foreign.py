"""Images made unlike brain MRI: what a classifier of brain slices should turn away.

Owns twelve kinds of them, drawn by a program or made out of a brain slice, and nothing of how they are judged. The
same seed gives the same image. None of them is ever learnt from: they are there to measure novelty scores, half of
them to choose one and the other half to say how good it is.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from tumorscope.core.errors import InvalidConfiguration

__all__ = ["FROM_SLICE", "ForeignKind", "make_foreign"]

Picture = NDArray[np.uint8]
Floats = NDArray[np.float64]

_WORDS = (
    "the",
    "of",
    "and",
    "in",
    "to",
    "is",
    "was",
    "for",
    "with",
    "report",
    "normal",
    "without",
    "contrast",
    "limits",
)
_SMALLEST_TILES, _MOST_TILES = 3, 8


class ForeignKind(StrEnum):
    """What is drawn."""

    INVERTED = "inverted"
    SCRAMBLED = "scrambled"
    WHITE_NOISE = "white-noise"
    SMOOTH_NOISE = "smooth-noise"
    CLOUD_NOISE = "cloud-noise"
    SPECKLE = "speckle"
    TEXT = "text"
    GRADIENT = "gradient"
    CHECKERBOARD = "checkerboard"
    STRIPES = "stripes"
    LANDSCAPE = "landscape"
    STILL_LIFE = "still-life"


FROM_SLICE = frozenset({ForeignKind.INVERTED, ForeignKind.SCRAMBLED})
"""The kinds that are made out of a brain slice."""


def make_foreign(
    kind: ForeignKind, seed: int, size: int = 256, *, brain: NDArray[np.uint8] | None = None
) -> Picture:
    """Make one image.

    Parameters
    ----------
    kind
        What is drawn.
    seed
        The same seed gives the same image.
    size
        Side in pixels, at least 32; of the kinds made out of a slice, the slice's own size counts.
    brain
        ``uint8 [H, W]``, a brain slice; needed for :data:`FROM_SLICE` and ignored otherwise.

    Returns
    -------
    numpy.ndarray
        ``uint8 [size, size]``, or ``[H, W]`` of the slice.

    Raises
    ------
    InvalidConfiguration
        If a slice is needed and not given.
    """
    rng = np.random.Generator(np.random.Philox(key=[list(ForeignKind).index(kind), seed]))
    if kind in FROM_SLICE:
        if brain is None:
            raise InvalidConfiguration(f"the kind {kind} is made out of a brain slice; give one as brain=")
        return 255 - brain if kind is ForeignKind.INVERTED else _scrambled(rng, brain)
    return _DRAWN[kind](rng, size)


def _scrambled(rng: np.random.Generator, brain: Picture) -> Picture:
    """The slice cut into tiles that change places."""
    tiles = int(rng.integers(_SMALLEST_TILES, _MOST_TILES + 1))
    height, width = (side // tiles for side in brain.shape)
    cut = brain[: height * tiles, : width * tiles].reshape(tiles, height, tiles, width).swapaxes(1, 2)
    moved = cut.reshape(tiles * tiles, height, width)[rng.permutation(tiles * tiles)]
    return moved.reshape(tiles, tiles, height, width).swapaxes(1, 2).reshape(height * tiles, width * tiles)


def _white_noise(rng: np.random.Generator, size: int) -> Picture:
    return rng.integers(0, 256, (size, size), dtype=np.uint8)


def _smooth_noise(rng: np.random.Generator, size: int) -> Picture:
    """Blobs of one width, from fine grain to a few clouds."""
    width = _log(rng, 4, 40)
    return _stretched(_filtered(rng, size, lambda radius: np.exp(-((radius / width) ** 2))))


def _cloud_noise(rng: np.random.Generator, size: int) -> Picture:
    """Noise whose power falls with frequency as in photographs of nature (Field, J. Opt. Soc. Am. A 4, 1987)."""
    power = rng.uniform(0.7, 2.0)
    return _stretched(_filtered(rng, size, lambda radius: 1 / np.maximum(radius, 1) ** power))


def _speckle(rng: np.random.Generator, size: int) -> Picture:
    """Multiplied noise in a fan, as on an ultrasound screen."""
    grain = _filtered(rng, size, lambda radius: np.exp(-((radius / 45) ** 2)))
    bright = np.exp(
        1.2 * _normed(grain) + 0.8 * _normed(_filtered(rng, size, lambda r: np.exp(-((r / 5) ** 2))))
    )
    row, column = _axes(size)
    depth = np.hypot(row + 0.1, column - 0.5)
    inside = (
        (depth > 0.15)
        & (depth < 1.05)
        & (np.abs(np.arctan2(column - 0.5, row + 0.1)) < rng.uniform(0.4, 0.7))
    )
    return _stretched(np.where(inside, np.minimum(bright, np.percentile(bright, 99)), 0.0))


def _text(rng: np.random.Generator, size: int) -> Picture:
    """A page of writing, black on white or white on black."""
    dark = bool(rng.random() < 0.5)
    page = Image.new("L", (size, size), 0 if dark else 255)
    pen = ImageDraw.Draw(page)
    height = int(rng.integers(9, 22))
    font = ImageFont.load_default(size=height)
    margin = int(rng.integers(4, size // 8))
    for top in range(margin, size - margin - height, int(height * rng.uniform(1.2, 1.6))):
        if rng.random() < 0.1:
            continue  # the end of a paragraph
        line = " ".join(rng.choice(_WORDS, int(rng.integers(3, 14))))
        pen.text((margin, top), line, fill=255 if dark else 0, font=font)
    return np.asarray(page)


def _gradient(rng: np.random.Generator, size: int) -> Picture:
    """Grey that changes evenly: along a line, or away from a point."""
    row, column = _axes(size)
    angle = rng.uniform(0, 2 * np.pi)
    if rng.random() < 0.5:
        return _stretched((row * np.sin(angle) + column * np.cos(angle)) ** int(rng.integers(1, 3)))
    return _stretched(rng.choice([-1, 1]) * np.hypot(row - rng.uniform(0, 1), column - rng.uniform(0, 1)))


def _checkerboard(rng: np.random.Generator, size: int) -> Picture:
    fields = int(rng.integers(3, 24))
    row, column = _turned(rng, size)
    odd = (np.floor(row * fields) + np.floor(column * fields)) % 2
    low, high = np.sort(rng.uniform(0, 255, 2))
    return np.asarray(np.where(odd > 0, min(high + 60, 255), low).astype(np.uint8))


def _stripes(rng: np.random.Generator, size: int) -> Picture:
    row, _ = _turned(rng, size)
    return _stretched(np.sin(2 * np.pi * row * _log(rng, 3, 40)) ** int(rng.integers(1, 4)))


def _landscape(rng: np.random.Generator, size: int) -> Picture:
    """Sky with clouds, ranges of hills that darken towards the viewer, a sun, trees."""
    row, column = _axes(size)
    sky = (
        0.95
        - 0.3 * row
        + 0.06 * _normed(_filtered(rng, size, lambda radius: 1 / np.maximum(radius, 1) ** 1.6))
    )
    sun = np.hypot(row - rng.uniform(0.05, 0.3), column - rng.uniform(0.1, 0.9))
    picture = np.where(sun < rng.uniform(0.03, 0.08), 1.0, sky)
    grass = _normed(_filtered(rng, size, lambda radius: np.exp(-((radius / 60) ** 2))))
    for place, shade in zip((0.45, 0.6, 0.75), (0.6, 0.42, 0.28), strict=True):
        edge = place + sum(
            rng.uniform(0.01, 0.06) * np.sin(column * rng.uniform(3, 16) + rng.uniform(0, 7))
            for _ in range(3)
        )
        picture = np.where(row > edge, shade + 0.05 * grass, picture)
    for _ in range(int(rng.integers(2, 7))):
        foot, across, tall = rng.uniform(0.7, 0.95), rng.uniform(0.05, 0.95), rng.uniform(0.1, 0.3)
        crown = np.hypot((row - foot + tall) / 0.8, column - across) < tall * 0.4
        trunk = (np.abs(column - across) < 0.01) & (row < foot) & (row > foot - tall)
        picture = np.where(crown, 0.2 + 0.08 * grass, np.where(trunk, 0.1, picture))
    return _as_grey(picture)


def _still_life(rng: np.random.Generator, size: int) -> Picture:
    """Shaded balls and boxes on a table before a wall, lit from one side."""
    row, column = _axes(size)
    table = rng.uniform(0.45, 0.7)
    wood = 0.05 * np.sin(column * 40 + 3 * np.sin(row * 25)) + 0.02 * rng.standard_normal((size, size))
    wall = rng.uniform(0.5, 0.9) - 0.2 * column
    picture = np.where(row > table, rng.uniform(0.3, 0.6) + wood, wall)
    for _ in range(int(rng.integers(3, 8))):
        top, left, large = rng.uniform(0.25, 0.85), rng.uniform(0.1, 0.9), rng.uniform(0.06, 0.18)
        shade = rng.uniform(0.2, 0.95)
        if rng.random() < 0.6:
            down, across = (row - top) / large, (column - left) / large
            height = np.sqrt(np.maximum(1 - down**2 - across**2, 0))
            lit = np.clip(0.25 + 0.75 * (0.6 * height - 0.5 * down - 0.5 * across), 0.05, 1)
            picture = np.where(down**2 + across**2 < 1, shade * lit, picture)
        else:
            front = (np.abs(row - top) < large) & (np.abs(column - left) < large * 0.7)
            side = (np.abs(row - top + 0.3 * large) < large) & (
                np.abs(column - left - 0.8 * large) < large * 0.2
            )
            picture = np.where(front, shade, np.where(side, 0.5 * shade, picture))
    return _as_grey(picture)


_DRAWN: dict[ForeignKind, Callable[[np.random.Generator, int], Picture]] = {
    ForeignKind.WHITE_NOISE: _white_noise,
    ForeignKind.SMOOTH_NOISE: _smooth_noise,
    ForeignKind.CLOUD_NOISE: _cloud_noise,
    ForeignKind.SPECKLE: _speckle,
    ForeignKind.TEXT: _text,
    ForeignKind.GRADIENT: _gradient,
    ForeignKind.CHECKERBOARD: _checkerboard,
    ForeignKind.STRIPES: _stripes,
    ForeignKind.LANDSCAPE: _landscape,
    ForeignKind.STILL_LIFE: _still_life,
}


def _axes(size: int) -> tuple[Floats, Floats]:
    """Rows and columns from 0 to 1, ``[size, 1]`` and ``[1, size]``."""
    line = (np.arange(size) + 0.5) / size
    return line[:, None], line[None, :]


def _turned(rng: np.random.Generator, size: int) -> tuple[Floats, Floats]:
    row, column = _axes(size)
    angle = rng.uniform(0, np.pi)
    return row * np.cos(angle) + column * np.sin(angle), column * np.cos(angle) - row * np.sin(angle)


def _filtered(rng: np.random.Generator, size: int, weigh: Callable[[Floats], Floats]) -> Floats:
    """White noise with its frequencies weighed; ``weigh`` takes cycles an image."""
    cycles = np.fft.fftfreq(size) * size
    radius = np.hypot(cycles[:, None], cycles[None, :])
    noise = np.fft.fft2(rng.standard_normal((size, size)))
    return np.real(np.fft.ifft2(noise * weigh(radius)))


def _normed(values: Floats) -> Floats:
    return np.asarray((values - values.mean()) / (values.std() + 1e-12))


def _log(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _stretched(values: Floats) -> Picture:
    low, high = float(values.min()), float(values.max())
    return _as_grey((values - low) / max(high - low, 1e-12))


def _as_grey(values: Floats) -> Picture:
    return np.asarray(np.clip(values, 0, 1) * 255, dtype=np.uint8)
