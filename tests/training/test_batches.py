"""The order of a run comes from counters: which slice, which copy, from which step on."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tumorscope.training.batches import Batch, BatchStream, TrainingRows
from tumorscope.training.counters import Purpose, draw_order, stream_seed

slices = st.lists(st.integers(1, 4), min_size=1, max_size=30).map(
    lambda copies: [f"s{k}" for k, n in enumerate(copies) for _ in range(n)]
)


@given(slice_ids=slices, seed=st.integers(0, 2**32), epoch=st.integers(0, 10_000))
@settings(max_examples=80, deadline=None)
def test_an_epoch_draws_each_slice_once(slice_ids: list[str], seed: int, epoch: int) -> None:
    order = draw_order(slice_ids, seed, epoch)
    assert sorted(slice_ids[row] for row in order) == sorted(set(slice_ids))


@given(copies=st.integers(1, 6), seed=st.integers(0, 2**32), start=st.integers(0, 100))
@settings(max_examples=50, deadline=None)
def test_over_n_epochs_each_of_n_copies_is_drawn_once(copies: int, seed: int, start: int) -> None:
    slice_ids = [f"s{row % 7}" for row in range(7 * copies)]
    drawn = Counter(row for k in range(copies) for row in draw_order(slice_ids, seed, start + k).tolist())
    assert drawn == Counter(range(7 * copies))


def test_orders_differ_by_epoch_and_by_seed_and_by_nothing_else() -> None:
    slice_ids = [f"s{k}" for k in range(50)]
    orders = {tuple(draw_order(slice_ids, seed, epoch).tolist()) for seed in range(3) for epoch in range(5)}
    assert len(orders) == 15
    before = draw_order(slice_ids, 1, 1).tolist()
    random.seed(5)
    np.random.seed(5)
    torch.manual_seed(5)
    assert draw_order(slice_ids, 1, 1).tolist() == before


def test_places_and_purposes_never_share_a_seed() -> None:
    seeds = {
        stream_seed(seed, purpose, epoch, step)
        for seed in range(3)
        for purpose in Purpose
        for epoch in range(5)
        for step in range(20)
    }
    assert len(seeds) == 3 * len(Purpose) * 5 * 20
    assert all(0 <= seed < 2**63 for seed in seeds)


def _rows() -> TrainingRows:
    images = np.arange(30, dtype=np.uint8)[:, None, None] * np.ones((30, 4, 4), dtype=np.uint8)
    rows = np.arange(2, 30)  # the first two belong to another part
    return TrainingRows(images, np.arange(30) % 4, tuple(f"s{row // 2}" for row in range(30)), rows)


def _stream(position: int, batch_size: int = 4, seed: int = 3) -> BatchStream:
    return BatchStream(_rows(), batch_size, seed, position=lambda: position)


def _content(batches: list[Batch]) -> list[tuple[list[int], list[int], int, int]]:
    return [(b.images[:, 0, 0].tolist(), b.labels.tolist(), b.epoch, b.step) for b in batches]


def test_batches_hold_images_and_labels_of_the_same_rows() -> None:
    stream = _stream(0)
    batches = list(stream)
    assert len(batches) == len(stream) == 3  # 14 slices, 4 a batch, the rest waits for another epoch
    shown = [row for rows, _, _, _ in _content(batches) for row in rows]
    assert len({row // 2 for row in shown}) == len(shown) == 12
    assert min(shown) >= 2
    for batch in batches:
        assert batch.images.dtype == torch.uint8
        assert batch.images.shape == (4, 4, 4)
        assert batch.labels.tolist() == [row % 4 for row in batch.images[:, 0, 0].tolist()]
    assert [(batch.epoch, batch.step) for batch in batches] == [(0, 0), (0, 1), (0, 2)]


@pytest.mark.parametrize("epoch", [0, 1, 7])
@pytest.mark.parametrize("step", [0, 1, 2])
def test_from_a_step_on_exactly_the_remaining_batches_come(epoch: int, step: int) -> None:
    torch.manual_seed(epoch)
    whole = _content(list(_stream(3 * epoch)))
    torch.manual_seed(99)
    np.random.seed(99)
    assert _content(list(_stream(3 * epoch + step))) == whole[step:]
    assert whole[0][2] == epoch


def test_fewer_slices_than_a_batch_make_one_smaller_batch() -> None:
    stream = _stream(0, batch_size=100)
    (batch,) = list(stream)
    assert len(stream) == 1
    assert len(batch.labels) == 14
