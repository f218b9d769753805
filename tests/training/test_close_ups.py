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
from tumorscope.training.close_ups import AT_THE_BOX, close_ups
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


def test_without_boxes_they_are_where_the_guide_looks(network: CloseUpNetwork, data: TrainingRows) -> None:
    told: list[tuple[int, int]] = []
    made = close_ups(data, network, progress=lambda done, total: told.append((done, total)))
    starts = network.where(as_input(torch.from_numpy(data.images)))
    for row in data.rows:
        top, left = starts[row].tolist()
        assert np.array_equal(made.images[row], data.images[row, top : top + PIXELS, left : left + PIXELS])
    assert not made.images[-8:].any()
    assert told == [(64, 120), (120, 120)]
    assert made.slice_ids == data.slice_ids
    assert np.array_equal(made.labels, data.labels)


def test_most_are_taken_at_the_box(network: CloseUpNetwork, data: TrainingRows) -> None:
    made = close_ups(data, network, rng=np.random.default_rng(0))
    assert made.boxes is not None
    boxed = data.rows[np.isfinite(made.boxes[data.rows]).all(axis=1)]
    assert len(boxed) == 88
    middles = (made.boxes[boxed, :2] + made.boxes[boxed, 2:]) / 2
    inside = ((middles > 0.1) & (middles < 0.9)).all(axis=1).mean()
    assert inside > AT_THE_BOX
    assert np.isnan(made.boxes[data.labels == 2]).all()
    again = close_ups(data, network, rng=np.random.default_rng(0))
    assert np.array_equal(again.images, made.images)


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
    for row in data.rows:
        marked = np.argwhere(made.images[row])
        if np.isfinite(data.boxes[row]).all() and len(marked):
            left, top, right, bottom = made.boxes[row] * PIXELS
            assert (marked >= np.array([top, left]) - 0.51).all()
            assert (marked <= np.array([bottom, right]) - 0.49).all()
