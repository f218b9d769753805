"""Hashes, size, mode and format of real files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tumorscope.core.errors import (
    EmptyInput,
    InvalidManifest,
    MissingInput,
    UnreadableImage,
    UnsupportedImage,
)
from tumorscope.core.labels import Diagnosis
from tumorscope.dataset.facts import file_hash, pixels_hash, read_labelled
from tumorscope.synthesis.phantom import make_phantom

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    return Image.fromarray(make_phantom(Diagnosis.GLIOMA, 1, 64).pixels[:, :60])


@pytest.mark.parametrize(
    ("name", "mode", "kind"),
    [
        ("a.png", "L", "PNG"), ("a.bmp", "L", "BMP"), ("a.tif", "L", "TIFF"), ("a.jpg", "L", "JPEG"),
        ("rgb.png", "RGB", "PNG"), ("rgba.png", "RGBA", "PNG"), ("rgb.webp", "RGB", "WebP"), ("p.png", "P", "PNG"),
    ],
)  # fmt: skip
def test_a_still_image_tells_its_size_mode_and_format(
    tmp_path: Path, picture: Image.Image, name: str, mode: str, kind: str
) -> None:
    picture.convert(mode).save(tmp_path / name)
    facts, image = read_labelled(tmp_path / name)
    assert (facts.width, facts.height, facts.mode, facts.format) == (60, 64, mode, kind)
    assert (
        facts.sha256
        == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
        == file_hash(tmp_path / name)
    )
    assert facts.file_bytes == (tmp_path / name).stat().st_size
    assert facts.pixels_sha256 == pixels_hash(image.pixels)


def test_pixels_are_the_same_in_whatever_lossless_file(tmp_path: Path, picture: Image.Image) -> None:
    saved: list[tuple[str, dict[str, Any]]] = [
        ("fast.png", {"compress_level": 1}),
        ("a.bmp", {}),
        ("a.tif", {"compression": "tiff_lzw"}),
    ]
    found = set()
    for name, options in saved:
        picture.save(tmp_path / name, **options)
        found.add(read_labelled(tmp_path / name)[0].pixels_sha256)
    picture.convert("RGB").save(tmp_path / "rgb.png")
    found.add(read_labelled(tmp_path / "rgb.png")[0].pixels_sha256)
    assert len(found) == 1
    picture.save(tmp_path / "a.jpg", quality=60)
    assert read_labelled(tmp_path / "a.jpg")[0].pixels_sha256 not in found


def test_pixel_hashes_know_shape_and_dtype_but_not_memory_order() -> None:
    pixels = np.arange(12, dtype=np.uint16).reshape(3, 4)
    assert pixels_hash(pixels) == pixels_hash(np.asfortranarray(pixels)) == pixels_hash(pixels.astype(">u2"))
    others = [pixels.reshape(4, 3), pixels.astype(np.int16), pixels + np.uint16(1)]
    assert len({pixels_hash(other) for other in (pixels, *others)}) == 4


def test_a_dicom_file_has_its_dtype_for_a_mode() -> None:
    facts, image = read_labelled(EXAMPLES / "synthetic-glioma-axial.dcm")
    assert (facts.mode, facts.format, facts.width) == (image.pixels.dtype.name, "DCM", 256)


def test_a_file_of_many_slices_is_refused() -> None:
    with pytest.raises(UnsupportedImage, match="12 slices and its label speaks of one"):
        read_labelled(EXAMPLES / "healthy-volume.nii.gz")


def test_what_is_no_image_is_refused(tmp_path: Path, picture: Image.Image) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("hello")
    picture.save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:200])
    with pytest.raises(EmptyInput):
        read_labelled(tmp_path / "empty.png")
    for name in ("text.png", "cut.png"):
        with pytest.raises(UnreadableImage):
            read_labelled(tmp_path / name)
    with pytest.raises(MissingInput):
        read_labelled(tmp_path / "gone.png")
    with pytest.raises(InvalidManifest, match="may not be read"):
        file_hash(tmp_path / "gone.png")


def test_pixels_of_real_images_are_hashed_as_they_are_decoded(real_data: Path) -> None:
    for path in sorted((real_data / "brain-tumor-mri").rglob("*.jpg"))[::700]:
        facts, _ = read_labelled(path)
        with Image.open(path) as image:
            assert (facts.width, facts.height, facts.mode, facts.format) == (*image.size, image.mode, "JPEG")
            assert facts.pixels_sha256 == pixels_hash(np.asarray(image.convert("L")))
