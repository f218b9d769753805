"""The parts of the search for copies: orientations, thumbnails, vectors, neighbours, fits."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tumorscope.core.labels import Diagnosis
from tumorscope.dataset.copies.candidates import candidates
from tumorscope.dataset.copies.descriptor import DIMENSIONS, FEW, fit_embedding, normalised
from tumorscope.dataset.copies.fitting import Fitted
from tumorscope.dataset.copies.following import following
from tumorscope.dataset.copies.neighbours import Neighbours
from tumorscope.dataset.copies.orientation import (
    ORIENTATIONS,
    after,
    inverse,
    is_reflection,
    turn,
    turn_point,
)
from tumorscope.dataset.copies.pair import CopyKind, Orientation
from tumorscope.dataset.copies.registration import register
from tumorscope.dataset.copies.thumbnail import SIDE, VIEWS, thumbnail
from tumorscope.synthesis.phantom import make_phantom

PICTURE = np.arange(25).reshape(5, 5)


@pytest.fixture(scope="module")
def phantoms() -> list[NDArray[np.uint8]]:
    return [make_phantom(diagnosis, seed, 160).pixels for seed in range(10) for diagnosis in Diagnosis]


@pytest.fixture(scope="module")
def thumbnails(phantoms: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    return np.stack([thumbnail(pixels) for pixels in phantoms])


# orientation


@pytest.mark.parametrize(("one", "two"), list(itertools.product(ORIENTATIONS, ORIENTATIONS)))
def test_two_orientations_after_each_other_are_the_one_named(one: Orientation, two: Orientation) -> None:
    assert np.array_equal(turn(PICTURE, after(one, two)), turn(turn(PICTURE, one), two))


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_the_inverse_lays_a_picture_back(orientation: Orientation) -> None:
    assert np.array_equal(turn(turn(PICTURE, orientation), inverse(orientation)), PICTURE)
    stack = np.stack([PICTURE, PICTURE + 100])
    assert np.array_equal(turn(stack, orientation)[1], turn(stack[1], orientation))


def test_orientations_are_what_numpy_calls_them() -> None:
    assert len({turn(PICTURE, orientation).tobytes() for orientation in ORIENTATIONS}) == 8
    for orientation, quarters in (
        (Orientation.ROTATED_90, 1),
        (Orientation.ROTATED_180, 2),
        (Orientation.ROTATED_270, 3),
    ):
        assert np.array_equal(turn(PICTURE, orientation), np.rot90(PICTURE, quarters))
    assert np.array_equal(turn(PICTURE, Orientation.MIRRORED), np.fliplr(PICTURE))
    assert np.array_equal(turn(PICTURE, Orientation.FLIPPED), np.flipud(PICTURE))
    assert np.array_equal(turn(PICTURE, Orientation.TRANSPOSED), PICTURE.T)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_point_goes_where_its_pixel_goes(orientation: Orientation) -> None:
    marked = np.zeros((5, 5), int)
    marked[0, 3] = 1  # x = 1, y = -2 from the centre
    row, column = np.argwhere(turn(marked, orientation))[0]
    assert turn_point((1, -2), orientation) == (column - 2, row - 2)
    assert is_reflection(orientation) == (
        orientation
        in (Orientation.MIRRORED, Orientation.FLIPPED, Orientation.TRANSPOSED, Orientation.TRANSVERSED)
    )


def test_the_kind_follows_from_the_orientation() -> None:
    kinds = {orientation: orientation.kind for orientation in ORIENTATIONS}
    assert kinds.pop(Orientation.SAME) is CopyKind.NEAR
    assert kinds.pop(Orientation.MIRRORED) is CopyKind.MIRRORED
    assert set(kinds.values()) == {CopyKind.ROTATED}


# thumbnail


@pytest.mark.parametrize(
    "dtype", [np.uint8, np.int8, np.uint16, np.int16, np.int32, np.float32, np.float64, np.bool_]
)
@pytest.mark.parametrize("shape", [(1, 1), (3, 500), (500, 3), (2, 2), (31, 33), (300, 200)])
def test_any_size_and_dtype_gives_a_thumbnail(dtype: type[Any], shape: tuple[int, int]) -> None:
    values = np.random.default_rng(0).integers(0, 100, shape)
    for pixels in (values.astype(dtype), np.zeros(shape, dtype), np.ones(shape, dtype)):
        made = thumbnail(pixels)
        assert made.shape == (len(VIEWS), SIDE, SIDE)
        assert made.dtype == np.uint8


def test_a_huge_image_gives_the_thumbnail_of_the_small_one(phantoms: list[NDArray[np.uint8]]) -> None:
    huge = np.kron(phantoms[0], np.ones((25, 25), np.uint8))
    difference = thumbnail(huge).astype(int) - thumbnail(phantoms[0])
    assert np.abs(difference).mean() < 4


def test_the_range_of_wider_dtypes_does_not_matter(phantoms: list[NDArray[np.uint8]]) -> None:
    stretched = phantoms[0].copy()
    stretched[0, 0], stretched[0, 1] = 0, 255
    plain = thumbnail(stretched).astype(int)
    for other in (
        stretched.astype(np.uint16) * 257,
        stretched.astype(np.float64) / 255 - 3,
        stretched.astype(np.int16) - 1000,
        stretched[:, ::-1][:, ::-1],  # not contiguous
    ):
        assert np.abs(thumbnail(other) - plain).max() <= 2


def test_wide_integers_and_extreme_floats_do_not_overflow() -> None:
    ramp = np.linspace(0, 1, 64)[None].repeat(64, axis=0)
    expected = thumbnail((ramp * 255).astype(np.uint8)).astype(int)
    for pixels in (
        (ramp * 2.0**62).astype(np.int64) - 2**61,
        ramp * 1e300,
        (ramp * 2.0**63).astype(np.uint64),
    ):
        assert np.abs(thumbnail(pixels)[0] - expected[0]).max() <= 2


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_the_thumbnail_of_a_turned_image_is_the_turned_thumbnail(
    phantoms: list[NDArray[np.uint8]], orientation: Orientation
) -> None:
    for pixels in phantoms[:4]:
        difference = thumbnail(turn(pixels, orientation)).astype(int) - turn(thumbnail(pixels), orientation)
        assert np.abs(difference[0]).max() <= 1
        # The box of the head is rounded to whole pixels.
        assert np.abs(difference[1]).mean() < 6


# vectors


def test_gain_and_offset_do_not_matter(thumbnails: NDArray[np.uint8]) -> None:
    dark = (thumbnails[:8, 1] * 0.5 + 40).round().astype(np.uint8)
    one, other = normalised(thumbnails[:8, 1]), normalised(dark)
    for first, second in zip(one, other, strict=True):
        assert np.corrcoef(first.ravel(), second.ravel())[0, 1] > 0.97
    flat = normalised(np.full((1, 32, 32), 200, np.uint8))
    assert np.abs(flat).max() < 1e-3


@pytest.mark.parametrize("count", [1, 2, 5, 80])
def test_vectors_are_unit_finite_and_the_same_again(thumbnails: NDArray[np.uint8], count: int) -> None:
    heads = np.concatenate([thumbnails[:, 1], np.rot90(thumbnails[:, 1], axes=(1, 2))])[:count]
    one, again = (fit_embedding(heads)(normalised(heads)) for _ in range(2))
    assert len(one) == count
    assert count < FEW or one.shape[1] == DIMENSIONS
    assert one.dtype == np.float32
    assert np.array_equal(one, again)
    assert np.allclose(np.linalg.norm(one, axis=1), 1, atol=1e-4)


def test_the_embedding_of_some_rows_is_that_of_those_alone(thumbnails: NDArray[np.uint8]) -> None:
    heads = np.concatenate([turn(thumbnails[:, 1], orientation) for orientation in ORIENTATIONS])
    rows = np.arange(0, len(heads), 3)
    picked, alone = fit_embedding(heads, rows=rows), fit_embedding(heads[rows])
    assert np.array_equal(picked.projection, alone.projection)


def test_the_approximate_index_finds_what_the_exact_one_does() -> None:
    random = np.random.default_rng(0)
    centres = random.normal(size=(300, DIMENSIONS))
    vectors = centres[random.integers(0, 300, 6000)] + random.normal(size=(6000, DIMENSIONS)) * 0.5
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    cosines, exact = Neighbours(vectors, exact=True).nearest(vectors[:300], 6)
    _, near = Neighbours(vectors, exact=False).nearest(vectors[:300], 6)
    assert np.array_equal(exact[:, 0], np.arange(300))
    assert np.allclose(cosines[:, 0], 1, atol=1e-5)
    assert (np.diff(cosines, axis=1) <= 1e-6).all()
    recall = np.mean([len(set(one) & set(two)) / 6 for one, two in zip(exact, near, strict=True)])
    assert recall >= 0.98


def test_fewer_vectors_than_asked_for_are_marked() -> None:
    vectors = np.eye(2, 8, dtype=np.float32)
    _, places = Neighbours(vectors).nearest(vectors, 5)
    assert (places[:, 2:] == -1).all()


# fits


@settings(max_examples=40, deadline=None)
@given(
    scale_x=st.floats(0.88, 1.14),
    scale_y=st.floats(0.88, 1.14),
    shift_x=st.floats(-0.12, 0.12),
    shift_y=st.floats(-0.12, 0.12),
    gain=st.floats(0.3, 3.0),
)
def test_a_known_shift_and_scale_are_recovered(
    scale_x: float, scale_y: float, shift_x: float, shift_y: float, gain: float
) -> None:
    along = ((np.arange(32) + 0.5) / 32) * 2 - 1

    def scene(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float32]:
        x, y = np.meshgrid(x, y)
        waves = np.sin(3 * x + 1) * np.cos(2 * y) + np.sin(2 * x - 4 * y) + np.cos(5 * y + x)
        return waves.astype(np.float32)[None]

    # The fixed picture at x shows what the moving one shows at scale * x + shift.
    moving, fixed = scene(along, along), scene(scale_x * along + shift_x, scale_y * along + shift_y) * gain
    score, warp = register(fixed.astype(np.float32), moving, 10)
    assert score[0] > 0.995
    assert np.allclose(warp[0], [scale_x, shift_x, scale_y, shift_y], atol=0.04)


def test_a_fit_is_never_worse_than_no_fit_and_no_pair_minds_the_others(
    thumbnails: NDArray[np.uint8],
) -> None:
    pictures = normalised(thumbnails[:, 1])
    fixed, moving = pictures[:20], pictures[20:]
    before, _ = register(fixed, moving, 0)
    scores, warps = register(fixed, moving, 4)
    assert (scores >= before).all()
    assert (np.abs(scores) <= 1 + 1e-5).all()
    for row in range(0, 20, 5):
        score, warp = register(fixed[row : row + 1], moving[row : row + 1], 4)
        assert score[0] == pytest.approx(scores[row], abs=1e-4)
        assert np.allclose(warp[0], warps[row], atol=1e-3)


def test_flat_pictures_agree_with_nothing() -> None:
    flat = np.zeros((2, 32, 32), np.float32)
    noise = np.random.default_rng(0).normal(size=(2, 32, 32)).astype(np.float32)
    for fixed, moving in ((flat, noise), (noise, flat), (flat, flat)):
        scores, warps = register(fixed, moving, 3)
        assert np.abs(scores).max() < 0.01
        assert np.isfinite(warps).all()


# candidates and clusters


def test_a_pair_is_proposed_once_whichever_side_sees_it(
    thumbnails: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tumorscope.dataset.copies.candidates._CHUNK", 7)
    heads = np.concatenate([thumbnails[:, 1], np.rot90(thumbnails[:, 1], axes=(1, 2))])
    seen = [
        (first, second, ORIENTATIONS[orientation])
        for run in candidates(heads)
        for first, second, orientation in zip(run.first, run.second, run.orientation, strict=True)
    ]
    pairs = [(first, second) for first, second, _ in seen]
    assert len(set(pairs)) == len(pairs)
    assert all(first < second for first, second in pairs)
    right = {(first, second) for first, second, how in seen if how is Orientation.ROTATED_90}
    assert {(place, place + 40) for place in range(40)} <= right


def test_no_and_one_image_propose_nothing(thumbnails: NDArray[np.uint8]) -> None:
    assert list(candidates(thumbnails[:0, 1])) == []
    assert list(candidates(thumbnails[:1, 1])) == []


def test_a_chain_is_closed_in_the_orientation_that_follows() -> None:
    looks = [Orientation.SAME, Orientation.ROTATED_90, Orientation.TRANSPOSED, Orientation.MIRRORED]
    places = [2, 0, 3, 5]  # a chain 2 - 0 - 3 - 5 of seven images; 1 and 6 are a pair of their own
    links = []
    for (start, one), (end, other) in itertools.pairwise(zip(places, looks, strict=True)):
        step = after(inverse(one), other)
        links.append((start, end, step) if start < end else (end, start, inverse(step)))
    links.append((1, 6, Orientation.SAME))
    found = Fitted(
        np.array([first for first, _, _ in links]),
        np.array([second for _, second, _ in links]),
        np.array([ORIENTATIONS.index(step) for _, _, step in links]),
        np.ones(len(links), np.float32),
    )
    missing = following(found, 7)
    got = {
        (int(first), int(second)): ORIENTATIONS[orientation]
        for first, second, orientation in zip(missing.first, missing.second, missing.orientation, strict=True)
    }
    look = dict(zip(places, looks, strict=True))
    wanted = {(2, 3), (2, 5), (0, 5)}
    assert got == {(first, second): after(inverse(look[first]), look[second]) for first, second in wanted}


def test_nothing_follows_from_nothing() -> None:
    nothing = np.empty(0, np.int64)
    assert len(following(Fitted(nothing, nothing, nothing, np.empty(0, np.float32)), 5)) == 0
