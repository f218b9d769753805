"""What a compressed frame says of itself, before anything decodes it.

Owns the reading of the size, depth and component count from the headers of JPEG (ITU-T T.81), JPEG-LS (T.87),
JPEG 2000 (T.800) and DICOM RLE (PS3.5, annex G) codestreams. Decodes no pixel and knows no DICOM header.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Codec", "FrameHeader", "read_frame_header", "rle_segments"]


class Codec(StrEnum):
    """Families of compression that DICOM frames come in."""

    JPEG = "JPEG"
    JPEG_LS = "JPEG-LS"
    JPEG_2000 = "JPEG 2000"
    RLE = "RLE"


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """Size and depth that a codestream claims.

    Parameters
    ----------
    columns, rows
        In pixels.
    components
        1 for gray.
    precision
        Bits of a sample, 1 to 38.
    signed
        Whether samples are two's complement.
    """

    columns: int
    rows: int
    components: int
    precision: int
    signed: bool = False


_LONGEST_PADDING = 64  # behind the end marker: one byte by PS3.5, A.4, more in the wild
_STANDALONE = frozenset({0x01, 0xD8, *range(0xD0, 0xD8)})  # T.81, table B.1: markers without a length
_START_OF_FRAME = frozenset(
    {0xC0, 0xC1, 0xC2, 0xC3, 0xF7}
)  # baseline, extended, progressive, lossless, JPEG-LS


def read_frame_header(codec: Codec, frame: bytes) -> FrameHeader:
    """Read the header of a JPEG, JPEG-LS or JPEG 2000 codestream.

    Raises
    ------
    ValueError
        If there is no such header or the end marker is missing; the message holds nothing of the content.
    """
    if b"\xff\xd9" not in frame[-_LONGEST_PADDING:]:
        # Decoders fill what is missing with gray or noise and call it an image.
        raise ValueError("it ends before its end marker")
    if codec is Codec.JPEG_2000:
        return _read_siz(frame)
    found, header = _read_sof(frame)
    if (found == 0xF7) != (codec is Codec.JPEG_LS):
        raise ValueError("the codestream is of another JPEG family")
    return header


def _read_sof(frame: bytes) -> tuple[int, FrameHeader]:
    """Walk the marker segments of T.81, B.1.1 to the start of frame."""
    if frame[:2] != b"\xff\xd8":
        raise ValueError("no start of image")
    at = 2
    while at + 4 <= len(frame):
        if frame[at] != 0xFF:
            raise ValueError("a marker is missing")
        marker = frame[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
        elif marker in _STANDALONE:
            at += 2
        elif marker in _START_OF_FRAME:
            if at + 10 > len(frame):
                break
            precision, rows, columns, components = struct.unpack_from(">BHHB", frame, at + 4)
            return marker, FrameHeader(columns, rows, components, precision)
        elif marker in (0xD9, 0xDA):
            raise ValueError("no start of frame")
        else:
            at += 2 + struct.unpack_from(">H", frame, at + 2)[0]
    raise ValueError("the codestream ends in its header")


def _read_siz(frame: bytes) -> FrameHeader:
    """Read the SIZ marker segment of T.800, A.5.1, also inside a JP2 file."""
    start = 0 if frame.startswith(b"\xff\x4f\xff\x51") else frame.find(b"\xff\x4f\xff\x51")
    if start < 0 or start + 43 > len(frame):
        raise ValueError("no SIZ marker")
    right, bottom, left, top = struct.unpack_from(">IIII", frame, start + 8)
    components, depth = struct.unpack_from(">HB", frame, start + 40)
    return FrameHeader(right - left, bottom - top, components, (depth & 0x7F) + 1, bool(depth & 0x80))


def rle_segments(frame: bytes) -> int:
    """How many byte planes a DICOM RLE frame holds.

    Raises
    ------
    ValueError
        If its 64-byte header is missing or its offsets run backwards or out of the frame.
    """
    if len(frame) < 64:
        raise ValueError("no RLE header")
    count, *offsets = struct.unpack_from("<16I", frame)
    used = offsets[:count]
    if not 1 <= count <= 15 or used[0] != 64 or used != sorted(used) or used[-1] >= len(frame):
        raise ValueError("the RLE header is inconsistent")
    return int(count)
