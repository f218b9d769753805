"""What a run with a guide learns from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from fit_once import rows

from tumorscope.models.close_up import CloseUpNetwork
from tumorscope.models.network import build_network
from tumorscope.training.batches import TrainingRows
from tumorscope.training.close_ups import AT_THE_BOX, CLOSE_UPS, close_ups
from tumorscope.training.module import as_input

PIXELS = 32


@pytest.fixture(scope="module")
def network() -> CloseUpNetwork:
    torch.manual_seed(0)
    guide, reader = build_network("light-cnn", PIXELS), build_network("deep-cnn", PIXELS)
    return CloseUpNetwork(guide, reader, 2, PIXELS).eval()


@pytest.fixture(scope="module")
def data() -> TrainingRows:
    """Phantoms of twice the side, of which the last eight are no part of the rows."""
    small = rows(16)
    return replace(small, images=small.images.repeat(2, axis=1).repeat(2, axis=2), rows=small.rows[:-8])


def test_what_is_watched_is_where_the_guide_looks(network: CloseUpNetwork, data: TrainingRows) -> None:
    told: list[tuple[int, int]] = []
    made = close_ups(data, network, progress=lambda done, total: told.append((done, total)))
    starts = network.where(as_input(torch.from_numpy(data.images)))
    for image, row in zip(made.images, data.rows, strict=True):
        top, left = starts[row].tolist()
        assert np.array_equal(image, data.images[row, top : top + PIXELS, left : left + PIXELS])
    assert told == [(64, 120), (120, 120)]
    assert made.slice_ids == tuple(data.slice_ids[row] for row in data.rows)
    assert np.array_equal(made.labels, data.labels[data.rows])
    assert np.array_equal(made.rows, np.arange(120))


def test_close_ups_of_one_image_are_copies_of_one_slice(network: CloseUpNetwork, data: TrainingRows) -> None:
    made = close_ups(data, network, rng=np.random.default_rng(0))
    assert len(made.images) == len(made.rows) == CLOSE_UPS * 120
    assert made.distinct == data.distinct
    for copy in range(CLOSE_UPS):
        assert made.slice_ids[120 * copy : 120 * (copy + 1)] == tuple(
            data.slice_ids[row] for row in data.rows
        )
        assert np.array_equal(made.labels[120 * copy : 120 * (copy + 1)], data.labels[data.rows])
    others = [made.images[:120] != made.images[120 * copy : 120 * (copy + 1)] for copy in range(1, CLOSE_UPS)]
    assert all(other.any(axis=(1, 2)).mean() > 0.8 for other in others)
    again = close_ups(data, network, rng=np.random.default_rng(0))
    assert np.array_equal(again.images, made.images)


def test_most_hold_the_middle_of_the_box_and_it_lies_anywhere(
    network: CloseUpNetwork, data: TrainingRows
) -> None:
    made = close_ups(data, network, rng=np.random.default_rng(0))
    assert made.boxes is not None
    boxed = np.isfinite(made.boxes).all(axis=1)
    assert boxed.sum() == CLOSE_UPS * 88
    assert (made.labels[~boxed] == 2).all()
    middles = (made.boxes[boxed, :2] + made.boxes[boxed, 2:]) / 2
    inside = ((middles > 0.1) & (middles < 0.9)).all(axis=1)
    assert inside.mean() > AT_THE_BOX
    assert (middles[inside].std(axis=0) > 0.1).all()


def test_a_box_goes_with_its_tumour(network: CloseUpNetwork, data: TrainingRows) -> None:
    """What lies in the box of the slice lies in that of the close-up."""
    assert data.boxes is not None
    painted = np.zeros_like(data.images)
    for row in data.rows:
        if np.isfinite(data.boxes[row]).all():
            left, top, right, bottom = (data.boxes[row] * 2 * PIXELS).round().astype(int)
            painted[row, max(top, 0) : bottom, max(left, 0) : right] = 255
    made = close_ups(replace(data, images=painted), network, rng=np.random.default_rng(1))
    assert made.boxes is not None
    seen = 0
    for image, box in zip(made.images, made.boxes, strict=True):
        marked = np.argwhere(image)
        if np.isfinite(box).all() and len(marked):
            seen += 1
            left, top, right, bottom = box * PIXELS
            assert (marked >= np.array([top, left]) - 0.51).all()
            assert (marked <= np.array([bottom, right]) - 0.49).all()
    assert seen > CLOSE_UPS * 60
