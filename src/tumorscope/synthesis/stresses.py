"""The list of changes that a classifier should bear, and one function that applies any of them.

Owns :data:`STRESSES`, from which evaluation, the command line, the documentation and augmentation take names, families
and severities, and :func:`apply_stress`, which works on a slice in its native depth. The changes themselves are in
:mod:`~tumorscope.synthesis.artefacts`, :mod:`~tumorscope.synthesis.tone` and :mod:`~tumorscope.synthesis.degrade`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.preprocess import find_head
from tumorscope.synthesis import artefacts, degrade, tone

__all__ = [
    "SEVERITIES",
    "STRESSES",
    "Brightness",
    "Family",
    "Stress",
    "apply_stress",
    "from_brightness",
    "to_brightness",
]

SEVERITIES = 5

Image = NDArray[np.float64]
Change = Callable[[Image, float, np.random.Generator], Image]


class Family(StrEnum):
    """Where a change comes from."""

    ARTEFACT = "artefact"
    TONE = "tone"
    RESOLUTION = "resolution"
    COMPRESSION = "compression"
    CROP = "crop"
    SKULL = "skull"
    ORIENTATION = "orientation"


@dataclass(frozen=True, slots=True)
class Stress:
    """One change in five severities.

    Parameters
    ----------
    name
        What it is called everywhere.
    family
        Where it comes from.
    change
        The function of brightness, strength and generator.
    strengths
        The strength of severities 1 to 5, ascending, the same for all images.
    unit
        What the strengths count.
    keeps_shape
        Whether the result has as many rows and columns as the image.
    """

    name: str
    family: Family
    change: Change
    strengths: tuple[float, float, float, float, float]
    unit: str
    keeps_shape: bool = True

    @property
    def meaning(self) -> str:
        """The first line of what its function says of it."""
        return (self.change.__doc__ or "").strip().split("\n\n", maxsplit=1)[0].replace("\n    ", " ")


_ALL = (
    Stress(
        "bias-field",
        Family.ARTEFACT,
        artefacts.bias_field,
        (0.2, 0.4, 0.6, 0.9, 1.3),
        "largest logarithm of the factor",
    ),
    Stress(
        "ghosting",
        Family.ARTEFACT,
        artefacts.ghosting,
        (0.2, 0.4, 0.6, 0.8, 1.0),
        "missing part of every n-th line",
    ),
    Stress(
        "motion",
        Family.ARTEFACT,
        artefacts.motion,
        (0.5, 1.0, 1.75, 2.75, 4.0),
        "degrees, and hundredths of half a side",
    ),
    Stress(
        "gibbs",
        Family.ARTEFACT,
        artefacts.gibbs_ringing,
        (1000 / 128, 1000 / 96, 1000 / 72, 1000 / 56, 1000 / 40),
        "1000 / lines",
    ),
    Stress(
        "spikes",
        Family.ARTEFACT,
        artefacts.spikes,
        (0.03, 0.06, 0.1, 0.16, 0.25),
        "height of a wave / head's brightness",
    ),
    Stress(
        "noise",
        Family.ARTEFACT,
        artefacts.rician_noise,
        (0.02, 0.04, 0.08, 0.13, 0.2),
        "standard deviation / head's brightness",
    ),
    Stress(
        "gamma-darker",
        Family.TONE,
        tone.gamma_darker,
        (0.25, 0.5, 0.8, 1.2, 1.7),
        "log2 of the exponent",
    ),
    Stress(
        "gamma-brighter",
        Family.TONE,
        tone.gamma_brighter,
        (0.25, 0.5, 0.8, 1.2, 1.7),
        "-log2 of the exponent",
    ),
    Stress(
        "window-narrower",
        Family.TONE,
        tone.window_narrower,
        (0.15, 0.3, 0.45, 0.6, 0.75),
        "part of the range that is cut",
    ),
    Stress(
        "window-wider",
        Family.TONE,
        tone.window_wider,
        (7.0, 15.0, 23.0, 35.0, 50.0),
        "times wider, less 1",
    ),
    Stress(
        "contrast-turnover",
        Family.TONE,
        tone.contrast_turnover,
        (0.2, 0.4, 0.6, 0.8, 1.0),
        "part of the parabola",
    ),
    Stress(
        "resolution-lower",
        Family.RESOLUTION,
        degrade.resolution_lower,
        (1000 / 128, 1000 / 96, 1000 / 64, 1000 / 48, 1000 / 32),
        "1000 / pixels a side",
    ),
    Stress(
        "resolution-higher",
        Family.RESOLUTION,
        degrade.resolution_higher,
        (0.25, 0.5, 1.0, 1.5, 2.0),
        "times more pixels a side, less 1",
        keeps_shape=False,
    ),
    Stress("jpeg", Family.COMPRESSION, degrade.jpeg, (50.0, 70.0, 85.0, 92.0, 97.0), "100 - quality"),
    Stress(
        "crop",
        Family.CROP,
        degrade.cropping,
        (0.03, 0.06, 0.1, 0.15, 0.2),
        "part of the head cut at each border",
        keeps_shape=False,
    ),
    Stress(
        "skull-strip",
        Family.SKULL,
        degrade.skull_stripping,
        (0.05, 0.1, 0.15, 0.2, 0.28),
        "depth / head's radius",
    ),
    Stress(
        "rotation",
        Family.ORIENTATION,
        degrade.rotation,
        (4.0, 8.0, 13.0, 20.0, 30.0),
        "degrees",
        keeps_shape=False,
    ),
    Stress(
        "turn",
        Family.ORIENTATION,
        degrade.turning,
        (1.0, 2.0, 3.0, 4.0, 5.0),
        "which: mirrored, upside down, half turn, quarter turn, transposed",
        keeps_shape=False,
    ),
)

STRESSES: Mapping[str, Stress] = MappingProxyType({stress.name: stress for stress in _ALL})
"""Every change by name, in the order in which they are shown."""


@dataclass(frozen=True, slots=True)
class Brightness:
    """How the values of a slice are to be read as brightness.

    Parameters
    ----------
    dark
        The value of no signal, the darkest of the slice.
    bright
        The value that is brightness 1, the bright end of the head.
    top
        The largest value of the slice.
    dtype
        That of the pixels.
    """

    dark: float
    bright: float
    top: float
    dtype: np.dtype[Any]


def to_brightness(pixels: NDArray[Any]) -> tuple[Image, Brightness]:
    """Read a slice as brightness.

    Parameters
    ----------
    pixels
        ``[H, W]`` of any real dtype, at least 16 x 16.

    Returns
    -------
    tuple
        ``float64 [H, W]`` with 0 for the darkest value and 1 for the bright end of the head, and the scale.

    Raises
    ------
    UnsupportedImage
        As :func:`~tumorscope.preprocess.find_head` does.
    """
    head = find_head(pixels)
    dark, top = float(pixels.min()), float(pixels.max())
    scale = Brightness(dark, max(head.high, np.nextafter(dark, np.inf)), top, pixels.dtype)
    return (pixels.astype(np.float64) - dark) / (scale.bright - dark), scale


def from_brightness(image: Image, scale: Brightness) -> NDArray[Any]:
    """Write brightness back in the dtype it was read from.

    Values outside the range of the slice it came from are clipped, so that a change never makes room for itself.
    """
    values = np.clip(image * (scale.bright - scale.dark) + scale.dark, scale.dark, scale.top)
    if np.issubdtype(scale.dtype, np.integer):
        values = np.rint(values)
    return np.ascontiguousarray(values, dtype=scale.dtype)


def apply_stress(pixels: NDArray[Any], name: str, severity: int, seed: int = 0) -> NDArray[Any]:
    """Change a slice.

    Parameters
    ----------
    pixels
        ``[H, W]`` in its native depth, of any real dtype, at least 16 x 16.
    name
        One of :data:`STRESSES`.
    severity
        0 (the pixels themselves) to 5.
    seed
        Of everything random. The same pixels, name and seed have the same disturbance at each severity, and other
        pixels another.

    Returns
    -------
    numpy.ndarray
        ``[H', W']`` of the same dtype, within the range of the pixels; the same shape where the stress keeps it.

    Raises
    ------
    InvalidConfiguration
        If there is no such change or severity.
    UnsupportedImage
        If the pixels are no slice.
    MissingDependency
        If the change needs SciPy and it is not installed.
    """
    stress = STRESSES.get(name)
    if stress is None:
        raise InvalidConfiguration(f"there is no stress {name!r}; known are: {', '.join(STRESSES)}")
    if not 0 <= severity <= SEVERITIES:
        raise InvalidConfiguration(
            f"the severity is {severity}; a whole number from 0 to {SEVERITIES} is needed"
        )
    if severity == 0:
        return pixels.copy()
    image, scale = to_brightness(pixels)
    changed = stress.change(image, stress.strengths[severity - 1], _generator(pixels, name, seed))
    if name == "bias-field":
        # A coil has no upper end: keep the brightest place in range instead of clipping it.
        changed *= min(1.0, float(image.max()) / max(float(changed.max()), 1e-300))
    return from_brightness(changed, scale)


def _generator(pixels: NDArray[Any], name: str, seed: int) -> np.random.Generator:
    """Numbers that hang on the picture, the change and the seed, never on the order in which images come."""
    digest = hashlib.blake2b(f"{seed},{name},{pixels.shape}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(pixels).tobytes())
    return np.random.Generator(np.random.Philox(int.from_bytes(digest.digest(), "little")))
