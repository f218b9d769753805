"""Several processes divide each step among them: nothing is lost, nothing is doubled."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.training.batches import BatchStream, TrainingRows
from tumorscope.training.counters import Purpose, stream_seed
from tumorscope.training.parts import Part, even_steps


def _data() -> TrainingRows:
    images = np.arange(30, dtype=np.uint8)[:, None, None] * np.ones((30, 4, 4), dtype=np.uint8)
    return TrainingRows(images, np.arange(30) % 4, tuple(f"s{row // 2}" for row in range(30)), np.arange(30))


@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize("position", [0, 2, 5])
def test_the_parts_of_a_batch_are_the_batch(count: int, position: int) -> None:
    whole = list(BatchStream(_data(), 4, 7, lambda: position))
    parts = [list(BatchStream(_data(), 4, 7, lambda: position, part=Part(k, count))) for k in range(count)]
    for step, batch in enumerate(whole):
        own = [part[step] for part in parts]
        shown = [row for b in own for row in b.images[:, 0, 0].tolist()]
        assert sorted(shown) == sorted(batch.images[:, 0, 0].tolist())
        assert {(b.epoch, b.step, b.parts, b.whole) for b in own} == {(batch.epoch, batch.step, count, 4)}
        assert [b.part for b in own] == list(range(count))
        # The mean over processes of (share times mean loss) is the mean over all images of the step.
        losses = [b.share * b.images[:, 0, 0].float().mean().item() for b in own]
        assert np.mean(losses) == pytest.approx(batch.images[:, 0, 0].float().mean().item())
        assert sum(b.counted for b in own) == 4 * count
    assert [len(part) for part in parts] == [len(whole)] * count
    assert {batch.share for batch in whole} == {1.0}


@given(rows=st.integers(2, 90), size=st.integers(2, 20), count=st.integers(1, 5))
def test_steps_leave_no_process_without_an_image(rows: int, size: int, count: int) -> None:
    if min(rows, size) < count:
        return
    steps = even_steps(np.arange(rows), size, count)
    assert np.concatenate(steps).tolist() == list(range(rows))
    for step in steps:
        assert count <= len(step) < 2 * max(size, 1) or count == 1
        shared = np.concatenate([Part(k, count).of(step) for k in range(count)])
        assert sorted(shared.tolist()) == step.tolist()
        assert all(len(Part(k, count).of(step)) for k in range(count)) or count > len(step)


def test_more_processes_than_images_a_step_are_refused() -> None:
    with pytest.raises(InvalidConfiguration, match="a step has 4 images, and 5 processes share it"):
        BatchStream(_data(), 4, 7, lambda: 0, part=Part(0, 5))


def test_no_two_processes_draw_the_same_and_the_first_draws_as_one_alone() -> None:
    seeds = {stream_seed(3, purpose, 2, 5, part) for purpose in Purpose for part in range(6)}
    assert len(seeds) == 6 * len(Purpose)
    assert stream_seed(3, Purpose.LAYERS, 2, 5, 0) == stream_seed(3, Purpose.LAYERS, 2, 5)
