"""Files with flipped and missing bytes: an error of this project's own, or slices; never anything else."""

from __future__ import annotations

import gzip
from functools import cache
from importlib import import_module
from typing import Any

import imagecodecs
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from test_reading_matlab import figshare_bytes

from reading_files import SECRETS, bundled, compressed, dicom_bytes, encode, head_pixels, mr_dataset
from tumorscope.core.errors import TumorscopeError
from tumorscope.reading.registry import identify

PIXELS = head_pixels(32, 32)
BYTES = (PIXELS // 16).astype(np.uint8)


@cache
def seeds() -> dict[str, bytes]:
    """One sound file of every kind."""
    nibabel: Any = import_module("nibabel")
    volume = bytes(
        nibabel.Nifti1Image(np.stack([PIXELS.astype(np.int16)] * 3, axis=-1), np.eye(4)).to_bytes()
    )
    windowed = mr_dataset(PIXELS, WindowCenter=1000, WindowWidth=900, RescaleSlope=2, RescaleIntercept=1)
    lossless = bytes(imagecodecs.jpeg8_encode(PIXELS, bitspersample=12, lossless=True))
    deflated = mr_dataset(PIXELS)
    deflated.file_meta.TransferSyntaxUID = type(deflated.file_meta.TransferSyntaxUID)(
        "1.2.840.10008.1.2.1.99"
    )
    return {
        "png": encode(Image.fromarray(BYTES), "PNG"),
        "png 16": encode(Image.fromarray(PIXELS), "PNG"),
        "jpeg": encode(Image.fromarray(BYTES), "JPEG"),
        "tiff": encode(Image.fromarray(PIXELS), "TIFF", compression="tiff_lzw"),
        "bmp": encode(Image.fromarray(BYTES), "BMP"),
        "webp": encode(Image.fromarray(BYTES), "WEBP"),
        "nifti": volume,
        "nifti gz": gzip.compress(volume),
        "matlab": figshare_bytes(),
        "dicom": dicom_bytes(windowed),
        "dicom deflated": dicom_bytes(deflated),
        "dicom jpeg": dicom_bytes(compressed(mr_dataset(PIXELS, 12), [lossless], "1.2.840.10008.1.2.4.70")),
        "dicom rle": bundled("MR_small_RLE.dcm").read_bytes(),
        "dicom j2k": bundled("MR_small_jp2klossless.dcm").read_bytes(),
        "dicom jls": bundled("MR_small_jpeg_ls_lossless.dcm").read_bytes(),
        "dicom enhanced": bundled("emri_small_RLE.dcm").read_bytes(),
    }


def damaged(content: bytes, data: st.DataObject) -> bytes:
    """Cut it, or overwrite up to eight places; half of them in the header, where it hurts."""
    if data.draw(st.booleans(), label="cut"):
        return content[: data.draw(st.integers(1, len(content) - 1), label="kept")]
    broken = bytearray(content)
    for _ in range(data.draw(st.integers(1, 8))):
        last = len(broken) - 1
        at = data.draw(st.one_of(st.integers(0, last), st.integers(0, min(last, 2000))))
        patch = data.draw(
            st.one_of(st.binary(min_size=1, max_size=4), st.sampled_from([b"\xff\xff\xff\x7f", bytes(4)]))
        )
        broken[at : at + len(patch)] = patch
    return bytes(broken)


@pytest.mark.parametrize("kind", list(seeds()))
@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_damaged_files(kind: str, data: st.DataObject) -> None:
    content = damaged(seeds()[kind], data)
    row = identify(content[:1024])
    if row is None:
        return
    try:
        slices = list(row.read(content, "scan"))
    except TumorscopeError as error:
        told = str(error)
        assert told.startswith("scan: ")
        assert "\n" not in told
        assert not [secret for secret in SECRETS if secret in told]
    else:
        assert all(one.pixels.ndim == 2 and np.isfinite(one.as_float()).all() for one in slices)


@pytest.mark.parametrize("kind", list(seeds()))
def test_sound_files(kind: str) -> None:
    row = identify(seeds()[kind][:1024])
    assert row is not None
    assert list(row.read(seeds()[kind], "scan"))
