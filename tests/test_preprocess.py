"""The one function between a slice and the network: what must not change its result, and what it refuses."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from tumorscope.core.errors import UnsupportedImage
from tumorscope.core.labels import CLASS_ORDER, Diagnosis
from tumorscope.core.slice import Slice
from tumorscope.preprocess import MINIMUM_SIDE, HeadFrame, find_head, preprocess
from tumorscope.reading.open import open_slices
from tumorscope.synthesis.phantom import make_phantom

Image = NDArray[Any]

DTYPES = (np.uint8, np.uint16, np.int16, np.float32)


@st.composite
def heads(draw: st.DrawFn, dtypes: tuple[type, ...] = DTYPES) -> Image:
    """An image of any content: noise, a few levels, or a made-up head, in any of the dtypes."""
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    shape = draw(st.tuples(st.integers(MINIMUM_SIDE, 90), st.integers(MINIMUM_SIDE, 90)))
    kind = draw(st.sampled_from(("noise", "levels", "phantom")))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    image: Image
    if kind == "phantom":
        image = make_phantom(draw(st.sampled_from(CLASS_ORDER)), int(rng.integers(100)), size=90).pixels
        image = image[: shape[0], : shape[1]].copy()
    elif kind == "levels":
        image = rng.choice(np.array([0, 1, 10, 25, 100, 250]), shape)
    else:
        image = rng.integers(0, 256, shape)
    image[0, 0], image[-1, -1] = 0, 200  # never constant
    return image.astype(dtype) - dtype.type(draw(st.sampled_from((0, 100)))) * (dtype.kind in "if")


@st.composite
def margins(draw: st.DrawFn) -> tuple[tuple[int, int], tuple[int, int]]:
    side = st.integers(0, 40)
    return (draw(side), draw(side)), (draw(side), draw(side))


sizes = st.integers(32, 224)


@given(image=heads(), size=sizes)
@settings(max_examples=40, deadline=None)
def test_the_result_is_bytes_of_the_wanted_size_and_repeats(image: Image, size: int) -> None:
    before = image.copy()
    first = preprocess(image, size)
    assert first.dtype == np.uint8
    assert first.shape == (size, size)
    np.testing.assert_array_equal(preprocess(image, size), first)
    np.testing.assert_array_equal(image, before)


@given(image=heads(), size=sizes, margin=margins())
@settings(max_examples=150, deadline=None)
def test_padding_with_background_changes_nothing(
    image: Image, size: int, margin: tuple[tuple[int, int], tuple[int, int]]
) -> None:
    padded = np.pad(image, margin, constant_values=image.min())
    np.testing.assert_array_equal(preprocess(padded, size), preprocess(image, size))
    head, moved = find_head(image), find_head(padded)
    assert (moved.top, moved.left) == (head.top + margin[0][0], head.left + margin[1][0])
    assert (moved.height, moved.width, moved.low, moved.high) == (
        head.height,
        head.width,
        head.low,
        head.high,
    )


@given(image=heads((np.uint8,)), size=sizes, factor=st.integers(1, 128))
@settings(max_examples=150, deadline=None)
def test_whole_scaling_of_intensities_stays_within_one_grey_level(
    image: Image, size: int, factor: int
) -> None:
    for dtype in (np.uint16, np.int16, np.uint32):
        scaled = (image.astype(np.int64) * factor).astype(dtype)
        assert _distance(preprocess(scaled, size), preprocess(image, size)) <= 1


@given(image=heads((np.float32, np.float64)), size=sizes, factor=st.floats(1e-6, 1e6))
@settings(max_examples=300, deadline=None)
def test_real_scaling_of_intensities_stays_within_one_grey_level(
    image: Image, size: int, factor: float
) -> None:
    scaled = image * image.dtype.type(factor)
    assert scaled.dtype == image.dtype
    assert _distance(preprocess(scaled, size), preprocess(image, size)) <= 1


@given(image=heads(), size=sizes)
@settings(max_examples=300, deadline=None)
def test_a_flipped_slice_gives_the_flipped_result(image: Image, size: int) -> None:
    np.testing.assert_array_equal(preprocess(image[:, ::-1], size), preprocess(image, size)[:, ::-1])


@pytest.mark.parametrize("height", [16, 17, 63, 64])
@pytest.mark.parametrize("width", [16, 17, 63, 64])
@pytest.mark.parametrize("size", [32, 33, 160, 224])
def test_flips_are_exact_for_odd_and_even_sides(height: int, width: int, size: int) -> None:
    image = np.random.default_rng(height * 100 + width).integers(0, 256, (height, width), dtype=np.uint8)
    np.testing.assert_array_equal(preprocess(image[:, ::-1], size), preprocess(image, size)[:, ::-1])


@given(
    image=hnp.arrays(
        st.sampled_from([np.uint64, np.int64, np.uint32, np.float64, np.float16]),
        (18, 20),
        elements=None,
    )
)
@settings(max_examples=200, deadline=None)
def test_any_bits_give_an_answer_or_a_refusal(image: Image) -> None:
    try:
        result = preprocess(image, 32)
    except UnsupportedImage as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right, an unknown error is not
    else:
        assert result.shape == (32, 32)


def _distance(one: Image, other: Image) -> int:
    return int(np.abs(one.astype(np.int16) - other.astype(np.int16)).max())


class TestFrame:
    """Where the head is found and how it is squared."""

    def test_the_box_is_tight_and_leaves_specks_out(self) -> None:
        image = np.zeros((220, 200), dtype=np.uint8)
        image[20:150, 10:130] = 120
        image[20:80, 10:130] = 60
        image[5, 3] = image[160, 150:152] = 255
        frame = find_head(image)
        assert (frame.top, frame.left, frame.height, frame.width) == (20, 10, 130, 120)
        assert (frame.low, frame.high) == (60.0, 120.0)

    def test_a_flat_head_on_background_is_white_on_black(self) -> None:
        image = np.full((64, 64), 10, dtype=np.uint8)
        image[16:48, 16:48] = 90
        result = preprocess(image, 32)
        assert (result == 255).all()

    def test_percentiles_are_over_the_head_only(self) -> None:
        image = np.zeros((64, 64), dtype=np.uint16)
        image[10:54, 10:54] = np.arange(1000, 1000 + 44 * 44).reshape(44, 44)
        frame = find_head(image)
        assert frame.low == pytest.approx(1000 + 0.01 * 44 * 44, abs=1)
        assert frame.high == pytest.approx(1000 + 0.995 * 44 * 44, abs=1)

    @pytest.mark.parametrize(
        ("height", "width", "side", "offset"),
        [
            (40, 40, 40, (0, 0)),
            (40, 30, 40, (0, 5)),
            (40, 31, 41, (0, 5)),  # 9 columns cannot be halved: the side grows by one
            (41, 30, 42, (0, 6)),
            (30, 40, 40, (5, 0)),
            (31, 40, 40, (4, 0)),  # only left and right must be equal
        ],
    )
    def test_margins_left_and_right_are_equal(
        self, height: int, width: int, side: int, offset: tuple[int, int]
    ) -> None:
        frame = HeadFrame(top=3, left=7, height=height, width=width, low=0, high=1)
        assert frame.side == side
        assert frame.offset == offset
        assert 2 * frame.offset[1] + width == side

    def test_margins_are_black(self) -> None:
        image = np.full((80, 40), 200, dtype=np.uint8)
        image[:, :4] = 100
        image[0, 0] = 0
        result = preprocess(image, 80)
        assert (result[:, :20] == 0).all()
        assert (result[:, 60:] == 0).all()
        assert (result[1:, 25:59] > 0).all()

    def test_a_known_frame_gives_the_same_result(self) -> None:
        pixels = make_phantom(Diagnosis.GLIOMA, 1).pixels
        np.testing.assert_array_equal(
            preprocess(pixels, 64, find_head(pixels)), preprocess(Slice(pixels), 64)
        )


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((1, 1), np.uint8), r"the image is 1 x 1 pixels; at least 16 x 16 are needed"),
        (np.zeros((15, 40), np.uint8), r"the image is 40 x 15 pixels"),
        (np.full((20, 20), 7, np.uint8), r"all 400 pixels have the same value, 7;"),
        (np.full((20, 20), -0.5, np.float32), r"all 400 pixels have the same value, -0\.5;"),
        (np.array([-1.7e308, 1.7e308] * 160).reshape(16, 20), r"run from -1\.7e\+308 to 1\.7e\+308"),
        (np.array([0, 5e-324] * 160).reshape(16, 20), r"run from 0 to "),
        (np.full((20, 20), np.nan, np.float32), r"NaN or infinite values"),
        (np.where(np.eye(20, dtype=bool), np.inf, 0.0), r"NaN or infinite values"),
        (np.zeros((20, 20, 3), np.uint8), r"shape \(20, 20, 3\) and dtype uint8 .* two-dimensional"),
        (np.zeros(400, np.uint8), r"shape \(400,\)"),
        (np.zeros((20, 20), np.complex64), r"dtype complex64 .* integer or floating-point"),
        (np.zeros((20, 20), np.bool_), r"dtype bool"),
        (np.full((20, 20), "a"), r"dtype <U1"),
    ],
)
def test_what_is_no_slice_is_refused_in_one_line(image: Image, message: str) -> None:
    with pytest.raises(UnsupportedImage, match=message) as caught:
        preprocess(image, 32)
    assert "\n" not in str(caught.value)


def test_a_real_slice_gives_the_recorded_bytes(real_data: Path) -> None:
    """Whatever changes this must also change the name of the preprocessing: shipped bundles rest on it."""
    path = real_data / "brain-tumor-mri" / "Testing" / "glioma" / "Te-glTr_0000.jpg"
    result = preprocess(next(iter(open_slices(path))), 160)
    assert hashlib.sha256(result.tobytes()).hexdigest().startswith("1d7958651875d243")


def test_a_made_image_gives_the_recorded_bytes() -> None:
    image = (np.add.outer(np.arange(50) ** 2, 3 * np.arange(70)) % 251).astype(np.uint8)
    image[:6], image[:, -9:] = 0, 0
    assert hashlib.sha256(preprocess(image, 48).tobytes()).hexdigest().startswith("9c6aea99da4d74f1")
