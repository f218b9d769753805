"""NIfTI geometry: whatever way a volume is stored, a radiologist sees it the same way."""

from __future__ import annotations

import gzip
import itertools
import struct
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tumorscope.core.errors import EmptyInput, TumorscopeError, UnreadableImage, UnsupportedImage
from tumorscope.core.slice import Plane
from tumorscope.reading.nifti import is_nifti, read_nifti

nibabel: Any = import_module("nibabel")  # typed in parts only

STORED_AXES = [
    (permutation, flips)
    for permutation in itertools.permutations(range(3))
    for flips in itertools.product((1, -1), repeat=3)
]


def canonical(shape: tuple[int, int, int] = (7, 8, 9)) -> NDArray[np.int16]:
    """A volume along right, anterior, superior in which every voxel is different."""
    return np.arange(np.prod(shape), dtype=np.int16).reshape(shape)


def volume_bytes(
    data: NDArray[Any], affine: NDArray[np.float64] | None = None, kind: Any = nibabel.Nifti1Image
) -> bytes:
    affine = np.diag([2.0, 2.0, 2.0, 1.0]) if affine is None else affine
    made = kind(data, affine)
    made.header["descrip"] = b"Beeblebrox Zaphod"
    return bytes(made.to_bytes())


def stored_as(
    volume: NDArray[Any], permutation: tuple[int, ...], flips: tuple[int, ...], spacing: tuple[float, ...]
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """The same volume with its axes in another order and direction, and the matrix that says so."""
    data = volume.transpose(permutation)
    affine = np.zeros((4, 4))
    affine[3, 3] = 1
    for axis, (world, flip) in enumerate(zip(permutation, flips, strict=True)):
        if flip < 0:
            data = np.flip(data, axis)
        affine[world, axis] = flip * spacing[world]
    return np.ascontiguousarray(data), affine


@given(
    stored=st.sampled_from(STORED_AXES), coarsest=st.integers(0, 3), kind=st.sampled_from(["1", "2", "gz"])
)
@settings(max_examples=150, deadline=None)
def test_storage_order_does_not_matter(
    stored: tuple[tuple[int, ...], tuple[int, ...]], coarsest: int, kind: str
) -> None:
    volume = canonical()
    spacing = [1.0, 1.25, 1.1]
    if coarsest < 3:
        spacing[coarsest] = 5.0
    else:
        spacing = [1.0, 1.0, 1.0]
    data, affine = stored_as(volume, *stored, tuple(spacing))
    content = volume_bytes(data, affine, nibabel.Nifti2Image if kind == "2" else nibabel.Nifti1Image)
    slices = list(read_nifti(gzip.compress(content, 1) if kind == "gz" else content, "v.nii"))
    axis = coarsest if coarsest < 3 else 2
    assert [one.origin.frame for one in slices] == list(range(volume.shape[axis]))
    for one in slices:
        assert one.origin.plane is (Plane.SAGITTAL, Plane.CORONAL, Plane.AXIAL)[axis]
        plane = np.moveaxis(volume, axis, 0)[one.origin.frame]
        # First index of the plane (x or y) runs against the columns, the second (y or z) against the rows.
        np.testing.assert_array_equal(one.pixels, plane.T[::-1, ::-1])
        assert one.pixels.dtype == np.int16
        rows, columns = [s for a, s in reversed(list(enumerate(spacing))) if a != axis]
        assert one.origin.spacing == pytest.approx((rows, columns))


@pytest.mark.parametrize("plane", list(Plane))
def test_landmarks_are_where_a_radiologist_looks(plane: Plane) -> None:
    """One bright voxel at the patient's right, front and top."""
    volume = np.zeros((20, 20, 20), np.uint8)
    right, front, top = 17, 16, 18
    volume[right, front, top] = 200
    volume[10, 10, 10] = 1
    spacing = {Plane.SAGITTAL: (5, 1, 1), Plane.CORONAL: (1, 5, 1), Plane.AXIAL: (1, 1, 5)}[plane]
    affine = np.diag([*map(float, spacing), 1.0])
    bright = max(read_nifti(volume_bytes(volume, affine), "v.nii"), key=lambda one: int(one.pixels.max()))
    row, column = np.unravel_index(bright.pixels.argmax(), bright.shape)
    assert row < 10, "front, or top, is up"
    assert column < 10, "the patient's right, or the face, is on the left"


def test_real_volumes(real_data: Path) -> None:
    slices = list(read_nifti(real_data / "nifti" / "tcia_btp_03_pre_scan_t1.nii.gz", "t1.nii.gz"))
    assert 20 <= len(slices) <= 24
    assert {one.origin.plane for one in slices} == {Plane.AXIAL}
    assert {one.origin.series for one in slices} == {"t1.nii.gz"}
    assert len({one.value_range for one in slices}) == 1
    template = list(read_nifti(real_data / "nifti" / "icbm152_t1.nii.gz", "i.nii.gz"))
    middle = template[len(template) // 2].as_float()
    assert middle.mean() > 0.1


def test_blank_slices_are_passed_over_and_counted() -> None:
    volume = np.zeros((8, 8, 6), np.uint8)
    volume[2:5, 2:5, 2:4] = 9
    slices = list(read_nifti(volume_bytes(volume), "v.nii"))
    assert [(one.origin.frame, one.origin.frames) for one in slices] == [(2, 6), (3, 6)]


def test_rescale_and_byte_order() -> None:
    volume = canonical()
    plain = nibabel.Nifti1Image(volume, np.eye(4))
    plain.header.set_slope_inter(0.5, -3)
    swapped = bytearray(plain.to_bytes())
    header = nibabel.Nifti1Header(bytes(swapped[:348]), check=False)
    slope_at = 112
    swapped[slope_at : slope_at + 8] = struct.pack("<ff", 0.5, -3)
    assert header["sizeof_hdr"] == 348
    first = next(read_nifti(bytes(swapped), "v.nii"))
    np.testing.assert_allclose(first.pixels, volume[::-1, ::-1, 0].T * 0.5 - 3)
    assert first.pixels.dtype == np.float32

    big = nibabel.Nifti1Header(endianness=">")
    big.set_data_shape(volume.shape)
    big.set_data_dtype(">i2")
    big["magic"], big["vox_offset"] = b"n+1", 352
    content = big.binaryblock + bytes(4) + volume.astype(">i2").tobytes(order="F")
    first = next(read_nifti(content, "v.nii"))
    assert first.pixels.dtype == np.int16
    assert set(np.unique(first.pixels)) <= set(np.unique(volume))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
def test_dtypes(dtype: type[np.generic]) -> None:
    volume = canonical((4, 5, 6)).astype(dtype)
    first = next(read_nifti(volume_bytes(volume), "v.nii"))
    assert first.pixels.dtype == (np.float32 if dtype is np.float64 else dtype)


def test_one_slice_and_trailing_ones() -> None:
    [only] = read_nifti(volume_bytes(canonical((8, 9, 1))), "v.nii")
    assert only.shape == (9, 8)
    assert len(list(read_nifti(volume_bytes(canonical((4, 5, 6)).reshape(4, 5, 6, 1)), "v.nii"))) == 6


# --- what must be refused -------------------------------------------------------------------------------------


def refused(content: bytes, kind: type[TumorscopeError], match: str) -> None:
    with pytest.raises(kind, match=match) as caught:
        list(read_nifti(content, "scan.nii"))
    assert "eeblebrox" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_four_dimensions() -> None:
    refused(volume_bytes(np.ones((4, 5, 6, 7), np.int16)), UnsupportedImage, "4 dimensions")


def test_colour() -> None:
    rgb = np.zeros((4, 5, 6), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    refused(volume_bytes(rgb), UnsupportedImage, "in colour")
    refused(volume_bytes(np.ones((4, 5, 6), np.complex64)), UnsupportedImage, "complex")


def test_nan_and_blank() -> None:
    volume = canonical().astype(np.float32)
    volume[1, 2, 3] = np.nan
    refused(volume_bytes(volume), UnsupportedImage, "NaN")
    refused(volume_bytes(np.full((4, 5, 6), 3, np.int16)), UnsupportedImage, "same value")
    refused(volume_bytes(np.array([[[0, 1e300]]])), UnsupportedImage, "32-bit")


def test_truncated() -> None:
    content = volume_bytes(canonical())
    for kept in (200, 347, 352, len(content) - 1):
        refused(content[:kept], UnreadableImage, "truncated")
    squeezed = gzip.compress(content)
    refused(squeezed[: len(squeezed) // 2], UnreadableImage, "truncated")
    refused(squeezed[:100] + bytes(50) + squeezed[150:], UnreadableImage, "corrupted|truncated")
    refused(b"", EmptyInput, "0 bytes")


def test_a_header_that_claims_a_huge_shape() -> None:
    content = bytearray(volume_bytes(canonical()))
    content[42:48] = struct.pack("<3h", 2000, 2000, 2000)
    refused(bytes(content), UnreadableImage, "512 MiB")
    content[42:48] = struct.pack("<3h", 32000, 32000, 1)
    refused(bytes(content), UnreadableImage, "32000 x 32000")
    content[42:48] = struct.pack("<3h", -5, 8, 9)
    refused(bytes(content), UnreadableImage, "scan")


def test_a_gzip_bomb_is_inflated_no_further_than_its_header_says() -> None:
    content = volume_bytes(canonical())
    stream = BytesIO()
    with gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=9) as squeezed:
        squeezed.write(content)
        for _ in range(300):
            squeezed.write(bytes(1 << 20))
    assert len(list(read_nifti(stream.getvalue(), "v.nii.gz"))) == 9


def test_an_orientation_that_is_none() -> None:
    content = bytearray(volume_bytes(canonical()))
    content[280:328] = struct.pack("<12f", *[0.0] * 12)
    refused(bytes(content), UnreadableImage, "orientation")
    content[280:328] = struct.pack("<12f", *[float("nan")] * 12)
    refused(bytes(content), UnreadableImage, "corrupted")


def test_a_pair_is_named() -> None:
    content = bytearray(volume_bytes(canonical()))
    content[344:348] = b"ni1\0"
    refused(bytes(content), UnsupportedImage, "pair")


def test_signature() -> None:
    content = volume_bytes(canonical())
    assert is_nifti(content[:1024])
    assert is_nifti(gzip.compress(content)[:1024])
    assert not is_nifti(gzip.compress(b"a text"))
    assert not is_nifti(b"\x1f\x8b but not gzip")
    assert not is_nifti(b"")
