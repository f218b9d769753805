"""What a run with a guide learns from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from fit_once import rows

from tumorscope.models.close_up import CloseUpNetwork
from tumorscope.models.network import build_network
from tumorscope.training.batches import BatchStream, TrainingRows
from tumorscope.training.close_ups import AT_THE_BOX, CLOSE_UPS, close_ups
from tumorscope.training.config import Supervision
from tumorscope.training.module import as_input

PIXELS = 32


@pytest.fixture(scope="module")
def network() -> CloseUpNetwork:
    torch.manual_seed(0)
    guide, reader = build_network("light-cnn", PIXELS), build_network("deep-cnn", PIXELS)
    return CloseUpNetwork(guide, reader, 2, PIXELS, 0.5).eval()


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


def test_tumours_are_moved_in_the_whole_slice_before_close_ups_are_taken(
    network: CloseUpNetwork, data: TrainingRows
) -> None:
    made = close_ups(data, network, rng=np.random.default_rng(2), supervision=Supervision(paste=1.0))
    assert made.weights is not None
    assert made.boxes is not None
    before = np.tile(data.labels[data.rows], CLOSE_UPS)
    pasted = (made.labels != 2) & (before == 2)
    assert pasted.sum() > 0.5 * (before == 2).sum()
    assert np.array_equal(made.labels[before != 2], before[before != 2])
    assert np.isfinite(made.boxes[pasted]).all()
    middles = (made.boxes[pasted, :2] + made.boxes[pasted, 2:]) / 2
    assert ((middles > 0) & (middles < 1)).all(axis=1).mean() > AT_THE_BOX
    assert (made.weights == 1).all()


def test_where_a_tumour_was_taken_out_is_looked_at(network: CloseUpNetwork, data: TrainingRows) -> None:
    settings = Supervision(heal=1.0, heal_weight=0.25)
    made = close_ups(data, network, rng=np.random.default_rng(3), supervision=settings)
    assert made.weights is not None
    assert made.boxes is not None
    assert data.boxes is not None
    before = np.tile(data.labels[data.rows], CLOSE_UPS)
    healed = (made.labels == 2) & (before != 2)
    assert healed.any()
    assert np.isnan(made.boxes[healed]).all()
    assert (made.weights[healed] == 0.25).all()
    assert (made.weights[~healed] == 1).all()
    plain = close_ups(data, network, rng=np.random.default_rng(3))
    assert plain.weights is None


def test_moved_tumours_are_not_moved_again(network: CloseUpNetwork, data: TrainingRows) -> None:
    settings = Supervision(paste=1.0, decoy=1.0)
    made = close_ups(data, network, rng=np.random.default_rng(4), supervision=settings)
    assert made.weights is not None
    numbered = made.images.copy()
    numbered[:, 0, 0], numbered[:, 0, 1] = np.divmod(np.arange(len(numbered)), 256)
    weights = np.linspace(0, 1, len(numbered), dtype=np.float32)
    shown = replace(made, images=numbered, weights=weights)
    for batch in BatchStream(shown, 8, 0, lambda: 0, supervision=settings):
        assert batch.places is not None
        taken = batch.images[:, 0, 0].long().numpy() * 256 + batch.images[:, 0, 1].long().numpy()
        assert np.array_equal(batch.images.numpy(), numbered[taken])
        assert np.array_equal(batch.labels.numpy(), made.labels[taken])
        assert np.array_equal(batch.places.weights.numpy(), weights[taken])
