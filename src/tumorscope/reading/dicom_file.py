"""A DICOM file to a data set that is worth reading on, or one clear reason why not.

Owns the bounded parsing (a deflated file is inflated under a limit), the header checks and the frozen
:class:`PixelLayout`. Whatever pydicom raises is replaced here: its messages may quote header values, and a
header holds patient identity. Knows nothing of pixel values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from tumorscope.core.errors import TumorscopeError, UnreadableImage, UnsupportedImage
from tumorscope.reading.inflate import inflate_whole
from tumorscope.reading.limits import check_pixels
from tumorscope.reading.quiet import third_party_quiet

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = [
    "PixelLayout",
    "foreign_header",
    "is_bare_dicom",
    "is_dicom",
    "is_dicomdir",
    "layout_of",
    "parse",
    "parse_header",
]

_DEFLATED = "1.2.840.10008.1.2.1.99"
_DICOMDIR = b"1.2.840.10008.1.3.10"  # 20 bytes: no padding, so the next element of group 0002 follows
_MOST_FRAMES = 100_000

# PS3.3, C.7.3.1.1.1, as far as files of these are met. A value that is not listed is never repeated in a
# message: it could be anything.
_MODALITIES = frozenset(
    re.findall(
        r"\w+",
        """
        AR ASMT AU BDUS BI BMD CR CT CTPROTOCOL DMS DG DOC DX ECG EPS ES FID GM HC HD IO IOL IVOCT IVUS KER KO
        LEN LS M3D MG MR NM OAM OCT OP OPM OPT OPTBSV OPTENF OPV OSS OT PA PLAN PR PT PX REG RESP RF RG RTDOSE
        RTIMAGE RTINTENT RTPLAN RTRAD RTRECORD RTSEGANN RTSTRUCT RWV SEG SM SMR SR SRF STAIN TEXTUREMAP TG US
        VA VL XA XC
        """,
    )
)
_GRAY = frozenset({"MONOCHROME1", "MONOCHROME2"})
_COLOUR = frozenset(
    (
        "RGB",
        "YBR_FULL",
        "YBR_FULL_422",
        "YBR_PARTIAL_420",
        "YBR_PARTIAL_422",
        "YBR_ICT",
        "YBR_RCT",
        "PALETTE COLOR",
        "XYB",
    )
)


@dataclass(frozen=True, slots=True)
class PixelLayout:
    """How stored values lie in the pixel data (PS3.3, C.7.6.3)."""

    rows: int
    columns: int
    frames: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    inverted: bool
    transfer_syntax: str


def is_dicom(head: bytes) -> bool:
    """Whether a file starts as PS3.10, 7.1 says; its preamble may also be the header of a TIFF."""
    return head[128:132] == b"DICM"


def is_bare_dicom(head: bytes) -> bool:
    """Whether a file starts as a little-endian data set of group 0002 or 0008: a weak sign."""
    if len(head) < 16 or head[:2] not in (b"\x02\x00", b"\x08\x00") or head[3] != 0:
        return False
    explicit = head[4:6].isalpha() and head[4:6].isupper()
    return explicit or 0 < int.from_bytes(head[4:8], "little") <= 256


@contextmanager
def foreign_header(name: str) -> Iterator[None]:
    """Boundary around every look into a foreign data set.

    pydicom converts a value when it is looked at, and a corrupted one may raise anything, quoting the value.
    Only the class of the exception is told, and the chain is cut so that no traceback shows the rest.

    Raises
    ------
    UnreadableImage
        For any exception that is not this project's own.
    """
    with third_party_quiet():
        try:
            yield
        except TumorscopeError:
            raise
        except Exception as error:
            raise UnreadableImage(
                f"{name}: the DICOM header is truncated or corrupted ({type(error).__name__}); "
                "export or copy the file again"
            ) from None


def parse(content: bytes, name: str) -> Dataset:
    """Parse a whole file.

    Parameters
    ----------
    content
        The file, with or without preamble.
    name
        The file as the user named it, for messages.

    Returns
    -------
    pydicom.dataset.Dataset
        With ``file_meta`` where the file has one.

    Raises
    ------
    UnreadableImage
        If it cannot be parsed or is a deflate bomb.
    """
    return _parse(content, name, header_only=False)


def parse_header(content: bytes, name: str) -> Dataset:
    """Parse up to the pixel data; otherwise as :func:`parse`."""
    return _parse(content, name, header_only=True)


def _parse(content: bytes, name: str, *, header_only: bool) -> Dataset:
    with foreign_header(name):
        import pydicom
        from pydicom.filereader import read_dataset

        start = 132 if content[128:132] == b"DICM" else 0
        stream = BytesIO(content)
        stream.seek(start)
        meta = read_dataset(stream, False, True, stop_when=lambda tag, _vr, _length: tag.group != 2)
        if str(meta.get("TransferSyntaxUID", "")) != _DEFLATED:
            return pydicom.dcmread(BytesIO(content), stop_before_pixels=header_only, force=True)
        # pydicom would inflate without a limit; the data set inside is Explicit VR Little Endian (PS3.5,
        # A.5).
        inflated = inflate_whole(content[stream.tell() :], name)
        dataset = read_dataset(BytesIO(inflated), False, True)
        dataset.file_meta = pydicom.dataset.FileMetaDataset(meta)
        return dataset


def is_dicomdir(head: bytes) -> bool:
    """Whether a DICOM file is the index of a medium, not an image (PS3.10, 8.6)."""
    return _DICOMDIR + b"\x02\x00" in head


def layout_of(dataset: Dataset, name: str) -> PixelLayout:
    """Check that this is a grayscale MR image and say how its pixels lie.

    Raises
    ------
    UnsupportedImage
        If it is of another modality, in colour, or has no integer pixel data.
    UnreadableImage
        If the attributes that describe the pixels are missing, contradict each other or claim more than
        100 million pixels.
    """
    with foreign_header(name):
        _check_kind(dataset, name)
        rows, columns = _whole(dataset, "Rows", name), _whole(dataset, "Columns", name)
        check_pixels(name, columns, rows)
        frames = _whole(dataset, "NumberOfFrames", name, default=1)
        allocated = _whole(dataset, "BitsAllocated", name)
        stored = _whole(dataset, "BitsStored", name, default=allocated)
        high = _whole(dataset, "HighBit", name, default=stored - 1)
        signed = _whole(dataset, "PixelRepresentation", name, default=0)
        if not 1 <= frames <= _MOST_FRAMES:
            raise UnreadableImage(
                f"{name}: the header claims {frames} frames; 1 to {_MOST_FRAMES} are accepted"
            )
        if allocated not in (8, 16, 32):
            raise UnsupportedImage(f"{name}: {allocated} bits per pixel; 8, 16 or 32 are read")
        if not 1 <= stored <= high + 1 <= allocated or signed not in (0, 1):
            raise UnreadableImage(
                f"{name}: the header contradicts itself: {stored} of {allocated} bits stored, highest bit {high}"
            )
        meta = getattr(dataset, "file_meta", None) or {}
        return PixelLayout(
            rows=rows,
            columns=columns,
            frames=frames,
            bits_allocated=allocated,
            bits_stored=stored,
            high_bit=high,
            signed=signed == 1,
            inverted=dataset.PhotometricInterpretation == "MONOCHROME1",
            transfer_syntax=str(meta.get("TransferSyntaxUID", "")),
        )


def _check_kind(dataset: Dataset, name: str) -> None:
    if "DirectoryRecordSequence" in dataset:
        raise UnsupportedImage(
            f"{name}: this is a DICOMDIR, the index of a medium; give the folder that holds it"
        )
    modality = str(dataset.get("Modality", "") or "")
    if modality != "MR":
        told = modality if modality in _MODALITIES else "not given" if not modality else "not a known one"
        raise UnsupportedImage(f"{name}: the DICOM modality is {told}; only MR images are read")
    if "PixelData" not in dataset:
        if "FloatPixelData" in dataset or "DoubleFloatPixelData" in dataset:
            raise UnsupportedImage(f"{name}: a parametric map with float pixels; only MR images are read")
        raise UnsupportedImage(f"{name}: the DICOM file has no pixel data, or was cut off before them")
    photometric = str(dataset.get("PhotometricInterpretation", ""))
    samples = _whole(dataset, "SamplesPerPixel", name, default=1)
    if photometric not in _GRAY or samples != 1:
        told = photometric if photometric in _COLOUR else "unknown"
        told = f"{samples} samples per pixel" if photometric in _GRAY else told
        raise UnsupportedImage(
            f"{name}: the DICOM image is in colour ({told}); only grayscale MR images are read"
        )


def _whole(dataset: Any, keyword: str, name: str, default: int | None = None) -> int:
    value = dataset.get(keyword)
    if value is None:
        if default is None:
            raise UnreadableImage(f"{name}: the DICOM header has no {keyword}; export the file again")
        return default
    return int(value)
