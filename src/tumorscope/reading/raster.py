"""Still images: PNG, JPEG, TIFF, BMP and WebP of any mode, to one gray channel in native depth.

Owns the way every PIL mode becomes gray: 16-bit, 32-bit and float pixels keep their depth, colour is weighted
by ITU-R BT.601 (PIL's ``convert("L")``), transparency is laid over black, the EXIF orientation is applied. An
8-bit grayscale image takes the shortest path there is: one decode, no further pass. Knows nothing of medical
formats. Imports nothing but PIL and NumPy.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import BmpImagePlugin, Image, ImageChops, ImageFile, JpegImagePlugin, PngImagePlugin

from tumorscope.core.errors import EmptyInput, TumorscopeError, UnreadableImage, UnsupportedImage
from tumorscope.core.slice import Origin, Slice
from tumorscope.reading.files import read_bytes
from tumorscope.reading.limits import check_pixels
from tumorscope.reading.quiet import third_party_quiet

__all__ = ["RASTER_KINDS", "raster_kind", "read_frames", "read_raster"]

RASTER_KINDS = ("PNG", "JPEG", "TIFF", "BMP", "WebP")

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
)
_BMP_HEADERS = frozenset({12, 16, 40, 52, 56, 64, 108, 124})  # sizes of the known information headers
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112  # EXIF 2.32, 4.6.4: the same tag in TIFF
_PHOTOMETRIC, _BITS, _SAMPLES = 262, 258, 277  # TIFF 6.0, section 8
_WHITE_IS_ZERO = 0
_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601, as PIL's convert("L")


def raster_kind(head: bytes) -> str | None:
    """Name the raster format that the first bytes of a file belong to.

    Parameters
    ----------
    head
        At least the first 18 bytes.

    Returns
    -------
    str or None
        One of :data:`RASTER_KINDS`, or ``None``.
    """
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            return kind
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    return "WebP" if head[:4] == b"RIFF" and head[8:12] == b"WEBP" else None


def read_raster(data: bytes | Path, name: str) -> Slice:
    """Read one still image; the first page where there are several.

    Parameters
    ----------
    data
        The encoded image, or the file that holds it.
    name
        What to call it in :attr:`Origin.path` and in messages.

    Returns
    -------
    Slice
        ``uint8``, ``uint16``, ``int32`` or ``float32`` pixels, as deep as the file.

    Raises
    ------
    EmptyInput
        If there are no bytes.
    UnreadableImage
        If the image is truncated, corrupted, of another format or claims more than 100 million pixels.
    UnsupportedImage
        If it holds NaN or a colour space that has no gray.
    """
    return next(read_frames(data, name, first_only=True))


def read_frames(data: bytes | Path, name: str, *, first_only: bool = False) -> Iterator[Slice]:
    """Read every page of a TIFF, or the one image of any other raster file, lazily.

    Parameters
    ----------
    data, name
        See :func:`read_raster`.
    first_only
        Stop counting after the first page.

    Yields
    ------
    Slice
        In page order; :attr:`Origin.frames` is the number of pages.

    Raises
    ------
    TumorscopeError
        See :func:`read_raster`.
    """
    content = data if isinstance(data, bytes) else read_bytes(data, name)
    if not content:
        raise EmptyInput(f"{name}: the file is empty (0 bytes); an image is needed")
    kind = raster_kind(content)
    if kind is None:
        raise UnreadableImage(
            f"{name}: this is not a {', '.join(RASTER_KINDS[:-1])} or {RASTER_KINDS[-1]} image"
        )
    # Only EXIF and TIFF tags make PIL warn; the common image takes no detour through the warning filters.
    noisy = kind == "TIFF" or b"xif" in content[:65536]
    frame, frames = 0, 1
    while frame < frames:
        try:
            with third_party_quiet() if noisy else nullcontext():
                image = _open(content, kind)
                if kind == "TIFF" and not first_only:
                    frames = _page_count(image)
                if frame:
                    image.seek(frame)
                mode = image.mode  # loading may change it
                check_pixels(name, *image.size)
                pixels = _gray(image, content, frame)
        except TumorscopeError:
            raise
        except Exception as error:
            # Boundary to PIL, whose plugins raise whatever a corrupted byte leads to.
            raise UnreadableImage(
                f"{name}: the {kind} data are truncated or corrupted ({type(error).__name__}); "
                "export or download the image again"
            ) from error
        if pixels is None:
            raise UnsupportedImage(
                f"{name}: {kind} of PIL mode {image.mode!r} has no gray values; save it as grayscale"
            )
        yield _to_slice(pixels, Origin(path=name, frame=frame, frames=frames, mode=mode))
        frame += 1


def _open(content: bytes, kind: str) -> ImageFile.ImageFile:
    """The plugin itself: ``Image.open`` tries others, and warns of a size we are about to refuse."""
    stream = BytesIO(content)
    if kind == "JPEG":
        return JpegImagePlugin.JpegImageFile(stream)
    if kind == "PNG":
        return PngImagePlugin.PngImageFile(stream)
    if kind == "BMP":
        return BmpImagePlugin.BmpImageFile(stream)
    if kind == "TIFF":
        from PIL import TiffImagePlugin

        return TiffImagePlugin.TiffImageFile(stream)
    from PIL import WebPImagePlugin

    return WebPImagePlugin.WebPImageFile(stream)


def _page_count(image: ImageFile.ImageFile) -> int:
    return int(getattr(image, "n_frames", 1))


def _gray(image: ImageFile.ImageFile, content: bytes, page: int) -> NDArray[Any] | None:
    """Pixels ``[H, W]`` the right way up, or ``None`` where the mode has no gray."""
    turn = _turn(image)
    if _is_deep_colour(image, content):
        return _oriented(_deep_gray(image, content, page), turn)
    if image.mode.startswith("I") or image.mode == "F":
        return _deep(image, turn)
    flat = _flat(image)
    if flat is None:
        return None
    # A TIFF has turned itself while it loaded.
    return np.asarray(flat.transpose(turn) if turn is not None and image.format != "TIFF" else flat)


def _turn(image: ImageFile.ImageFile) -> Image.Transpose | None:
    tags: Any = getattr(image, "tag_v2", None)
    if tags is None:
        tags = image.getexif() if _has_metadata(image) else {}
    return _TURNS.get(tags.get(_ORIENTATION, 1))


def _has_metadata(image: Image.Image) -> bool:
    return any(key in image.info for key in ("exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp"))


def _flat(image: Image.Image) -> Image.Image | None:
    """An 8-bit gray image, transparency laid over black."""
    if "transparency" in image.info:
        image = image.convert("RGBA")
    if image.mode == "L":
        image.load()
        return image
    if image.mode in ("LA", "PA", "RGBA"):
        gray, alpha = image.convert("L"), image.getchannel("A")
        return gray if alpha.getextrema() == (255, 255) else ImageChops.multiply(gray, alpha)
    if image.mode in ("La", "RGBa"):  # already multiplied by alpha
        return image.getchannel(0) if image.mode == "La" else image.convert("RGBA").convert("L")
    if image.mode in ("1", "P", "RGB", "RGBX", "CMYK", "YCbCr"):
        return image.convert("L")
    return None


def _deep(image: ImageFile.ImageFile, turn: Image.Transpose | None) -> NDArray[Any]:
    """16-bit, 32-bit and float pixels as they are."""
    clear = image.info.get("transparency")
    pixels = np.asarray(image)
    if pixels.dtype.byteorder == ">":
        pixels = pixels.astype(pixels.dtype.newbyteorder("="))
    if isinstance(clear, int):
        pixels = np.where(pixels == clear, pixels.dtype.type(0), pixels)
    tags: Any = getattr(image, "tag_v2", {})
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO and pixels.dtype == np.uint16:
        pixels = np.iinfo(np.uint16).max - pixels  # PIL inverts this for 8 bits only
    return pixels if image.format == "TIFF" else _oriented(pixels, turn)


def _is_deep_colour(image: ImageFile.ImageFile, content: bytes) -> bool:
    """Whether this is a 16-bit image that PIL would cut to 8 bits because it has several channels."""
    if image.format == "PNG":
        return content[24] == 16 and content[25] in (2, 4, 6)  # PNG third edition, 11.2.1 IHDR
    if image.format == "TIFF":
        tags: Any = getattr(image, "tag_v2", {})
        bits = tags.get(_BITS, (8,))
        return int(tags.get(_SAMPLES, 1)) > 1 and all(depth == 16 for depth in bits) and image.mode != "CMYK"
    return False


def _deep_gray(image: ImageFile.ImageFile, content: bytes, page: int) -> NDArray[np.uint16]:
    import imagecodecs

    if image.format == "PNG":
        channels = np.asarray(imagecodecs.png_decode(content))
    else:
        channels = np.asarray(imagecodecs.tiff_decode(content, index=page))
    if channels.shape[:2] != (image.height, image.width):
        raise ValueError
    values = channels.astype(np.float64)
    alpha = values[..., -1] / 65535.0 if channels.shape[-1] in (2, 4) else 1.0
    gray = values[..., :3] @ _LUMA if channels.shape[-1] >= 3 else values[..., 0]
    return np.rint(gray * alpha).astype(np.uint16)


def _oriented(pixels: NDArray[Any], turn: Image.Transpose | None) -> NDArray[Any]:
    """What :meth:`PIL.Image.Image.transpose` does, for arrays."""
    if turn is None:
        return pixels
    turned = {
        Image.Transpose.FLIP_LEFT_RIGHT: pixels[:, ::-1],
        Image.Transpose.ROTATE_180: pixels[::-1, ::-1],
        Image.Transpose.FLIP_TOP_BOTTOM: pixels[::-1],
        Image.Transpose.TRANSPOSE: pixels.T,
        Image.Transpose.ROTATE_270: pixels.T[:, ::-1],
        Image.Transpose.TRANSVERSE: pixels[::-1, ::-1].T,
        Image.Transpose.ROTATE_90: pixels.T[::-1],
    }
    return np.ascontiguousarray(turned[turn])


def _to_slice(pixels: NDArray[Any], origin: Origin) -> Slice:
    value_range = None
    if pixels.dtype.itemsize == 4:
        if not np.isfinite(pixels).all():
            raise UnsupportedImage(
                f"{origin.path}: the image holds NaN or infinite values; replace them with numbers"
            )
        # 32-bit integers rarely use their full range: black and white are the extremes of the image.
        value_range = (float(pixels.min()), float(pixels.max()))
    return Slice(pixels, origin, value_range)
