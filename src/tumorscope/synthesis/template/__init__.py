"""Slices of a real brain, the average of 152 healthy ones, to draw phantoms from.

Owns the pictures of this folder (made by ``examples/make_template.py``, under the licence in ``LICENSE``) and
where things lie in them. Knows nothing of lesions.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.slice import Plane

__all__ = [
    "AXIAL", "CORONAL", "DISTANCE_STEP", "DISTANCE_ZERO", "SAGITTAL", "STEP_MM", "TemplateSlice", "at_sella",
    "folder", "place_of", "slice_count", "template_slice",
]  # fmt: skip

# Positions in voxels of the ICBM 152 template, 1 mm: up from its base, forward from its back, to the right.
AXIAL = (36, 40, 44, 48, 52, 58, 64, 70, 76, 82, 88, 94, 100, 106, 112, 118, 124, 130)
CORONAL = (64, 80, 96, 108, 120, 130, 134, 138, 150, 162)
SAGITTAL = (93, 90, 80, 70, 58)
STEP_MM = 1.2
DISTANCE_STEP, DISTANCE_ZERO = 0.5, 128

_PLACES = {Plane.AXIAL: AXIAL, Plane.CORONAL: CORONAL, Plane.SAGITTAL: SAGITTAL}
# Slices that a pituitary tumour is seen in, and where: row and column in voxels of the slice.
_SELLA_FRONT, _SELLA_UP, _MIDDLE = 135, 44, 98
_TOP, _FRONT = 188, 232
_AT_SELLA = {Plane.AXIAL: (40, 44, 48), Plane.CORONAL: (130, 134, 138), Plane.SAGITTAL: (93, 90)}


@dataclass(frozen=True, slots=True, eq=False)
class TemplateSlice:
    """One slice of a head without skull or scalp, nose up or to the left, 1.2 mm a pixel.

    Parameters
    ----------
    brightness
        ``float32 [H, W]`` in [0, 1], as T1-weighted MRI shows it.
    distance
        ``float32 [H, W]``, millimetres outwards from the surface that the skull lies on; negative inside.
    brain
        ``float32 [H, W]`` in [0, 1].
    midline
        Column of the middle of the body in pixels; ``None`` in a sagittal slice.
    sella
        Row and column in pixels of the seat of the pituitary gland; ``None`` where the slice passes it by.
    """

    brightness: NDArray[np.float32]
    distance: NDArray[np.float32]
    brain: NDArray[np.float32]
    midline: float | None
    sella: tuple[float, float] | None


def folder() -> Path:
    """Where the pictures lie."""
    return Path(__file__).parent


def slice_count(plane: Plane) -> int:
    """How many slices there are of a plane."""
    return len(_PLACES[plane])


def place_of(plane: Plane, number: int) -> int:
    """Voxel of the template that a slice lies at."""
    return _PLACES[plane][number]


def at_sella(plane: Plane) -> tuple[int, ...]:
    """Numbers of the slices of a plane that pass through the seat of the pituitary gland."""
    return tuple(_PLACES[plane].index(place) for place in _AT_SELLA[plane])


def template_slice(plane: Plane, number: int) -> TemplateSlice:
    """One slice, counted from the base, the back or the middle of the head."""
    tile = _picture(plane)[number]
    if plane is not Plane.SAGITTAL:  # the template is symmetric; one half of it is kept
        whole = round(197 / STEP_MM)
        tile = np.concatenate([tile, tile[..., : whole - tile.shape[-1]][..., ::-1]], axis=-1)
    sella = None
    if number in at_sella(plane):
        row = (_FRONT - _SELLA_FRONT) if plane is Plane.AXIAL else (_TOP - _SELLA_UP)
        column = (_FRONT - _SELLA_FRONT) if plane is Plane.SAGITTAL else _MIDDLE
        sella = (row / STEP_MM, column / STEP_MM)
    return TemplateSlice(
        brightness=tile[0] / np.float32(255.0),
        distance=(tile[1] - np.float32(DISTANCE_ZERO)) * np.float32(DISTANCE_STEP),
        brain=tile[2] / np.float32(255.0),
        midline=None if plane is Plane.SAGITTAL else _MIDDLE / STEP_MM,
        sella=sella,
    )


@lru_cache(maxsize=len(_PLACES))
def _picture(plane: Plane) -> NDArray[np.float32]:
    """``float32 [slice, layer, H, W]`` of a plane, 0 to 255."""
    from PIL import Image

    with Image.open(folder() / f"{plane.value}.png") as image:
        pixels = np.asarray(image, dtype=np.float32)
    count = len(_PLACES[plane])
    height, width = pixels.shape[0] // 3, pixels.shape[1] // count
    return pixels.reshape(3, height, count, width).transpose(2, 0, 1, 3)
