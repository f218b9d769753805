"""Stored pixel values of each frame, native or compressed.

Owns the slicing of native pixel data with its length check, and for compressed data the comparison of what
the codestream claims with what the DICOM header claims: only where they agree is a frame sent to the decoding
process. Gives stored values (PS3.3, C.7.6.3): no rescale, no window. Knows no other header attribute.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import UnreadableImage, UnsupportedImage
from tumorscope.reading.codestream import Codec, read_frame_header, rle_segments
from tumorscope.reading.decoder import DecodingError, decode_frame
from tumorscope.reading.dicom_file import PixelLayout, foreign_header

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["CODECS", "frame_reader"]

_BASE = "1.2.840.10008.1.2"
_NATIVE = frozenset({"", _BASE, f"{_BASE}.1", f"{_BASE}.1.99", f"{_BASE}.2"})
_BIG_ENDIAN = f"{_BASE}.2"

CODECS = {
    f"{_BASE}.4.50": Codec.JPEG,  # Baseline
    f"{_BASE}.4.51": Codec.JPEG,  # Extended, 12 bit
    f"{_BASE}.4.57": Codec.JPEG,  # Lossless
    f"{_BASE}.4.70": Codec.JPEG,  # Lossless SV1
    f"{_BASE}.4.80": Codec.JPEG_LS,
    f"{_BASE}.4.81": Codec.JPEG_LS,  # near-lossless
    f"{_BASE}.4.90": Codec.JPEG_2000,  # lossless
    f"{_BASE}.4.91": Codec.JPEG_2000,
    f"{_BASE}.4.201": Codec.JPEG_2000,  # high-throughput, lossless
    f"{_BASE}.4.202": Codec.JPEG_2000,
    f"{_BASE}.4.203": Codec.JPEG_2000,
    f"{_BASE}.5": Codec.RLE,
}
"""Transfer syntaxes with compressed pixels that are read (PS3.6, annex A)."""

FrameReader = Callable[[int], NDArray[Any]]


def frame_reader(dataset: Dataset, layout: PixelLayout, name: str) -> FrameReader:
    """Prepare the reading of frames by number.

    Parameters
    ----------
    dataset
        A parsed file that :func:`~tumorscope.reading.dicom_file.layout_of` accepted.
    layout
        What that function returned.
    name
        The file as the user named it, for messages.

    Returns
    -------
    callable
        From a zero-based frame number to stored values ``[rows, columns]`` in the smallest of ``uint8``,
        ``int8``, ``uint16``, ``int16``, ``uint32`` and ``int32`` that the header's cell has.

    Raises
    ------
    UnreadableImage
        If there are fewer pixel data than the header claims. The callable raises it where a codestream
        disagrees with the header or cannot be decoded.
    UnsupportedImage
        If the compression is one that is not read, such as MPEG.
    """
    codec = CODECS.get(layout.transfer_syntax)
    if codec is None and layout.transfer_syntax not in _NATIVE:
        raise UnsupportedImage(
            f"{name}: the pixels are compressed in a way that is not read; accepted are uncompressed, deflated, "
            "JPEG, JPEG Lossless, JPEG-LS, JPEG 2000 and RLE. Save it as one of these"
        )
    with foreign_header(name):
        if codec is None:
            return _native_reader(dataset, layout, name)
        return _compressed_reader(dataset, layout, name, codec)


def _native_reader(dataset: Dataset, layout: PixelLayout, name: str) -> FrameReader:
    element = dataset["PixelData"]
    data = element.value
    cell = layout.bits_allocated // 8
    size = layout.rows * layout.columns * cell
    if not isinstance(data, bytes | bytearray) or len(data) < size * layout.frames:
        held = len(data) if isinstance(data, bytes | bytearray) else 0
        raise UnreadableImage(
            f"{name}: the DICOM file is truncated: {held} bytes of pixel data where the header claims "
            f"{size * layout.frames}; export or copy it again"
        )
    big_endian = layout.transfer_syntax == _BIG_ENDIAN
    if big_endian and cell == 1 and element.VR == "OW":  # PS3.5, 8.2: bytes are swapped within words
        data = np.frombuffer(data[: len(data) & ~1], "<u2").byteswap().tobytes()

    def read(frame: int) -> NDArray[Any]:
        cells = np.frombuffer(
            data, f"{'>' if big_endian else '<'}u{cell}", layout.rows * layout.columns, frame * size
        )
        return _from_cells(cells.reshape(layout.rows, layout.columns), layout)

    return read


def _compressed_reader(dataset: Dataset, layout: PixelLayout, name: str, codec: Codec) -> FrameReader:
    from pydicom.encaps import generate_frames

    extended = None
    if "ExtendedOffsetTable" in dataset and "ExtendedOffsetTableLengths" in dataset:
        extended = (dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths)
    frames = list(
        generate_frames(dataset.PixelData, number_of_frames=layout.frames, extended_offsets=extended)
    )
    if len(frames) != layout.frames:
        raise UnreadableImage(
            f"{name}: the DICOM file holds {len(frames)} compressed frames where the header claims "
            f"{layout.frames}; export or copy it again"
        )

    def read(frame: int) -> NDArray[Any]:
        codestream = frames[frame]
        precision, signed = _agreed(codec, codestream, layout, name)
        try:
            values = decode_frame(codec, codestream, layout.rows, layout.columns, layout.bits_allocated)
        except DecodingError as error:
            raise UnreadableImage(
                f"{name}: frame {frame + 1} is corrupted: {error}; export or copy the file again"
            ) from error
        if codec is Codec.RLE:
            return _from_cells(values, layout)
        return _from_samples(values, precision, signed, layout, name)

    return read


def _agreed(codec: Codec, codestream: bytes, layout: PixelLayout, name: str) -> tuple[int, bool]:
    """Precision and sign of a codestream that agrees with the header."""
    try:
        if codec is Codec.RLE:
            segments = rle_segments(codestream)
            if segments * 8 != layout.bits_allocated:
                raise _disagreement(name, f"{segments} byte planes", f"{layout.bits_allocated} bits")
            return layout.bits_allocated, False
        claim = read_frame_header(codec, codestream)
    except ValueError as error:
        if isinstance(error, UnreadableImage):
            raise
        raise UnreadableImage(f"{name}: the {codec} codestream is corrupted: {error}") from error
    if (claim.columns, claim.rows) != (layout.columns, layout.rows):
        raise _disagreement(
            name, f"{claim.columns} x {claim.rows} pixels", f"{layout.columns} x {layout.rows} pixels"
        )
    if claim.components != 1:
        raise _disagreement(name, f"{claim.components} components", "grayscale")
    too_shallow = claim.precision <= 8 < layout.bits_stored
    if claim.precision > layout.bits_allocated or too_shallow or (claim.signed and not layout.signed):
        told = f"{'signed ' if claim.signed else ''}{claim.precision} bits"
        raise _disagreement(name, told, f"{'signed ' if layout.signed else ''}{layout.bits_stored} bits")
    return claim.precision, claim.signed


def _disagreement(name: str, codestream: str, header: str) -> UnreadableImage:
    return UnreadableImage(
        f"{name}: the compressed frame and the DICOM header disagree: {codestream} against {header}; "
        "export the file again"
    )


def _from_cells(cells: NDArray[Any], layout: PixelLayout) -> NDArray[Any]:
    """Cut stored values out of their cells: other bits may hold overlays (PS3.5, 8.1.1)."""
    values = cells.astype(cells.dtype.newbyteorder("="), copy=False)
    if layout.bits_stored == layout.bits_allocated:
        return values.view(f"i{values.itemsize}") if layout.signed else values
    values = values >> np.array(layout.high_bit + 1 - layout.bits_stored, values.dtype)
    return _extend(values, layout.bits_stored, signed=layout.signed)


def _extend(values: NDArray[Any], bits: int, *, signed: bool) -> NDArray[Any]:
    """The lowest ``bits`` of each cell as unsigned or two's complement numbers."""
    cell = np.dtype(f"{'i' if signed else 'u'}{values.itemsize}")
    unused = values.itemsize * 8 - bits
    shifted = np.left_shift(values, unused, dtype=values.dtype).view(cell)
    # The right shift of a signed cell repeats its highest bit.
    return np.asarray(np.right_shift(shifted, unused, dtype=cell))


def _from_samples(
    values: NDArray[Any], precision: int, signed: bool, layout: PixelLayout, name: str
) -> NDArray[Any]:
    """Decoded samples as stored values, refused where they do not fit the bits that the header claims.

    The codestream governs decoding (PS3.5, 8.2); a codestream of unsigned samples may carry two's complement.
    """
    if layout.signed and not signed:
        values = _extend(values.view(f"u{values.itemsize}"), precision, signed=True)
    half = 1 << (layout.bits_stored - 1)
    low, high = (-half, half - 1) if layout.signed else (0, 2 * half - 1)
    if values.min() < low or values.max() > high:
        raise _disagreement(
            name, f"values from {values.min()} to {values.max()}", f"{layout.bits_stored} bits"
        )
    dtype = np.dtype(f"{'i' if layout.signed else 'u'}{layout.bits_allocated // 8}")
    return values.astype(dtype, copy=False)
