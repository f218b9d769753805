"""NIfTI-1 and NIfTI-2: one 3-D volume to slices as a radiologist looks at them.

Owns the bounded reading of ``.nii`` and ``.nii.gz`` and the geometry: the volume is turned to the closest
canonical axes, cut across its coarsest axis (the acquisition plane; axial where no axis is coarser) and shown
in radiological convention: the patient's right on the left of the image, anterior or superior at the top;
sagittal slices look to the left. nibabel interprets the header; free text in it is never read.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import EmptyInput, TumorscopeError, UnreadableImage, UnsupportedImage
from tumorscope.core.slice import Edges, Origin, Plane, Slice
from tumorscope.reading.files import read_bytes
from tumorscope.reading.inflate import inflate_prefix
from tumorscope.reading.limits import MAX_VOLUME_BYTES, check_pixels
from tumorscope.reading.quiet import third_party_quiet

__all__ = ["is_nifti", "read_nifti"]

Vector = tuple[float, float, float]

_HEADER_BYTES = 540  # NIfTI-2; NIfTI-1 takes 348
_GZIP_MAGIC = b"\x1f\x8b"
_MAGICS = {348: (344, b"n+1\x00", b"ni1\x00"), 540: (4, b"n+2\x00", b"ni2\x00")}
_PLANES = (Plane.SAGITTAL, Plane.CORONAL, Plane.AXIAL)  # across x, y, z of the canonical axes
_EDGES = (Edges("A", "P", "S", "I"), Edges("R", "L", "S", "I"), Edges("R", "L", "A", "P"))
_COARSER = 1.01
_RGB_TYPES = frozenset({128, 2304})  # NIfTI-1 datatype codes RGB24 and RGBA32
_COMPLEX_TYPES = frozenset({32, 1792, 2048})


@dataclass(frozen=True, slots=True)
class _Layout:
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    start: int
    slope: float
    intercept: float
    orientation: NDArray[np.float64]
    spacings: Vector

    @property
    def end(self) -> int:
        return self.start + int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize


def is_nifti(head: bytes) -> bool:
    """Whether a file starts with a NIfTI header, gzipped or not."""
    if head.startswith(_GZIP_MAGIC):
        try:
            head = inflate_prefix(head, _HEADER_BYTES)
        except zlib.error:
            return False
    return _kind(head) is not None


def read_nifti(data: bytes | Path, name: str) -> Iterator[Slice]:
    """Read the slices of a volume lazily.

    Parameters
    ----------
    data
        The file's content, or the file.
    name
        What to call it in :attr:`Origin.path`, in messages, and as the key that its slices share.

    Yields
    ------
    Slice
        From the patient's foot, back or left upwards (canonical order). Slices of a single value, as at the
        edges of a volume, are skipped; :attr:`Origin.frames` counts them. Integers stay integers unless the
        header rescales them; :attr:`Slice.value_range` is that of the whole volume.

    Raises
    ------
    UnreadableImage
        If the file is truncated or corrupted, or claims more than 512 MiB.
    UnsupportedImage
        If it is not one 3-D grayscale volume, holds NaN, or is blank.
    """
    content = data if isinstance(data, bytes) else read_bytes(data, name)
    if not content:
        raise EmptyInput(f"{name}: the file is empty (0 bytes); an image is needed")
    layout = _read_layout(_prefix(content, _HEADER_BYTES, name), name)
    raw = _prefix(content, layout.end, name)
    if len(raw) < layout.end:
        raise UnreadableImage(
            f"{name}: the NIfTI file is truncated: {len(raw)} bytes where the header claims {layout.end}; "
            "export or copy it again"
        )
    volume = np.frombuffer(raw, layout.dtype, offset=layout.start, count=int(np.prod(layout.shape)))
    yield from _slices(volume.reshape(layout.shape, order="F"), layout, name)


def _prefix(content: bytes, size: int, name: str) -> bytes:
    if not content.startswith(_GZIP_MAGIC):
        return content
    try:
        return inflate_prefix(content, size)
    except zlib.error as error:
        raise UnreadableImage(
            f"{name}: the gzip data are corrupted; export or copy the file again"
        ) from error


def _kind(header: bytes) -> tuple[int, bytes] | None:
    """Header size and magic, for either byte order."""
    if len(header) < 348:
        return None
    for order in ("<", ">"):
        size = struct.unpack_from(f"{order}i", header)[0]
        if size in _MAGICS:
            at, single, pair = _MAGICS[size]
            magic = header[at : at + 4]
            return (size, magic) if magic in (single, pair) else None
    return None


def _read_layout(header: bytes, name: str) -> _Layout:
    kind = _kind(header)
    if kind is None or len(header) < kind[0]:
        raise UnreadableImage(
            f"{name}: the NIfTI header is truncated or corrupted; export or copy the file again"
        )
    size, magic = kind
    if magic.startswith(b"ni"):
        raise UnsupportedImage(f"{name}: a NIfTI pair (.hdr and .img) is not read; save it as one .nii file")
    try:
        with third_party_quiet():
            return _interpret(header[:size], size, name)
    except TumorscopeError:
        raise
    except Exception as error:
        # Boundary to nibabel, which raises several kinds of its own for a corrupted header, and may quote it.
        raise UnreadableImage(
            f"{name}: the NIfTI header is corrupted ({type(error).__name__}); export or copy the file again"
        ) from None


def _interpret(block: bytes, size: int, name: str) -> _Layout:
    nibabel = _untyped("nibabel")
    # check=False: nibabel's own check would print its findings to standard error.
    kind = nibabel.Nifti1Header if size == 348 else nibabel.Nifti2Header
    header = kind(block, check=False)
    datatype = int(header["datatype"])
    if datatype in _RGB_TYPES or datatype in _COMPLEX_TYPES:
        told = "in colour (RGB)" if datatype in _RGB_TYPES else "complex-valued"
        raise UnsupportedImage(f"{name}: the NIfTI volume is {told}; only real grayscale values are read")
    dtype = header.get_data_dtype()
    shape = _three(header.get_data_shape(), name)
    for first, second in ((0, 1), (0, 2), (1, 2)):
        check_pixels(name, shape[first], shape[second])
    slope, intercept = header.get_slope_inter()
    start = int(header["vox_offset"])
    affine = np.asarray(header.get_best_affine(), dtype=np.float64)
    orientation, spacings = _orientation(affine, name)
    layout = _Layout(shape, dtype, max(start, size), slope or 1.0, intercept or 0.0, orientation, spacings)
    if layout.end > MAX_VOLUME_BYTES or dtype.kind not in "iuf" or dtype.itemsize > 8:
        told = " x ".join(str(side) for side in shape)
        raise UnreadableImage(
            f"{name}: the NIfTI header claims {told} voxels of type {dtype}; integers and floats of at most 64 bits "
            f"and {MAX_VOLUME_BYTES >> 20} MiB in all are read. Resample the volume"
        )
    return layout


def _untyped(module: str) -> Any:
    """nibabel, which is typed in parts only; imported when the first volume is read."""
    return import_module(module)


def _three(shape: tuple[int, ...], name: str) -> tuple[int, int, int]:
    sides = [int(side) for side in shape]
    while len(sides) > 3 and sides[-1] == 1:
        sides.pop()
    sides += [1] * (3 - len(sides))
    if len(sides) > 3:
        raise UnsupportedImage(
            f"{name}: the NIfTI file has {len(sides)} dimensions ({' x '.join(map(str, sides))}); one 3-D volume is "
            "read. Extract a single volume from the series"
        )
    return sides[0], sides[1], sides[2]


def _slices(stored: NDArray[Any], layout: _Layout, name: str) -> Iterator[Slice]:
    if stored.dtype.kind == "f" and not np.isfinite(stored).all():
        raise UnsupportedImage(f"{name}: the NIfTI volume holds NaN or infinite values; replace them with 0")
    low, high = float(stored.min()), float(stored.max())
    if low == high:
        raise UnsupportedImage(f"{name}: all voxels have the same value; a volume with content is needed")
    ends = sorted((low * layout.slope + layout.intercept, high * layout.slope + layout.intercept))
    if not max(-ends[0], ends[1]) < float(np.finfo(np.float32).max):
        raise UnsupportedImage(
            f"{name}: the NIfTI values are outside the range of 32-bit floats; rescale the volume"
        )
    canonical = _untyped("nibabel.orientations").apply_orientation(stored, layout.orientation)
    spacings = layout.spacings
    axis = _cut_axis(canonical.shape, spacings)
    row_axis, column_axis = [other for other in (2, 1, 0) if other != axis]
    spacing = (spacings[row_axis], spacings[column_axis])
    count = canonical.shape[axis]
    for position in range(count):
        # Canonical axes run to the right, to the front and up; the image's rows and columns run against them.
        plane = np.moveaxis(canonical, axis, 0)[position, ::-1, ::-1].T
        if plane.min() == plane.max():
            continue
        origin = Origin(name, position, count, name, _PLANES[axis], spacing, edges=_EDGES[axis])
        yield Slice(_rescaled(plane, layout), origin, (ends[0], ends[1]))


def _orientation(affine: NDArray[np.float64], name: str) -> tuple[NDArray[np.float64], Vector]:
    """How stored axes map to right, anterior, superior, and the voxel size along each of these in millimetres."""
    found = np.asarray(_untyped("nibabel.orientations").io_orientation(affine))
    sizes = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    # nibabel marks an axis that leads nowhere with NaN.
    if not (np.isfinite(found).all() and np.isfinite(sizes).all() and sizes.min() > 0):
        raise UnreadableImage(
            f"{name}: the NIfTI orientation is not an invertible matrix; set a valid sform or qform"
        )
    x, y, z = (float(sizes[list(found[:, 0]).index(axis)]) for axis in range(3))
    return found, (x, y, z)


def _cut_axis(shape: tuple[int, ...], spacings: Vector) -> int:
    """The axis across the slices: one of a single voxel, else one clearly coarser than the others, else z."""
    single = [axis for axis in (2, 1, 0) if shape[axis] == 1]
    if single:
        return single[0]
    coarsest = int(np.argmax(spacings))
    others = [spacing for axis, spacing in enumerate(spacings) if axis != coarsest]
    return coarsest if spacings[coarsest] > _COARSER * max(others) else 2


def _rescaled(plane: NDArray[Any], layout: _Layout) -> NDArray[Any]:
    if (layout.slope, layout.intercept) != (1.0, 0.0):
        return (plane.astype(np.float64) * layout.slope + layout.intercept).astype(np.float32)
    kind = np.float32 if plane.dtype.kind == "f" else plane.dtype.newbyteorder("=")
    return np.ascontiguousarray(plane, dtype=kind)
