"""What a file says of itself before anybody looks at the brain in it.

Owns the hashes of a file and of its decoded pixels, its size, mode and format.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import InvalidManifest, UnsupportedImage
from tumorscope.core.slice import Slice
from tumorscope.dataset.load import load_slice
from tumorscope.reading.files import read_bytes
from tumorscope.reading.raster import raster_kind, read_raster

__all__ = ["ImageFacts", "file_hash", "pixels_hash", "read_labelled"]


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """A file as it lies on the disk.

    Parameters
    ----------
    sha256, pixels_sha256
        Hashes of the file and of its decoded gray pixels, 64 hex digits.
    width, height
        Size in pixels.
    mode
        PIL mode of a still image, the dtype of the pixels of any other file.
    format
        ``PNG``, ``JPEG``...; the last suffix in capitals for what is no still image.
    file_bytes
        Length of the file.
    """

    sha256: str
    pixels_sha256: str
    width: int
    height: int
    mode: str
    format: str
    file_bytes: int


def read_labelled(path: Path) -> tuple[ImageFacts, Slice]:
    """Read the one slice that a label speaks of, and the facts of its file.

    Parameters
    ----------
    path
        An image file.

    Raises
    ------
    UnsupportedImage
        If the file holds several slices, or none that is not blank: all pixels of one value.
    TumorscopeError
        As reading does.
    """
    content = read_bytes(path, str(path))
    kind = raster_kind(content[:18])
    # Any other still image is one image, and need not be read twice.
    image = load_slice(path) if kind in (None, "TIFF") else read_raster(content, str(path))
    first = image.pixels[0, 0]
    # One row through the middle tells nearly always.
    if (image.pixels[len(image.pixels) // 2] == first).all() and (image.pixels == first).all():
        raise UnsupportedImage(
            f"{path}: the image is blank: all {image.pixels.size} pixels have the same value, {first:g}; an image with "
            "content is needed"
        )
    height, width = image.shape
    facts = ImageFacts(
        sha256=hashlib.sha256(content).hexdigest(),
        pixels_sha256=pixels_hash(image.pixels),
        width=width,
        height=height,
        mode=image.origin.mode or image.pixels.dtype.name,
        format=kind or path.suffix.lstrip(".").upper() or "unknown",
        file_bytes=len(content),
    )
    return facts, image


def pixels_hash(pixels: NDArray[Any]) -> str:
    """Hash of decoded pixels ``[H, W]`` with their shape and dtype, 64 hex digits."""
    little = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False)
    digest = hashlib.sha256(f"{little.dtype.str} {pixels.shape[0]} {pixels.shape[1]}\n".encode())
    digest.update(np.ascontiguousarray(little).data)
    return digest.hexdigest()


def file_hash(path: Path) -> str:
    """SHA-256 of a file, 64 hex digits.

    Raises
    ------
    InvalidManifest
        If it may not be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise InvalidManifest(f"{path} may not be read; check its permissions") from error
