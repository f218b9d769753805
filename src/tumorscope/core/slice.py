"""One 2-D image and where it came from.

Owns :class:`Slice` and :class:`Origin`. Knows no file format and no model. By construction there is no field
for who the patient is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Edges", "Origin", "Plane", "Slice", "Stored"]

Pixels = NDArray[Any]


class Plane(StrEnum):
    """Anatomical plane a slice lies in, by its normal."""

    AXIAL = "axial"
    CORONAL = "coronal"
    SAGITTAL = "sagittal"


@dataclass(frozen=True, slots=True)
class Edges:
    """Which side of the patient lies at each edge of the image.

    Each is one letter: ``L`` left, ``R`` right, ``A`` anterior, ``P`` posterior, ``S`` superior, ``I`` inferior; the
    nearest one where the slice is oblique.
    """

    left: str
    right: str
    top: str
    bottom: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a slice came from, without patient identity.

    Parameters
    ----------
    path
        The file as the user named it; ``archive.zip!member`` inside an archive; ``None`` for an array.
    frame
        Zero-based frame of a multi-frame file or slice of a volume; 0 for a single image.
    frames
        How many frames the file holds.
    series
        Opaque key that slices of one series or volume share, ``None`` for a single image. Never a DICOM UID:
        a keyed hash or the path of the volume.
    plane
        Anatomical plane, where the file says.
    spacing
        Distance between pixel centres as (row, column) in millimetres, where the file says.
    modality
        DICOM modality (``MR``), where the file says.
    mode
        PIL mode in which a still image was saved (``L``, ``RGB``...), ``None`` for any other file.
    edges
        Which side of the patient lies at each edge, where the file says.
    """

    path: str | None = None
    frame: int = 0
    frames: int = 1
    series: str | None = None
    plane: Plane | None = None
    spacing: tuple[float, float] | None = None
    modality: str | None = None
    mode: str | None = None
    edges: Edges | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """What a file holds of a slice before its window: value = slope * pixels + intercept.

    Parameters
    ----------
    pixels
        ``[H, W]``, integer.
    slope, intercept
        Lead to the file's own units; a negative slope where larger values are darker.
    window
        Centre and width, in units of the value, that the file asks for; ``None`` where it names none that is of use.
    """

    pixels: Pixels
    slope: float
    intercept: float
    window: tuple[float, float] | None


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """One grayscale image in its native depth; larger values are brighter.

    Parameters
    ----------
    pixels
        ``[H, W]``, any of ``uint8``, ``int16``, ``uint16``, ``float32`` and the other real dtypes, finite.
    origin
        Where it came from.
    value_range
        Smallest and largest value that black and white stand for; the limits of the dtype for integers and
        the extremes of the image for floats where ``None``.
    stored
        The values before the file's window, for whoever wants to choose another one; ``None`` where :attr:`pixels` are
        all there is.
    """

    pixels: Pixels
    origin: Origin = field(default_factory=Origin)
    value_range: tuple[float, float] | None = None
    stored: Stored | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.pixels.shape
        return int(height), int(width)

    def as_float(self) -> NDArray[np.float32]:
        """Brightness as ``float32 [H, W]`` in [0, 1], made on demand."""
        low, high = self.value_range or self._natural_range()
        if high <= low:
            return np.zeros(self.shape, dtype=np.float32)
        scaled = (self.pixels.astype(np.float32) - np.float32(low)) / np.float32(high - low)
        return np.clip(scaled, 0.0, 1.0, out=scaled)

    def _natural_range(self) -> tuple[float, float]:
        if np.issubdtype(self.pixels.dtype, np.integer):
            limits = np.iinfo(self.pixels.dtype)
            return float(limits.min), float(limits.max)
        return float(self.pixels.min()), float(self.pixels.max())
