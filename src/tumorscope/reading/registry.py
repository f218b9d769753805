"""What a file is, by its first bytes.

Owns the one table of formats. A reader module is imported when its format is met, so that opening a JPEG
loads neither pydicom nor nibabel. Knows no folder and no archive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from tumorscope.core.slice import Slice
from tumorscope.reading.dicom_file import is_bare_dicom

__all__ = [
    "ARCHIVE",
    "DICOM",
    "FORMATS",
    "IMAGE_SUFFIXES",
    "Format",
    "accepted",
    "has_image_suffix",
    "identify",
]

Reader = Callable[[bytes | Path, str], Iterator[Slice]]


@dataclass(frozen=True, slots=True)
class Format:
    """One row of the table.

    Parameters
    ----------
    name
        As a message says it.
    suffixes
        Usual ends of file names, lower case. They decide nothing but whether a file in a folder that is of no
        known format is worth a complaint.
    sniffer, reader
        ``module:function`` in this package: whether the first 1,024 bytes belong to the format, and how to
        read it.
    """

    name: str
    suffixes: tuple[str, ...]
    sniffer: str
    reader: str

    def matches(self, head: bytes) -> bool:
        """Whether the first bytes of a file belong to this format."""
        sniff: Callable[[bytes], object] = _find(self.sniffer)
        return bool(sniff(head))

    def read(self, data: bytes | Path, name: str) -> Iterator[Slice]:
        """Read slices lazily; see the reader's own documentation."""
        reader: Reader = _find(self.reader)
        return reader(data, name)


DICOM = Format("DICOM", (".dcm", ".dicom", ".ima"), "dicom_file:is_dicom", "dicom:read_dicom")
ARCHIVE = Format("zip archive", (".zip",), "archive:is_archive", "discover:read_archive")

FORMATS: tuple[Format, ...] = (
    DICOM,  # first: the 128 bytes before its signature may be the header of a TIFF
    Format(
        "PNG, JPEG, TIFF, BMP or WebP",
        (".png", ".jpg", ".jpeg", ".jfif", ".tif", ".tiff", ".bmp", ".webp"),
        "raster:raster_kind",
        "raster:read_frames",
    ),
    Format("NIfTI", (".nii", ".nii.gz"), "nifti:is_nifti", "nifti:read_nifti"),
    Format("MATLAB v7.3 (Figshare)", (".mat",), "matlab:is_matlab", "matlab:read_matlab"),
    ARCHIVE,
)
"""Every format that is read, in the order in which their signatures are tried."""

IMAGE_SUFFIXES: tuple[str, ...] = tuple(suffix for row in FORMATS for suffix in row.suffixes)


def identify(head: bytes) -> Format | None:
    """Say what a file is.

    Parameters
    ----------
    head
        Its first 1,024 bytes, or all where there are fewer.

    Returns
    -------
    Format or None
        ``None`` where no signature matches.
    """
    for row in FORMATS:
        if row.matches(head):
            return row
    return DICOM if is_bare_dicom(head) else None


def has_image_suffix(name: str) -> bool:
    """Whether a name says that the file is meant as an image."""
    return name.lower().endswith(IMAGE_SUFFIXES)


def accepted() -> str:
    """The formats as a message lists them."""
    return ", ".join(row.name for row in FORMATS)


def _find(place: str) -> Callable[..., Any]:
    module, _, name = place.partition(":")
    found: Callable[..., Any] = getattr(import_module(f"tumorscope.reading.{module}"), name)
    return found
