"""Curves of brightness: what a viewer's window, a gamma or another weighting make of the same slice.

Owns the curves as functions of brightness; how strong each severity is and which are listed is in
:mod:`tumorscope.synthesis.stresses`. Knows nothing of what is in the image. NumPy alone.

Every function takes ``image``, ``float64 [H, W]`` with 0 for no signal and 1 for the bright end of the head, and a
``strength`` in its own unit; 0 changes nothing. Values above 1 are shown as 1. Nothing is random: the generator that
all changes are handed is not used.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["contrast_turnover", "gamma_brighter", "gamma_darker", "window_narrower", "window_wider"]

Image = NDArray[np.float64]

_SHADES = 255


def gamma_darker(image: Image, strength: float, rng: np.random.Generator | None = None) -> Image:
    """A display with a higher gamma: midtones sink (DICOM PS3.14 says what a display should do instead).

    ``strength`` is the base-2 logarithm of the exponent, so 1 squares the brightness.
    """
    del rng
    return np.asarray(np.minimum(image, 1.0) ** (2.0**strength)) if strength else image.copy()


def gamma_brighter(image: Image, strength: float, rng: np.random.Generator | None = None) -> Image:
    """A display with a lower gamma: midtones rise; 1 takes the square root of the brightness."""
    del rng
    return np.asarray(np.minimum(image, 1.0) ** (0.5**strength)) if strength else image.copy()


def window_narrower(image: Image, strength: float, rng: np.random.Generator | None = None) -> Image:
    """A narrower window (DICOM PS3.3 C.11.2.1.2): dark tissue turns black, bright tissue white.

    ``strength`` is the part of the range that is cut, in [0, 1): two fifths of it below, three fifths above.
    """
    del rng
    if not strength:
        return image.copy()
    low, high = 0.4 * strength, 1.0 - 0.6 * strength
    return np.asarray(np.clip((image - low) / (high - low), 0.0, 1.0))


def window_wider(image: Image, strength: float, rng: np.random.Generator | None = None) -> Image:
    """A window far too wide for what is in the slice: the tissue is left with few of the 256 shades of a display.

    ``strength`` is how many times wider, less 1. The brightness is scaled back after the shades are lost, as
    whoever opens the exported picture would.
    """
    del rng
    if not strength:
        return image.copy()
    shades = _SHADES / (1.0 + strength)
    return np.asarray(np.rint(np.minimum(image, 1.0) * shades) / shades)


def contrast_turnover(image: Image, strength: float, rng: np.random.Generator | None = None) -> Image:
    """Another weighting: the brightest tissue turns dark and midtones become the brightest.

    So do fat and fluid between T1 and fat-suppressed or T2-weighted images (McRobbie et al., MRI from Picture to
    Proton, 2017). ``strength`` in [0, 1] goes from the image to a parabola that is 0 at both ends. A plain negative
    would also turn the air white, which no scanner does.
    """
    del rng
    if not strength:
        return image.copy()
    shown = np.minimum(image, 1.0)
    return np.asarray((1.0 - strength) * shown + strength * 4.0 * shown * (1.0 - shown))
