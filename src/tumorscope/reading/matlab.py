"""MATLAB v7.3 slices of the Figshare set (Cheng, https://doi.org/10.6084/m9.figshare.1512427, CC BY 4.0).

Owns the reading of the HDF5 group ``cjdata``: image, label, patient group, tumour border and mask. MATLAB
stores columns first, so every array is transposed here. Links and storage outside the file are not followed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import TumorscopeError, UnreadableImage, UnsupportedImage
from tumorscope.core.labels import Diagnosis
from tumorscope.core.slice import Origin, Slice
from tumorscope.reading.files import read_bytes
from tumorscope.reading.limits import check_pixels

__all__ = ["FigshareSlice", "is_matlab", "read_figshare", "read_matlab"]

_HDF5 = b"\x89HDF\r\n\x1a\n"
_MATLAB_5 = b"MATLAB 5.0 MAT-file"
_LABELS = {1: Diagnosis.MENINGIOMA, 2: Diagnosis.GLIOMA, 3: Diagnosis.PITUITARY}
_LONGEST_VECTOR = 100_000


@dataclass(frozen=True, slots=True, eq=False)
class FigshareSlice:
    """One slice of the Figshare set with its ground truth.

    Parameters
    ----------
    slice
        The image, in its native ``int16`` depth.
    label
        What was diagnosed.
    group
        The set's own patient code: slices with the same one may not be split. Data for a manifest; kept out
        of ``repr`` so that it is not logged.
    mask
        Tumour, ``bool [H, W]``.
    border
        Points that the border was drawn through, ``float64 [N, 2]``, in the file's order.
    """

    slice: Slice
    label: Diagnosis
    group: str = field(repr=False)
    mask: NDArray[np.bool_]
    border: NDArray[np.float64]


def is_matlab(head: bytes) -> bool:
    """Whether a file is MATLAB of any version, or plain HDF5."""
    return head.startswith((_HDF5, _MATLAB_5)) or head[512:520] == _HDF5


def read_matlab(data: bytes | Path, name: str) -> Iterator[Slice]:
    """Read the image of a Figshare file; parameters and errors as :func:`read_figshare`."""
    with _Cjdata(data, name) as cjdata:
        image = cjdata.slice()
    yield image


def read_figshare(data: bytes | Path, name: str | None = None) -> FigshareSlice:
    """Read a Figshare file with its ground truth.

    Parameters
    ----------
    data
        The file's content, or the file.
    name
        What to call it in :attr:`Origin.path` and in messages; the path where ``None``.

    Raises
    ------
    UnreadableImage
        If it is not HDF5, is corrupted, or a value has an impossible shape.
    UnsupportedImage
        If it is MATLAB of an older version, or has no ``cjdata``.
    """
    with _Cjdata(data, name or (str(data) if isinstance(data, Path) else "data")) as cjdata:
        image = cjdata.slice()
        label = int(cjdata.vector("label")[0])
        if label not in _LABELS:
            raise UnsupportedImage(f"{cjdata.name}: the label is {label}; 1, 2 and 3 have a meaning")
        mask = cjdata.plane("tumorMask") != 0
        if mask.shape != image.shape:
            raise UnreadableImage(f"{cjdata.name}: the tumour mask and the image differ in size")
        group = "".join(chr(int(code)) for code in cjdata.vector("PID"))
        border = cjdata.vector("tumorBorder").astype(np.float64)
    return FigshareSlice(image, _LABELS[label], group, mask, border[: border.size // 2 * 2].reshape(-1, 2))


class _Cjdata:
    """The group of that name, open for the time of a ``with`` block; a boundary to h5py for its length."""

    def __init__(self, data: bytes | Path, name: str) -> None:
        self.name = name
        self._content = data if isinstance(data, bytes) else read_bytes(data, name)
        self._file: Any = None

    def __enter__(self) -> _Cjdata:
        if self._content.startswith(_MATLAB_5):
            raise UnsupportedImage(f"{self.name}: MATLAB 5 files are not read; save it with -v7.3")
        import h5py

        try:
            self._file = h5py.File(BytesIO(self._content), "r")
        except Exception as error:
            self._refuse(error)
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self._file is not None:
            self._file.close()
        if isinstance(error, Exception) and not isinstance(error, TumorscopeError):
            self._refuse(error)

    def _refuse(self, error: Exception) -> None:
        # h5py raises OSError, KeyError, RuntimeError and more for a corrupted file.
        raise UnreadableImage(
            f"{self.name}: the MATLAB file is truncated or corrupted ({type(error).__name__}); download it again"
        ) from error

    def slice(self) -> Slice:
        """The image."""
        pixels = self.plane("image")
        if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
            raise UnsupportedImage(
                f"{self.name}: the image holds NaN or infinite values; replace them with numbers"
            )
        if pixels.dtype == np.float64:
            pixels = pixels.astype(np.float32)
        return Slice(pixels, Origin(path=self.name), (float(pixels.min()), float(pixels.max())))

    def plane(self, key: str) -> NDArray[Any]:
        """A 2-D array the right way up."""
        dataset = self._dataset(key)
        if len(dataset.shape) != 2:
            raise UnreadableImage(
                f"{self.name}: cjdata/{key} has {len(dataset.shape)} dimensions; 2 are needed"
            )
        check_pixels(self.name, dataset.shape[0], dataset.shape[1])
        values = np.asarray(dataset[()])
        return np.ascontiguousarray(values.T, dtype=values.dtype.newbyteorder("="))

    def vector(self, key: str) -> NDArray[Any]:
        """A 1-D array that holds at least one number."""
        dataset = self._dataset(key)
        if not 1 <= dataset.size <= _LONGEST_VECTOR:
            raise UnreadableImage(f"{self.name}: cjdata/{key} holds {dataset.size} values")
        return np.asarray(dataset[()]).ravel()

    def _dataset(self, key: str) -> Any:
        import h5py

        place: Any = self._file
        for step in ("cjdata", key):
            # A soft or external link could lead to another file of this machine.
            link = place.get(step, getlink=True) if isinstance(place, h5py.Group) else None
            if not isinstance(link, h5py.HardLink):
                raise UnsupportedImage(
                    f"{self.name}: this MATLAB or HDF5 file has no cjdata/{key}; "
                    "only slices of the Figshare set are read"
                )
            place = place[step]
        if (
            not isinstance(place, h5py.Dataset)
            or place.external
            or place.is_virtual
            or place.dtype.kind not in "iufb"
        ):
            raise UnsupportedImage(f"{self.name}: cjdata/{key} is not an array of numbers stored in the file")
        return place
