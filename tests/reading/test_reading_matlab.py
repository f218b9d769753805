"""Slices of the Figshare set, made as MATLAB makes them."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from reading_files import head_pixels
from tumorscope.core.errors import EmptyInput, UnreadableImage, UnsupportedImage
from tumorscope.core.labels import Diagnosis
from tumorscope.reading.matlab import read_figshare, read_matlab
from tumorscope.reading.open import open_slices

IMAGE = head_pixels(60, 50, 3000).astype(np.int16)
MASK = np.zeros(IMAGE.shape, np.uint8)
MASK[20:30, 10:15] = 1


def figshare_bytes(label: float = 2.0, **replaced: Any) -> bytes:
    """An HDF5 file with the 512-byte block that MATLAB puts before it; columns first."""
    stream = BytesIO()
    with h5py.File(stream, "w", userblock_size=512) as file:
        group = file.create_group("cjdata")
        values: dict[str, Any] = {
            "label": np.array([[label]]),
            "PID": np.array([[ord(letter)] for letter in "100360"], np.uint16),
            "image": IMAGE.T,
            "tumorBorder": np.array([[1.5, 2.5, 3.5, 4.5]]),
            "tumorMask": MASK.T,
        }
        for key, value in (values | replaced).items():
            if value is not None:
                group[key] = value
    content = bytearray(stream.getvalue())
    content[:20] = b"MATLAB 7.3 MAT-file,"
    return bytes(content)


@pytest.mark.parametrize(
    ("label", "diagnosis"), [(1, Diagnosis.MENINGIOMA), (2, Diagnosis.GLIOMA), (3, Diagnosis.PITUITARY)]
)
def test_everything_is_read_the_right_way_up(label: int, diagnosis: Diagnosis) -> None:
    read = read_figshare(figshare_bytes(label), "1.mat")
    assert read.label is diagnosis
    assert read.slice.pixels.dtype == np.int16
    np.testing.assert_array_equal(read.slice.pixels, IMAGE)
    np.testing.assert_array_equal(read.mask, MASK == 1)
    np.testing.assert_array_equal(read.border, [[1.5, 2.5], [3.5, 4.5]])
    assert read.group == "100360"
    assert "100360" not in repr(read)


def test_open_slices_gives_the_image(tmp_path: Path) -> None:
    file = tmp_path / "1.data"
    file.write_bytes(figshare_bytes())
    [only] = open_slices(file)
    np.testing.assert_array_equal(only.pixels, IMAGE)
    assert read_figshare(file).slice.origin.path == str(file)


def test_other_matlab_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedImage, match=r"MATLAB 5.*-v7\.3"):
        list(read_matlab(b"MATLAB 5.0 MAT-file, made elsewhere".ljust(600), "a.mat"))
    with pytest.raises(UnsupportedImage, match="no cjdata/image"):
        list(read_matlab(figshare_bytes(image=None), "a.mat"))
    with pytest.raises(UnsupportedImage, match="label is 7"):
        read_figshare(figshare_bytes(7), "a.mat")
    (tmp_path / "a.mat").write_bytes(b"")
    with pytest.raises(EmptyInput):
        list(read_matlab(tmp_path / "a.mat", "a.mat"))


def test_impossible_shapes() -> None:
    with pytest.raises(UnreadableImage, match="3 dimensions"):
        list(read_matlab(figshare_bytes(image=np.zeros((4, 4, 4))), "a.mat"))
    with pytest.raises(UnreadableImage, match="differ in size"):
        read_figshare(figshare_bytes(tumorMask=np.zeros((4, 4))), "a.mat")
    with pytest.raises(UnsupportedImage, match="NaN"):
        list(read_matlab(figshare_bytes(image=np.full((4, 4), np.nan)), "a.mat"))
    with pytest.raises(UnsupportedImage, match="not an array of numbers"):
        list(read_matlab(figshare_bytes(image=[b"text"]), "a.mat"))


def test_a_claimed_size_is_refused_before_it_is_made() -> None:
    stream = BytesIO()
    with h5py.File(stream, "w") as file:
        file.create_dataset("cjdata/image", (30000, 30000), "u1", chunks=(1000, 1000), compression="gzip")
    with pytest.raises(UnreadableImage, match="30000 x 30000"):
        list(read_matlab(stream.getvalue(), "a.mat"))


def test_links_to_other_files_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["image"] = IMAGE
    for link in (h5py.ExternalLink(str(secret), "image"), h5py.SoftLink("/elsewhere")):
        with pytest.raises(UnsupportedImage, match="no cjdata/image"):
            list(read_matlab(figshare_bytes(image=link), "a.mat"))
    stream = BytesIO()
    with h5py.File(stream, "w") as file:
        file.create_dataset("cjdata/image", (10, 10), "u1", external=[(str(secret), 0, 100)])
    with pytest.raises(UnsupportedImage, match="stored in the file"):
        list(read_matlab(stream.getvalue(), "a.mat"))


def test_truncated() -> None:
    whole = figshare_bytes()
    for kept in (600, len(whole) // 2, len(whole) - 50):
        with pytest.raises((UnreadableImage, UnsupportedImage), match=r"a\.mat"):
            list(read_matlab(whole[:kept], "a.mat"))
