"""Inflation that stops in time.

Owns the bounded decompression of gzip and raw deflate streams: never more bytes than asked for are made,
however small the file and whatever it claims. Knows no image format.
"""

from __future__ import annotations

import zlib

from tumorscope.core.errors import UnreadableImage

__all__ = ["GZIP", "RAW_DEFLATE", "inflate_prefix", "inflate_whole"]

GZIP = 16 + zlib.MAX_WBITS
RAW_DEFLATE = -zlib.MAX_WBITS

_ALWAYS_ALLOWED = 64 * 1024**2
_MOST_ALLOWED = 512 * 1024**2
_LARGEST_RATIO = 20  # MR pixels deflate by 2 to 4; a bomb by 1,000


def inflate_prefix(data: bytes, size: int, wbits: int = GZIP) -> bytes:
    """Inflate the first ``size`` bytes; fewer where the stream ends sooner.

    Parameters
    ----------
    data
        Compressed bytes; a gzip file may have several members.
    size
        How many inflated bytes are wanted at most.
    wbits
        :data:`GZIP` or :data:`RAW_DEFLATE`.

    Raises
    ------
    zlib.error
        If the stream is corrupted before ``size`` bytes were made.
    """
    made = bytearray()
    rest = data
    while rest and len(made) < size:
        stream = zlib.decompressobj(wbits)
        made += stream.decompress(rest, size - len(made))
        if not stream.eof:
            break
        rest = stream.unused_data
        if wbits != GZIP or not rest.startswith(b"\x1f\x8b"):
            break
    return bytes(made)


def inflate_whole(data: bytes, name: str) -> bytes:
    """Inflate a raw deflate stream to its end, unless it is a bomb.

    Parameters
    ----------
    data
        Raw deflate data (DICOM PS3.5, A.5).
    name
        The file as the user named it, for messages.

    Raises
    ------
    UnreadableImage
        If the stream is corrupted, or makes more than 64 MiB at a ratio above 20, or more than 512 MiB.
    """
    limit = min(_MOST_ALLOWED, max(_ALWAYS_ALLOWED, _LARGEST_RATIO * len(data)))
    stream = zlib.decompressobj(RAW_DEFLATE)
    try:
        made = stream.decompress(data, limit)
    except zlib.error as error:
        raise UnreadableImage(
            f"{name}: the deflated DICOM data are corrupted; export the file again"
        ) from error
    if stream.eof:
        return made
    if len(made) >= limit:
        raise UnreadableImage(
            f"{name}: {len(data) // 1024} KiB of deflated DICOM data inflate to more than {limit >> 20} MiB; this is "
            "not read, so that a small file cannot take all memory. Save it uncompressed"
        )
    raise UnreadableImage(f"{name}: the deflated DICOM data are truncated; export or copy the file again")
