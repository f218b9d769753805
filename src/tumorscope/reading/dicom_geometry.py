"""Where a frame lies in the patient, and in what order frames follow each other.

Owns plane, edges, spacing, order along the slice normal and the opaque series key. Knows no pixels.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tumorscope.core.slice import Edges, Plane

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["Placement", "placement_of", "series_key"]

Vector = tuple[float, float, float]
_PLANES = (
    Plane.SAGITTAL,
    Plane.CORONAL,
    Plane.AXIAL,
)  # normal along x, y, z of the patient (PS3.3, C.7.6.2.1.1)


@dataclass(frozen=True, slots=True)
class Placement:
    """Orientation, position and spacing of one frame, as far as the header tells.

    Parameters
    ----------
    normal
        Unit vector across the slice, in patient coordinates.
    depth
        Position along :attr:`normal` in millimetres.
    spacing
        (row, column) distance in millimetres.
    edges
        Which side of the patient lies at each edge of the image.
    """

    normal: Vector | None = None
    depth: float | None = None
    spacing: tuple[float, float] | None = None
    edges: Edges | None = None

    @property
    def plane(self) -> Plane | None:
        """The anatomical plane that :attr:`normal` is closest to."""
        if self.normal is None:
            return None
        return _PLANES[int(np.argmax(np.abs(self.normal)))]


def placement_of(groups: list[Dataset]) -> Placement:
    """Read the placement of a frame.

    Parameters
    ----------
    groups
        The frame's own functional groups, the shared ones and the data set itself, in this order.

    Returns
    -------
    Placement
        With ``None`` for what is missing or makes no sense.
    """
    orientation = _numbers(groups, "PlaneOrientationSequence", "ImageOrientationPatient", 6)
    position = _numbers(groups, "PlanePositionSequence", "ImagePositionPatient", 3)
    spacing = _numbers(groups, "PixelMeasuresSequence", "PixelSpacing", 2)
    normal = _normal(orientation) if orientation else None
    depth = float(np.dot(normal, position)) if normal and position else None
    usable = spacing is not None and min(spacing) > 0
    edges = _edges(orientation) if orientation and normal else None
    return Placement(normal, depth, (spacing[0], spacing[1]) if spacing and usable else None, edges)


def series_key(uid: object, salt: str) -> str | None:
    """Name a series without its UID.

    Parameters
    ----------
    uid
        ``SeriesInstanceUID``.
    salt
        The folder or archive that holds the series, so that the same series elsewhere has another key.

    Returns
    -------
    str or None
        16 hex digits of a keyed hash; the same for the same series in the same place.
    """
    if not uid:
        return None
    key = hashlib.blake2b(salt.encode("utf-8", "surrogateescape"), digest_size=32).digest()
    return hashlib.blake2b(str(uid).encode(), key=key, digest_size=8).hexdigest()


def _normal(orientation: tuple[float, ...]) -> Vector | None:
    across = np.cross(orientation[:3], orientation[3:])
    length = float(np.linalg.norm(across))
    if not 0.5 < length < 2:  # the rows and columns of PS3.3, C.7.6.2.1.1 are orthogonal unit vectors
        return None
    x, y, z = across / length
    return float(x), float(y), float(z)


def _edges(orientation: tuple[float, ...]) -> Edges | None:
    """Letters of the two directions of PS3.3, C.7.6.2.1.1: along a row to the right, along a column downwards."""
    (left, right), (top, bottom) = _ends(orientation[:3]), _ends(orientation[3:])
    return Edges(left, right, top, bottom) if {left, right}.isdisjoint({top, bottom}) else None


def _ends(direction: tuple[float, ...]) -> tuple[str, str]:
    """The sides of the patient where a direction comes from and where it leads; x runs to the left, y to the back."""
    axis = int(np.argmax(np.abs(direction)))
    start, end = (("R", "L"), ("A", "P"), ("I", "S"))[axis]
    return (start, end) if direction[axis] > 0 else (end, start)


def _numbers(groups: list[Dataset], sequence: str, keyword: str, count: int) -> tuple[float, ...] | None:
    for group in groups:
        items = group.get(sequence)
        for place in (items[0] if items else None, group):
            value: Any = place.get(keyword) if place is not None else None
            if (
                value is None
                or isinstance(value, str)
                or not hasattr(value, "__len__")
                or len(value) != count
            ):
                continue
            numbers = tuple(float(number) for number in value)
            if all(math.isfinite(number) for number in numbers):
                return numbers
    return None
