"""DICOM as hospitals write it: syntaxes, depths, windows, frames, and every way to be none of these."""

from __future__ import annotations

import traceback
import zlib
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import jpeg_ls
import numpy as np
import openjpeg.utils
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from reading_files import SECRETS, bundled, compressed, dicom_bytes, head_pixels, item, mr_dataset, sequence
from tumorscope.core.errors import TumorscopeError, UnreadableImage, UnsupportedImage
from tumorscope.core.slice import Plane, Slice
from tumorscope.reading.dicom import read_dicom

BASE = "1.2.840.10008.1.2"


def read(dataset: Dataset) -> list[Slice]:
    return list(read_dicom(dicom_bytes(dataset), "scan.dcm"))


def refused(dataset: Dataset, kind: type[TumorscopeError], match: str) -> None:
    with pytest.raises(kind, match=match) as caught:
        read(dataset)
    assert "\n" not in str(caught.value)
    assert not [secret for secret in SECRETS if secret in str(caught.value)]


# --- real files -----------------------------------------------------------------------------------------------


def test_real_head(real_data: Path) -> None:
    [only] = read_dicom(real_data / "dicom-t1" / "N2D_0197.dcm", "N2D_0197.dcm")
    assert only.pixels.dtype == np.int16
    assert only.shape == (384, 274)
    assert only.origin.plane is Plane.AXIAL
    assert only.origin.modality == "MR"
    assert only.origin.spacing == pytest.approx((0.6667, 0.7), abs=1e-3)
    assert only.origin.series is not None
    assert "1.2.826" not in only.origin.series


@pytest.mark.parametrize(
    "name",
    [
        "MR_small_RLE.dcm",
        "MR_small_bigendian.dcm",
        "MR_small_expb.dcm",
        "MR_small_implicit.dcm",
        "MR_small_jp2klossless.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
        "MR_small_padded.dcm",
    ],
)
def test_every_lossless_form_of_one_image_is_the_same(name: str) -> None:
    [plain] = read_dicom(bundled("MR_small.dcm"), "a")
    [other] = read_dicom(bundled(name), "b")
    np.testing.assert_array_equal(other.pixels, plain.pixels)
    assert plain.pixels.dtype == np.float32
    assert plain.value_range == (0.0, 1.0)


@pytest.mark.parametrize("suffix", ["_RLE", "_big_endian", "_jpeg_2k_lossless", "_jpeg_ls_lossless"])
def test_enhanced_mr_in_every_form(suffix: str) -> None:
    plain = list(read_dicom(bundled("emri_small.dcm"), "a"))
    other = list(read_dicom(bundled(f"emri_small{suffix}.dcm"), "b"))
    assert len(plain) == 10
    assert [one.origin.frame for one in other] == list(range(10))
    expected = pydicom.dcmread(bundled("emri_small.dcm")).pixel_array
    for one, two, stored in zip(plain, other, expected, strict=True):
        np.testing.assert_array_equal(one.pixels, stored)
        np.testing.assert_array_equal(one.pixels, two.pixels)


def test_window_of_a_real_image_is_what_pydicom_computes() -> None:
    from pydicom.pixels.processing import apply_voi_lut

    dataset = pydicom.dcmread(bundled("MR-SIEMENS-DICOM-WithOverlays.dcm"))
    [only] = read_dicom(bundled("MR-SIEMENS-DICOM-WithOverlays.dcm"), "a")
    shown = apply_voi_lut(dataset.pixel_array, dataset)
    np.testing.assert_allclose(only.pixels, (shown - 0) / 4095, atol=2e-4)
    assert len(np.unique(only.pixels)) > 256, "12 bits were squashed to 8"


@pytest.mark.parametrize("name", ["JPEG-lossy.dcm", "JPGExtended.dcm", "JPEG-LL.dcm", "JPEG2000.dcm"])
def test_real_compressed_files_once_they_say_mr(name: str) -> None:
    dataset = pydicom.dcmread(bundled(name))
    dataset.Modality = "MR"
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    [only] = read(dataset)
    plain = pydicom.dcmread(bundled("JPEG2000_UNC.dcm")).pixel_array.astype(float)
    shown = only.pixels.astype(float).ravel()
    assert only.shape == (1024, 256)
    assert np.corrcoef(shown, np.clip(plain, plain.min(), None).ravel())[0, 1] > 0.9


# --- compressions made here -----------------------------------------------------------------------------------


def _rle(pixels: NDArray[np.uint16]) -> bytes:
    dataset = mr_dataset(pixels)
    dataset.compress(f"{BASE}.5", generate_instance_uid=False)
    return next(pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=1))


ENCODERS: dict[str, tuple[str, Callable[[NDArray[np.uint16]], bytes]]] = {
    "jpeg lossless": (
        f"{BASE}.4.57",
        lambda a: bytes(imagecodecs.jpeg8_encode(a, bitspersample=12, lossless=True)),
    ),
    "jpeg lossless sv1": (
        f"{BASE}.4.70",
        lambda a: bytes(imagecodecs.jpeg8_encode(a, bitspersample=12, lossless=True, predictor=1)),
    ),
    "jpeg-ls": (f"{BASE}.4.80", lambda a: bytes(jpeg_ls.encode_array(a))),
    "jpeg 2000": (f"{BASE}.4.90", lambda a: openjpeg.utils.encode_array(a, bits_stored=12)),
    "rle": (f"{BASE}.5", _rle),
}


@pytest.mark.parametrize("kind", ENCODERS)
def test_lossless_12_bit_roundtrip(kind: str) -> None:
    syntax, encode = ENCODERS[kind]
    pixels = head_pixels(top=4095)
    [only] = read(compressed(mr_dataset(pixels, bits_stored=12), [encode(pixels)], syntax))
    assert only.pixels.dtype == np.uint16
    np.testing.assert_array_equal(only.pixels, pixels)


@pytest.mark.parametrize("bits", [8, 12])
def test_lossy_jpeg(bits: int) -> None:
    pixels = head_pixels(64, 64, 2**bits - 1).astype("u1" if bits == 8 else "u2")
    codestream = bytes(imagecodecs.jpeg8_encode(pixels, level=95, bitspersample=bits))
    syntax = f"{BASE}.4.50" if bits == 8 else f"{BASE}.4.51"
    [only] = read(compressed(mr_dataset(pixels, bits_stored=bits), [codestream], syntax))
    assert only.pixels.dtype == pixels.dtype
    assert np.abs(only.pixels.astype(float) - pixels).mean() < 0.01 * 2**bits


def test_multi_frame_jpeg_lossless_in_fragments() -> None:
    frames = np.stack([head_pixels(top=top) for top in (1000, 2000, 4000)])
    streams = [bytes(imagecodecs.jpeg8_encode(one, bitspersample=12, lossless=True)) for one in frames]
    read_back = read(compressed(mr_dataset(frames, bits_stored=12), streams, f"{BASE}.4.70"))
    assert [one.origin.frame for one in read_back] == [0, 1, 2]
    for one, frame in zip(read_back, frames, strict=True):
        np.testing.assert_array_equal(one.pixels, frame)


def test_signed_values_in_an_unsigned_codestream() -> None:
    signed = head_pixels().astype(np.int16) - 2000
    codestream = openjpeg.utils.encode_array(signed.astype(np.uint16) & 0x1FFF, bits_stored=13)
    [only] = read(compressed(mr_dataset(signed, bits_stored=13), [codestream], f"{BASE}.4.90"))
    np.testing.assert_array_equal(only.pixels, signed)


def test_deflated() -> None:
    pixels = head_pixels()
    dataset = mr_dataset(pixels)
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    [only] = read(dataset)
    np.testing.assert_array_equal(only.pixels, pixels)


def test_without_preamble_or_meta() -> None:
    pixels = head_pixels()
    whole = dicom_bytes(mr_dataset(pixels))
    [only] = read_dicom(whole[132:], "a")
    np.testing.assert_array_equal(only.pixels, pixels)


# --- depth and presentation -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32])
def test_native_depths_are_kept(dtype: type[np.generic]) -> None:
    pixels = (head_pixels(top=200).astype(np.int64) - (100 if np.dtype(dtype).kind == "i" else 0)).astype(
        dtype
    )
    [only] = read(mr_dataset(pixels))
    assert only.pixels.dtype == dtype
    np.testing.assert_array_equal(only.pixels, pixels)
    assert only.value_range == (pixels.min(), pixels.max())


def test_bits_above_those_stored_are_an_overlay() -> None:
    pixels = head_pixels(top=4095)
    overlaid = pixels | np.uint16(0xA000)
    [only] = read(mr_dataset(overlaid, bits_stored=12))
    np.testing.assert_array_equal(only.pixels, pixels)


def test_high_bit_at_the_top() -> None:
    pixels = head_pixels(top=4095)
    [only] = read(mr_dataset(pixels << 4, bits_stored=12, HighBit=15))
    np.testing.assert_array_equal(only.pixels, pixels)


def test_monochrome1_is_inverted() -> None:
    pixels = head_pixels(top=4000)
    dark = np.uint16(4095) - pixels
    [only] = read(mr_dataset(dark, bits_stored=12, PhotometricInterpretation="MONOCHROME1"))
    np.testing.assert_allclose(only.pixels, pixels)
    [windowed] = read(
        mr_dataset(
            dark,
            bits_stored=12,
            PhotometricInterpretation="MONOCHROME1",
            PresentationLUTShape="INVERSE",
            WindowCenter=2048,
            WindowWidth=4096,
        )
    )
    np.testing.assert_allclose(windowed.pixels, pixels / 4095, atol=1e-3)


def test_rescale_without_window() -> None:
    pixels = head_pixels()
    [only] = read(mr_dataset(pixels, RescaleSlope=0.5, RescaleIntercept=-7))
    np.testing.assert_allclose(only.pixels, pixels * 0.5 - 7, rtol=1e-6)
    assert only.pixels.dtype == np.float32


def test_rescale_and_window() -> None:
    pixels = head_pixels()
    [only] = read(
        mr_dataset(pixels, RescaleSlope=2, RescaleIntercept=10, WindowCenter=4000, WindowWidth=3001)
    )
    expected = np.clip(((pixels * 2.0 + 10) - (4000 - 0.5)) / 3000 + 0.5, 0, 1)  # PS3.3, C.11.2.1.2.1
    np.testing.assert_allclose(only.pixels, expected, atol=1e-3)


def test_the_first_of_several_windows() -> None:
    pixels = head_pixels()
    [several] = read(mr_dataset(pixels, WindowCenter=[1000, 3000], WindowWidth=[800, 100]))
    [one] = read(mr_dataset(pixels, WindowCenter=1000, WindowWidth=800))
    np.testing.assert_array_equal(several.pixels, one.pixels)


@pytest.mark.parametrize(("center", "width"), [(1000, 0), (1000, -5), (90000, 10)])
def test_a_window_that_shows_nothing_is_left_out(center: float, width: float) -> None:
    pixels = head_pixels()
    [only] = read(mr_dataset(pixels, WindowCenter=center, WindowWidth=width))
    np.testing.assert_allclose(only.pixels, pixels)


def test_voi_lut() -> None:
    pixels = head_pixels(top=255)
    table = np.linspace(0, 65535, 256).astype(np.uint16)[::-1]
    voi = sequence(LUTDescriptor=[256, 0, 16], LUTData=table.tobytes())
    voi[0]["LUTDescriptor"].VR, voi[0]["LUTData"].VR = "US", "OW"
    [only] = read(mr_dataset(pixels, VOILUTSequence=voi))
    np.testing.assert_allclose(only.pixels, table[pixels] / 65535, atol=1e-4)


def test_modality_lut() -> None:
    pixels = head_pixels(top=255)
    table = (np.arange(256) ** 2 // 2).astype(np.uint16)
    modality = sequence(LUTDescriptor=[256, 0, 16], LUTData=table.tobytes(), ModalityLUTType="US")
    modality[0]["LUTDescriptor"].VR, modality[0]["LUTData"].VR = "US", "OW"
    [only] = read(mr_dataset(pixels, ModalityLUTSequence=modality))
    np.testing.assert_allclose(only.pixels, table[pixels])


def enhanced(frames: NDArray[np.uint16], depths: list[float], slopes: list[float]) -> Dataset:
    dataset = mr_dataset(frames, ImageOrientationPatient=None, ImagePositionPatient=None, PixelSpacing=None)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = pydicom.uid.EnhancedMRImageStorage
    dataset.SharedFunctionalGroupsSequence = sequence(
        PlaneOrientationSequence=sequence(ImageOrientationPatient=[1, 0, 0, 0, 0, -1]),
        PixelMeasuresSequence=sequence(PixelSpacing=[0.9, 0.6]),
    )
    dataset.PerFrameFunctionalGroupsSequence = Sequence(
        item(
            PlanePositionSequence=sequence(ImagePositionPatient=[0, depth, 0]),
            PixelValueTransformationSequence=sequence(
                RescaleSlope=slope, RescaleIntercept=0, RescaleType="US"
            ),
        )
        for depth, slope in zip(depths, slopes, strict=True)
    )
    return dataset


def test_enhanced_mr_has_its_values_and_places_per_frame() -> None:
    frames = np.stack([head_pixels(top=top) for top in (1000, 2000, 3000)])
    result = read(enhanced(frames, [5.0, -5.0, 0.0], [1.0, 2.5, 3.0]))
    assert [one.origin.frame for one in result] == [1, 2, 0]
    assert {one.origin.plane for one in result} == {Plane.CORONAL}
    assert {one.origin.spacing for one in result} == {(0.9, 0.6)}
    assert len({one.origin.series for one in result}) == 1
    for one, frame, slope in zip(result, (1, 2, 0), (2.5, 3.0, 1.0), strict=True):
        np.testing.assert_allclose(one.pixels, frames[frame] * slope, rtol=1e-6)


def test_frames_at_one_place_stay_in_stored_order() -> None:
    frames = np.stack([head_pixels(top=top) for top in (1000, 2000, 3000)])
    result = read(enhanced(frames, [5.0, 5.0, 0.0], [1, 1, 1]))
    assert [one.origin.frame for one in result] == [0, 1, 2]


def test_per_frame_windows() -> None:
    frames = np.stack([head_pixels(), head_pixels()])
    dataset = enhanced(frames, [0, 1], [1, 1])
    for group, center in zip(dataset.PerFrameFunctionalGroupsSequence, (1000, 3000), strict=True):
        group.FrameVOILUTSequence = sequence(WindowCenter=center, WindowWidth=2000)
    low, high = read(dataset)
    assert low.pixels.mean() > high.pixels.mean()
    assert low.value_range == high.value_range == (0.0, 1.0)


def test_blank_frames_of_a_volume_are_passed_over() -> None:
    frames = np.stack([np.zeros((48, 40), np.uint16), head_pixels(), np.zeros((48, 40), np.uint16)])
    [only] = read(mr_dataset(frames))
    assert (only.origin.frame, only.origin.frames) == (1, 3)
    refused(mr_dataset(np.zeros((3, 48, 40), np.uint16)), UnsupportedImage, "3 frames are blank")


def test_a_blank_single_image_is_left_to_preprocessing() -> None:
    [only] = read(mr_dataset(np.full((48, 40), 7, np.uint16)))
    assert only.pixels.max() == 7


@pytest.mark.parametrize(
    ("orientation", "plane"),
    [
        ([1, 0, 0, 0, 1, 0], Plane.AXIAL),
        ([1, 0, 0, 0, 0, -1], Plane.CORONAL),
        ([0, 1, 0, 0, 0, -1], Plane.SAGITTAL),
        ([0.8, 0.6, 0, 0, 0, -1], Plane.CORONAL),
        ([0, 0, 0, 0, 0, 0], None),
    ],
)
def test_planes(orientation: list[float], plane: Plane | None) -> None:
    [only] = read(mr_dataset(head_pixels(), ImageOrientationPatient=orientation))
    assert only.origin.plane is plane


# --- what must be refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize("modality", ["CT", "SR", "PR", "US", "SEG"])
def test_other_modalities_are_named(modality: str) -> None:
    refused(mr_dataset(head_pixels(), Modality=modality), UnsupportedImage, f"modality is {modality};")


def test_a_modality_that_is_none_is_not_repeated() -> None:
    refused(mr_dataset(head_pixels(), Modality="BEEBLEBROX"), UnsupportedImage, "not a known one")
    refused(mr_dataset(head_pixels(), Modality=None), UnsupportedImage, "not given")


def test_real_files_of_other_kinds() -> None:
    for name, match in (
        ("CT_small.dcm", "modality is CT"),
        ("test-SR.dcm", "modality is SR"),
        ("rtplan.dcm", "modality is RTPLAN"),
        ("DICOMDIR", "DICOMDIR"),
    ):
        with pytest.raises(UnsupportedImage, match=match):
            list(read_dicom(bundled(name), name))


def test_no_pixels() -> None:
    refused(mr_dataset(head_pixels(), PixelData=None), UnsupportedImage, "no pixel data")


def test_colour() -> None:
    pixels = np.zeros((48, 40), np.uint8)
    rgb = mr_dataset(pixels, PhotometricInterpretation="RGB", SamplesPerPixel=3)
    rgb.PlanarConfiguration = 0
    rgb.PixelData = bytes(48 * 40 * 3)
    refused(rgb, UnsupportedImage, r"in colour \(RGB\)")
    refused(mr_dataset(pixels, PhotometricInterpretation="PALETTE COLOR"), UnsupportedImage, "PALETTE COLOR")
    refused(mr_dataset(pixels, PhotometricInterpretation="BEEBLEBROX"), UnsupportedImage, "unknown")


def test_float_pixels() -> None:
    dataset = mr_dataset(head_pixels(), PixelData=None)
    dataset.FloatPixelData = np.full(48 * 40, np.nan, np.float32).tobytes()
    refused(dataset, UnsupportedImage, "parametric map")


@pytest.mark.parametrize("slope", ["nan", "inf", "0"])
def test_a_rescale_that_makes_no_image(slope: str) -> None:
    data = dicom_bytes(mr_dataset(head_pixels(), RescaleSlope="1111", RescaleIntercept=0))
    broken = data.replace(b"1111", slope.encode().ljust(4))
    with pytest.raises(TumorscopeError, match=r"rescale|corrupted"):
        list(read_dicom(broken, "a"))


def test_claimed_size() -> None:
    refused(mr_dataset(head_pixels(), Rows=30000, Columns=30000), UnreadableImage, "30000 x 30000")
    refused(mr_dataset(head_pixels(), Rows=0), UnreadableImage, "0 pixels")
    refused(mr_dataset(head_pixels(), Rows=None), UnreadableImage, "no Rows")
    refused(mr_dataset(head_pixels(), Rows=400), UnreadableImage, "truncated")
    refused(mr_dataset(head_pixels(), NumberOfFrames=2**30), UnreadableImage, "frames")
    refused(mr_dataset(head_pixels(), BitsStored=20), UnreadableImage, "contradicts")


def test_truncated_anywhere() -> None:
    whole = dicom_bytes(mr_dataset(head_pixels()))
    for kept in range(0, len(whole), 97):
        with pytest.raises(TumorscopeError) as caught:
            list(read_dicom(whole[:kept], "scan.dcm"))
        assert not [secret for secret in SECRETS if secret in str(caught.value)]


def test_a_deflate_bomb() -> None:
    dataset = mr_dataset(head_pixels())
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    head = dicom_bytes(dataset)
    start = head.index(b"1.2.840.10008.1.2.1.99")
    meta_end = 132 + 12 + int.from_bytes(head[140:144], "little")
    assert start < meta_end
    stream = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = b"".join(stream.compress(bytes(1 << 20)) for _ in range(300)) + stream.flush()
    assert len(body) < 400_000
    with pytest.raises(UnreadableImage, match="inflate to more than 64 MiB"):
        list(read_dicom(head[:meta_end] + body, "bomb.dcm"))
    with pytest.raises(UnreadableImage, match=r"truncated|corrupted"):
        list(read_dicom(head[:-40], "cut.dcm"))


@pytest.mark.parametrize("kind", ENCODERS)
def test_codestream_and_header_disagree_in_size(kind: str) -> None:
    syntax, encode = ENCODERS[kind]
    larger = head_pixels(96, 80)
    dataset = mr_dataset(head_pixels(), bits_stored=12)
    # A run-length frame does not tell its size: the decoder counts.
    match = "decoder refused" if kind == "rle" else "80 x 96 pixels against 40 x 48"
    refused(compressed(dataset, [encode(larger)], syntax), UnreadableImage, match)
    smaller = encode(head_pixels(32, 32))
    match = "decoder refused" if kind == "rle" else "32 x 32 pixels against 40 x 48"
    refused(compressed(dataset, [smaller], syntax), UnreadableImage, match)


def test_codestream_and_header_disagree_in_depth() -> None:
    shallow = bytes(imagecodecs.jpeg8_encode(head_pixels(top=255).astype(np.uint8), lossless=True))
    refused(
        compressed(mr_dataset(head_pixels(), 12), [shallow], f"{BASE}.4.70"),
        UnreadableImage,
        "8 bits against 12",
    )
    deep = bytes(jpeg_ls.encode_array(head_pixels(top=65535)))
    refused(
        compressed(mr_dataset(head_pixels(), 12), [deep], f"{BASE}.4.80"), UnreadableImage, "values from 0 to"
    )
    small = mr_dataset(head_pixels(top=255).astype(np.uint8))
    refused(compressed(small, [deep], f"{BASE}.4.80"), UnreadableImage, "16 bits against 8")


def test_codestream_of_another_family_or_colour() -> None:
    stream = bytes(jpeg_ls.encode_array(head_pixels()))
    refused(
        compressed(mr_dataset(head_pixels()), [stream], f"{BASE}.4.70"),
        UnreadableImage,
        "another JPEG family",
    )
    colour = bytes(imagecodecs.jpeg8_encode(np.zeros((48, 40, 3), np.uint8)))
    dataset = mr_dataset(np.zeros((48, 40), np.uint8))
    refused(compressed(dataset, [colour], f"{BASE}.4.50"), UnreadableImage, "3 components")


@pytest.mark.parametrize("kind", ENCODERS)
def test_damaged_codestreams(kind: str) -> None:
    syntax, encode = ENCODERS[kind]
    whole = encode(head_pixels())
    for broken in (b"\0\0", whole[:10], whole[: len(whole) // 3], bytes(len(whole))):
        refused(compressed(mr_dataset(head_pixels(), 12), [broken], syntax), UnreadableImage, "scan.dcm: ")


def test_fewer_frames_than_claimed() -> None:
    frames = np.stack([head_pixels()] * 3)
    streams = [bytes(jpeg_ls.encode_array(head_pixels()))] * 2
    refused(compressed(mr_dataset(frames), streams, f"{BASE}.4.80"), UnreadableImage, r"3|corrupted")


def test_mpeg_is_named_as_not_read() -> None:
    refused(
        compressed(mr_dataset(head_pixels()), [b"x" * 99], f"{BASE}.4.102"),
        UnsupportedImage,
        "compressed in a way",
    )


def test_identity_in_any_place_stays_out_of_messages() -> None:
    """Every string attribute that the reader looks at, replaced by the patient's name."""
    whole = dicom_bytes(
        mr_dataset(
            head_pixels(),
            RescaleSlope="1111",
            RescaleIntercept="2222",
            WindowCenter="3333",
            WindowWidth="4444",
            PresentationLUTShape="IDENTITY",
        )
    )
    places = (
        b"MONOCHROME2",
        b"1111",
        b"2222",
        b"3333",
        b"4444",
        b"IDENTITY",
        b"MR",
        b"1.2.840.10008.1.2.1",
        b"0.8\\0.5",
    )
    for place in places:
        assert place in whole
        broken = whole.replace(place, (b"Zaphod Beeblebrox" * 2)[: len(place)])
        shown = "".join(traceback.format_exception(_failure_of(broken)))
        assert "aphod" not in shown, place


def _failure_of(content: bytes) -> TumorscopeError:
    try:
        list(read_dicom(content, "scan.dcm"))
    except TumorscopeError as error:
        return error
    return TumorscopeError("it was read")
