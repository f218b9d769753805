"""Still images of every mode, and those that only pretend to be images."""

from __future__ import annotations

import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from PIL import Image

from reading_files import claim_png_size, encode, head_pixels
from tumorscope.core.errors import EmptyInput, MissingInput, UnreadableImage, UnsupportedImage
from tumorscope.reading.files import read_head
from tumorscope.reading.raster import read_frames, read_raster

SIDES = st.integers(1, 40)


def pixels_of(dtype: Any) -> st.SearchStrategy[NDArray[Any]]:
    return arrays.arrays(dtype, st.tuples(SIDES, SIDES))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_gray_8_bit_is_kept(kind: str, data: st.DataObject) -> None:
    pixels = data.draw(pixels_of(np.uint8))
    read = read_raster(encode(Image.fromarray(pixels), kind), "a")
    assert read.pixels.dtype == np.uint8
    np.testing.assert_array_equal(read.pixels, pixels)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_gray_16_bit_is_kept(kind: str, data: st.DataObject) -> None:
    pixels = data.draw(pixels_of(np.uint16))
    read = read_raster(encode(Image.fromarray(pixels), kind), "a")
    assert read.pixels.dtype == np.uint16
    np.testing.assert_array_equal(read.pixels, pixels)


@given(pixels=pixels_of(np.int32))
@settings(max_examples=25, deadline=None)
def test_32_bit_integers_are_kept(pixels: NDArray[np.int32]) -> None:
    read = read_raster(encode(Image.fromarray(pixels), "TIFF"), "a")
    np.testing.assert_array_equal(read.pixels, pixels)
    assert read.value_range == (pixels.min(), pixels.max())


@given(pixels=arrays.arrays(np.float32, st.tuples(SIDES, SIDES), elements=st.floats(-1e6, 1e6, width=32)))
@settings(max_examples=25, deadline=None)
def test_floats_are_kept(pixels: NDArray[np.float32]) -> None:
    np.testing.assert_array_equal(read_raster(encode(Image.fromarray(pixels), "TIFF"), "a").pixels, pixels)


@given(pixels=pixels_of(np.bool_))
@settings(max_examples=25, deadline=None)
def test_one_bit_is_black_and_white(pixels: NDArray[np.bool_]) -> None:
    read = read_raster(encode(Image.fromarray(pixels).convert("1"), "PNG"), "a")
    np.testing.assert_array_equal(read.pixels, np.where(pixels, 255, 0))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "BMP"])
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_gray_rgb_is_its_own_gray(kind: str, data: st.DataObject) -> None:
    pixels = data.draw(pixels_of(np.uint8))
    image = Image.fromarray(pixels).convert("RGB")
    options = {"lossless": True} if kind == "WEBP" else {}
    np.testing.assert_array_equal(read_raster(encode(image, kind, **options), "a").pixels, pixels)


@given(pixels=pixels_of(np.uint8))
@settings(max_examples=25, deadline=None)
def test_palette_is_looked_up(pixels: NDArray[np.uint8]) -> None:
    image = Image.fromarray(255 - pixels)
    image.putpalette([level for value in range(255, -1, -1) for level in (value, value, value)])
    assert image.mode == "P"
    np.testing.assert_array_equal(read_raster(encode(image, "PNG"), "a").pixels, pixels)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_transparency_lies_over_black(mode: str, data: st.DataObject) -> None:
    pixels = data.draw(pixels_of(np.uint8))
    alpha = data.draw(arrays.arrays(np.uint8, pixels.shape))
    image = Image.fromarray(pixels).convert(mode)
    image.putalpha(Image.fromarray(alpha))
    expected = pixels.astype(float) * alpha / 255
    read = read_raster(encode(image, "PNG"), "a").pixels
    assert read.dtype == np.uint8
    assert np.abs(read - expected).max() <= 1


def test_a_transparent_colour_is_black() -> None:
    pixels = np.array([[10, 200], [200, 30]], np.uint8)
    gray = read_raster(encode(Image.fromarray(pixels), "PNG", transparency=200), "a").pixels
    np.testing.assert_array_equal(gray, [[10, 0], [0, 30]])
    deep = pixels.astype(np.uint16) * 256
    gray = read_raster(encode(Image.fromarray(deep), "PNG", transparency=200 * 256), "a").pixels
    np.testing.assert_array_equal(gray, [[2560, 0], [0, 7680]])


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_16_bit_colour_png_keeps_its_depth(channels: int) -> None:
    gray = head_pixels(20, 30, 60000)
    colour = np.stack([gray] * (channels - 1 if channels != 3 else 3), axis=-1)
    if channels != 3:
        colour = np.concatenate([colour, np.full((*gray.shape, 1), 65535, np.uint16)], axis=-1)
    read = read_raster(bytes(imagecodecs.png_encode(np.ascontiguousarray(colour))), "a").pixels
    assert read.dtype == np.uint16
    assert np.abs(read.astype(int) - gray).max() <= 1


def test_cmyk_and_ycbcr() -> None:
    pixels = head_pixels(32, 32, 255).astype(np.uint8)
    image = Image.fromarray(pixels).convert("RGB")
    for mode, kind in (("CMYK", "TIFF"), ("CMYK", "JPEG"), ("YCbCr", "TIFF")):
        options = {"quality": 95} if kind == "JPEG" else {}
        read = read_raster(encode(image.convert(mode), kind, **options), "a").pixels
        assert np.abs(read.astype(int) - pixels).max() <= (12 if kind == "JPEG" else 1), (mode, kind)


def test_jpeg_is_what_pil_decodes() -> None:
    data = encode(Image.fromarray(head_pixels(64, 48, 255).astype(np.uint8)), "JPEG", quality=90)
    np.testing.assert_array_equal(read_raster(data, "a").pixels, np.asarray(Image.open(BytesIO(data))))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_honoured(kind: str, orientation: int) -> None:
    upright = np.zeros((32, 48), np.uint8)
    upright[:16, :24], upright[:16, 24:], upright[16:, :24] = 250, 160, 80
    # What a camera held in that orientation stores: the inverse of what a viewer has to do (EXIF 2.32, 4.6.4).
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    options: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {}
    data = encode(Image.fromarray(np.ascontiguousarray(stored)), kind, exif=exif, **options)
    read = read_raster(data, "a").pixels
    assert read.shape == upright.shape
    assert np.abs(read.astype(int) - upright).max() <= 6


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_exif_orientation_of_16_bit(kind: str) -> None:
    upright = head_pixels(20, 30)
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encode(Image.fromarray(np.ascontiguousarray(np.rot90(upright))), kind, exif=exif)
    np.testing.assert_array_equal(read_raster(data, "a").pixels, upright)


def test_tiff_pages_are_frames() -> None:
    pages = [head_pixels(20, 30, top) for top in (100, 200, 300)]
    first, *rest = [Image.fromarray(page) for page in pages]
    data = encode(first, "TIFF", save_all=True, append_images=rest)
    read = list(read_frames(data, "a"))
    assert [(one.origin.frame, one.origin.frames) for one in read] == [(0, 3), (1, 3), (2, 3)]
    for one, page in zip(read, pages, strict=True):
        np.testing.assert_array_equal(one.pixels, page)
    np.testing.assert_array_equal(read_raster(data, "a").pixels, pages[0])


@pytest.mark.parametrize("depth", [8, 16])
def test_tiff_where_white_is_zero_is_inverted(depth: int) -> None:
    pixels = head_pixels(20, 30, 2**depth - 1).astype(f"u{depth // 8}")
    data = encode(Image.fromarray(pixels), "TIFF")
    tag = b"\x06\x01\x03\x00\x01\x00\x00\x00"
    at = data.index(tag) + len(tag)
    data = data[:at] + b"\x00\x00" + data[at + 2 :]
    np.testing.assert_array_equal(read_raster(data, "a").pixels, 2**depth - 1 - pixels)


def test_tiff_compressions_and_byte_order() -> None:
    pixels = head_pixels(20, 30)
    for compression in ("tiff_lzw", "tiff_deflate", "packbits"):
        data = encode(Image.fromarray(pixels), "TIFF", compression=compression)
        np.testing.assert_array_equal(read_raster(data, "a").pixels, pixels)
    big_endian = encode(Image.fromarray(pixels.astype(">u2")), "TIFF")
    assert big_endian.startswith(b"MM")
    np.testing.assert_array_equal(read_raster(big_endian, "a").pixels, pixels)
    signed = pixels.astype(np.int16) - 2000
    data = encode(Image.fromarray(signed.astype(np.int32)), "TIFF")
    np.testing.assert_array_equal(read_raster(data, "a").pixels, signed)


def test_real_images_are_read_as_pil_reads_them(real_data: Path) -> None:
    files = sorted((real_data / "brain-tumor-mri").rglob("*.jpg"))[::60]
    for file in files:
        with Image.open(file) as image:
            if image.mode in ("L", "RGB"):
                np.testing.assert_array_equal(read_raster(file, "a").pixels, np.asarray(image.convert("L")))


def test_content_decides_not_the_name(real_data: Path) -> None:
    pretending = [
        file
        for file in sorted((real_data / "brain-tumor-mri").rglob("*.jpg"))
        if read_head(file, file.name).startswith(b"\x89PNG")
    ]
    assert len(pretending) >= 3
    for file in pretending:
        read = read_raster(file, file.name)
        assert read.pixels.dtype == np.uint8
        assert read.pixels.std() > 5


# --- what must be refused -------------------------------------------------------------------------------------


def test_a_bomb_is_refused_by_its_header() -> None:
    small = encode(Image.fromarray(head_pixels(16, 16, 255).astype(np.uint8)), "PNG")
    with pytest.raises(UnreadableImage, match="30000 x 30000"):
        read_raster(claim_png_size(small, 30000, 30000), "bomb.png")


def test_a_real_bomb_takes_no_memory() -> None:
    row = b"\0" + bytes(30000)
    stream = zlib.compressobj(9)
    body = b"".join(stream.compress(row) for _ in range(500)) + stream.flush()
    small = encode(Image.new("L", (1, 1)), "PNG")
    at = small.index(b"IDAT") - 4
    chunk = len(body).to_bytes(4, "big") + b"IDAT" + body + zlib.crc32(b"IDAT" + body).to_bytes(4, "big")
    bomb = claim_png_size(small[:at] + chunk + small[small.index(b"IEND") - 4 :], 30000, 30000)
    assert len(bomb) < 40_000
    with pytest.raises(UnreadableImage, match="100 million"):
        read_raster(bomb, "bomb.png")


@pytest.mark.parametrize("kind", ["TIFF", "BMP", "JPEG", "WEBP"])
def test_bombs_of_other_kinds(kind: str) -> None:
    data = bytearray(encode(Image.fromarray(head_pixels(16, 16, 255).astype(np.uint8)), kind))
    if kind == "BMP":
        data[18:26] = (30000).to_bytes(4, "little") * 2
    elif kind == "JPEG":
        at = data.index(b"\xff\xc0")
        data[at + 5 : at + 9] = (30000).to_bytes(2, "big") * 2
    elif kind == "WEBP":
        at = data.index(b"\x9d\x01\x2a")
        data[at + 3 : at + 7] = (16000).to_bytes(2, "little") * 2
    else:
        for tag in (256, 257):
            at = data.index(tag.to_bytes(2, "little") + b"\x04\x00\x01\x00")
            data[at + 8 : at + 10] = (30000).to_bytes(2, "little")
    with pytest.raises(UnreadableImage):
        read_raster(bytes(data), "bomb")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "WEBP"])
def test_truncated_images(kind: str) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (64, 64), np.uint8)
    data = encode(Image.fromarray(noise), kind)
    for kept in (0.02, 0.3, 0.9):
        with pytest.raises(UnreadableImage, match="scan"):
            read_raster(data[: int(len(data) * kept)], "scan")


def test_empty_missing_and_text(tmp_path: Path) -> None:
    with pytest.raises(EmptyInput, match="0 bytes"):
        read_raster(b"", "a.jpg")
    with pytest.raises(MissingInput, match="no such file"):
        read_raster(tmp_path / "none.jpg", "none.jpg")
    with pytest.raises(UnreadableImage, match="not a PNG"):
        read_raster(b"BMore than a text, less than an image", "a.jpg")


def test_nan_is_refused() -> None:
    pixels = np.zeros((20, 20), np.float32)
    pixels[3, 4] = np.nan
    with pytest.raises(UnsupportedImage, match="NaN"):
        read_raster(encode(Image.fromarray(pixels), "TIFF"), "a.tif")


def test_a_colour_space_without_gray_is_refused() -> None:
    with pytest.raises(UnsupportedImage, match="LAB"):
        read_raster(encode(Image.new("LAB", (20, 20)), "TIFF"), "a.tif")


def test_broken_exif_costs_nothing() -> None:
    pixels = head_pixels(32, 32, 255).astype(np.uint8)
    data = encode(Image.fromarray(pixels), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff\xff\xff\xff\xff")
    assert read_raster(data, "a").shape == (32, 32)


def test_one_pixel_is_left_to_preprocessing() -> None:
    assert read_raster(encode(Image.new("L", (1, 1)), "PNG"), "a").shape == (1, 1)


@pytest.mark.parametrize(("mode", "kind"), [("L", "PNG"), ("P", "PNG"), ("RGB", "JPEG"), ("RGBA", "TIFF")])
def test_the_mode_is_that_of_the_file_not_of_the_gray_pixels(mode: str, kind: str) -> None:
    image = Image.fromarray(head_pixels(32, 32, 255).astype(np.uint8)).convert(mode)
    assert read_raster(encode(image, kind), "a").origin.mode == mode
