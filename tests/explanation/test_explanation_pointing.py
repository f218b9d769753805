"""Made-up maps with known answers, and the way of a box to the map and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tumorscope.core.errors import InvalidManifest
from tumorscope.core.labels import Diagnosis
from tumorscope.dataset.manifest import Box, ImageRecord
from tumorscope.evaluation.intervals import mean_figure
from tumorscope.evaluation.report import PointingOf
from tumorscope.explanation.box import (
    SquareBox,
    cells_inside,
    centres_inside,
    share_of_head,
    to_image,
    to_square,
)
from tumorscope.explanation.pointing import Target, pointing_figures, pointing_table, target_of
from tumorscope.inference.geometry import lay_over
from tumorscope.preprocess import HeadFrame, find_head

GRID = (10, 10)


def target(
    box: tuple[float, float, float, float],
    diagnosis: Diagnosis = Diagnosis.GLIOMA,
    group: str = "a",
    slice_id: str | None = None,
    size: float | None = None,
) -> Target:
    square = SquareBox(*box)
    area = (square.right - square.left) * (square.bottom - square.top)
    return Target(
        square, area if size is None else size, diagnosis, group, slice_id or f"{group}{box}{diagnosis}"
    )


def blob(row: int, column: int) -> NDArray[np.float32]:
    evidence = np.full(GRID, -1.0, dtype=np.float32)
    evidence[row, column] = 2.0
    return evidence


@st.composite
def heads(draw: st.DrawFn) -> tuple[HeadFrame, tuple[int, int]]:
    height, width = draw(st.integers(16, 600)), draw(st.integers(16, 600))
    top, left = draw(st.integers(0, height - 8)), draw(st.integers(0, width - 8))
    rows, columns = draw(st.integers(1, height - top)), draw(st.integers(1, width - left))
    return HeadFrame(top, left, rows, columns, 0.0, 1.0), (height, width)


boxes = st.builds(Box, st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.floats(0.001, 1.0), st.floats(0.001, 1.0))


@given(heads(), boxes)
def test_a_box_comes_back_from_the_square_as_it_was(
    head: tuple[HeadFrame, tuple[int, int]], box: Box
) -> None:
    frame, shape = head
    assert to_image(to_square(box, frame, shape), frame, shape) == pytest.approx(box, abs=1e-9)


@given(heads())
def test_the_heads_own_box_fills_the_head_and_lies_in_the_middle_of_the_square(
    head: tuple[HeadFrame, tuple[int, int]],
) -> None:
    frame, (height, width) = head
    own = Box(
        (frame.left + frame.width / 2) / width,
        (frame.top + frame.height / 2) / height,
        frame.width / width,
        frame.height / height,
    )
    square = to_square(own, frame, (height, width))
    assert share_of_head(square, frame) == pytest.approx(1.0)
    assert square.left + square.right == pytest.approx(1.0), "left and right margins are equal"
    assert abs(square.top + square.bottom - 1.0) <= 1.0 / frame.side + 1e-9, "top and bottom to one pixel"


@given(heads(), boxes)
def test_shares_are_shares_and_cells_add_up_to_the_box(
    head: tuple[HeadFrame, tuple[int, int]], box: Box
) -> None:
    frame, shape = head
    square = to_square(box, frame, shape)
    assert 0.0 <= share_of_head(square, frame) <= 1.0 + 1e-9
    covered = cells_inside(square, (7, 10))
    width = max(min(square.right, 1.0) - max(square.left, 0.0), 0.0)
    height = max(min(square.bottom, 1.0) - max(square.top, 0.0), 0.0)
    assert covered.sum() / 70 == pytest.approx(width * height, abs=1e-9)
    assert (covered[centres_inside(square, (7, 10))] > 0).all()


@pytest.mark.parametrize("shape", [(200, 200), (260, 170), (150, 233)])
def test_the_picture_shows_the_peak_where_the_game_places_it(shape: tuple[int, int]) -> None:
    """The box of one cell, carried to the image, is where ``lay_over`` draws that cell's maximum."""
    pixels = np.zeros(shape, dtype=np.uint8)
    pixels[20:-30, 15:-25] = 200
    frame = find_head(pixels)
    for cell in [(3, 4), (5, 5), (6, 3)]:
        map_ = np.zeros((1, *GRID), dtype=np.float32)
        map_[0, *cell] = 1.0
        drawn = lay_over(map_, frame, shape)[0]
        row, column = np.unravel_index(drawn.argmax(), shape)
        box = SquareBox(cell[1] / 10, cell[0] / 10, (cell[1] + 1) / 10, (cell[0] + 1) / 10)
        there = to_image(box, frame, shape)
        assert (column + 0.5) / shape[1] == pytest.approx(there.center_x, abs=1.0 / shape[1])
        assert (row + 0.5) / shape[0] == pytest.approx(there.center_y, abs=1.0 / shape[0])


def only(evidence: NDArray[np.float32], wanted: Target) -> PointingOf:
    return pointing_figures(pointing_table(evidence[np.newaxis], [wanted]))[0]


def test_a_perfect_map_hits_and_holds_all_energy() -> None:
    found = only(blob(2, 7), target((0.7, 0.2, 0.8, 0.3)))
    assert (found.pointing.value, found.bound, found.energy.value) == pytest.approx((1.0, 1.0, 1.0))
    assert found.chance == pytest.approx(0.01)


def test_a_map_that_points_elsewhere_misses() -> None:
    found = only(blob(7, 2), target((0.7, 0.2, 0.8, 0.3)))
    assert (found.pointing.value, found.bound, found.energy.value) == (0.0, 1.0, 0.0)


def test_a_uniform_map_gets_no_more_than_the_share_of_the_box() -> None:
    found = only(np.full(GRID, 0.3, dtype=np.float32), target((0.2, 0.2, 0.7, 0.6)))
    assert found.pointing.value == pytest.approx(0.2), "20 of 100 centres"
    assert found.energy.value == pytest.approx(0.2)
    assert found.chance == pytest.approx(0.2)


def test_a_map_without_evidence_for_the_class_has_no_energy() -> None:
    evidence = -np.ones(GRID, dtype=np.float32)
    evidence[4, 4] = -0.5
    found = only(evidence, target((0.4, 0.4, 0.5, 0.5)))
    assert (found.pointing.value, found.energy.value) == (1.0, 0.0), "the least denied place still is a place"


def test_half_a_cell_in_the_box_is_half_its_energy() -> None:
    assert only(blob(4, 4), target((0.4, 0.4, 0.45, 0.5))).energy.value == pytest.approx(0.5)


def test_a_box_between_centres_cannot_be_hit_and_the_bound_says_so() -> None:
    between, around = target((0.46, 0.46, 0.54, 0.54)), target((0.44, 0.44, 0.56, 0.56))
    assert not centres_inside(between.box, GRID).any()
    assert centres_inside(around.box, GRID).sum() == 4
    assert centres_inside(between.box, (9, 9)).sum() == 1, "a grid of 9 has a centre in the middle"
    maps = np.stack([blob(4, 4), blob(4, 4)])
    everything = pointing_figures(pointing_table(maps, [between, around]))[0]
    assert (everything.pointing.value, everything.bound) == (0.5, 0.5)


def test_no_map_beats_the_bound() -> None:
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 0.9, (60, 2))
    targets = [
        target((x, y, x + w, y + h), group=str(k))
        for k, ((x, y), (w, h)) in enumerate(zip(corners, rng.uniform(0.02, 0.2, (60, 2)), strict=True))
    ]
    best = np.stack([centres_inside(each.box, GRID).astype(np.float32) for each in targets])
    best += rng.uniform(0, 0.1, best.shape).astype(np.float32)  # no ties
    everything = pointing_figures(pointing_table(best, targets))[0]
    assert 0.3 < everything.bound < 0.9
    assert everything.pointing.value == pytest.approx(everything.bound)


def test_classes_and_thirds_of_size_are_told_apart() -> None:
    inside = (0.4, 0.4, 0.6, 0.6)
    targets = [
        target(inside, key, group=f"{key}{k}", size=0.01 + 0.01 * k, slice_id=f"{key}{k}")
        for key in (Diagnosis.GLIOMA, Diagnosis.PITUITARY)
        for k in range(6)
    ]
    maps = np.stack(
        [
            blob(5, 5) if each.diagnosis is Diagnosis.GLIOMA or each.size > 0.045 else blob(0, 0)
            for each in targets
        ]
    )
    found = {part.key: part for part in pointing_figures(pointing_table(maps, targets))}
    assert list(found) == ["all", "glioma", "pituitary", "small", "medium", "large"]
    assert [found[key].images for key in found] == [12, 6, 6, 4, 4, 4]
    assert found["glioma"].pointing.value == 1.0
    assert found["pituitary"].pointing.value == pytest.approx(2 / 6)
    assert [found[key].pointing.value for key in ("small", "medium", "large")] == [0.5, 0.5, 1.0]
    assert found["small"].chance == pytest.approx(0.015)


def test_images_of_one_slice_count_once() -> None:
    box = (0.4, 0.4, 0.6, 0.6)
    targets = [target(box, group="a", slice_id="s1")] * 3 + [target(box, group="b", slice_id="s2")]
    maps = np.stack([blob(0, 0)] * 3 + [blob(5, 5)])
    assert pointing_figures(pointing_table(maps, targets))[0].pointing.value == pytest.approx(0.5)


def test_the_interval_follows_groups_not_images() -> None:
    rng = np.random.default_rng(1)
    right = rng.random(30) < 0.5
    values = np.repeat(right, 40).astype(float)
    groups = np.repeat(np.arange(30).astype(str), 40)
    figure = mean_figure(values, np.ones(1200), groups)
    assert figure.value == pytest.approx(right.mean())
    normal = 1.96 * np.sqrt(right.mean() * (1 - right.mean()) / 30)
    assert (figure.high - figure.low) / 2 == pytest.approx(normal, rel=0.15)
    alone = mean_figure(values, np.ones(1200), np.arange(1200).astype(str))
    assert alone.high - alone.low < 0.4 * (figure.high - figure.low)


def test_only_tumours_with_a_box_are_targets() -> None:
    frame = HeadFrame(0, 0, 100, 100, 0.0, 1.0)

    def row(label: Diagnosis, box: Box | None) -> ImageRecord:
        return ImageRecord(Path("a.png"), label, "g", "s", "0" * 64, box=box)

    box = Box(0.5, 0.5, 0.2, 0.1)
    found = target_of(row(Diagnosis.PITUITARY, box), frame, (100, 100))
    assert found is not None
    assert found.size == pytest.approx(0.02)
    assert (found.diagnosis, found.group) == (Diagnosis.PITUITARY, "g")
    assert target_of(row(Diagnosis.NOTUMOR, box), frame, (100, 100)) is None
    assert target_of(row(Diagnosis.GLIOMA, None), frame, (100, 100)) is None
    assert target_of(row(Diagnosis.GLIOMA, Box(0.5, 0.5, 0.0, 0.1)), frame, (100, 100)) is None


def test_maps_and_boxes_must_match() -> None:
    with pytest.raises(InvalidManifest, match="one map"):
        pointing_table(np.zeros((2, 10, 10)), [target((0, 0, 1, 1))])
    with pytest.raises(InvalidManifest, match="at least one box"):
        pointing_table(np.zeros((0, 10, 10)), [])
