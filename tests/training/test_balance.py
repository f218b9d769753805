"""Classes and patients that count alike."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fit_once import SETTINGS, rows
from hypothesis import given, settings
from hypothesis import strategies as st

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.training.balance import balanced_weights, draw_balanced
from tumorscope.training.batches import BatchStream, TrainingRows, batches_before
from tumorscope.training.config import configure
from tumorscope.training.fit import fit

# Rows as (class, group, slice, copies): a class of one patient with most images, and one with few.
slices = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(1, 3)), min_size=1, max_size=60)


def _expand(drawn: list[tuple[int, int, int]]) -> tuple[list[tuple[int, str]], list[str]]:
    paths, names = [], []
    for number, (label, group, copies) in enumerate(drawn):
        for _ in range(copies):
            paths.append((label, f"g{label}-{group}"))
            names.append(f"s{number}")
    return paths, names


def _even(counts: list[int]) -> bool:
    return max(counts) - min(counts) <= 1


@given(drawn=slices, seed=st.integers(0, 2**32), epoch=st.integers(0, 1000))
@settings(max_examples=80, deadline=None)
def test_no_class_and_no_group_of_a_class_dominates(
    drawn: list[tuple[int, int, int]], seed: int, epoch: int
) -> None:
    paths, names = _expand(drawn)
    order = draw_balanced(paths, names, seed, epoch)
    assert len(order) == len(drawn)
    classes = Counter({label: 0 for label, _ in paths})
    groups = Counter(dict.fromkeys(paths, 0))
    for row in order:
        classes[paths[row][0]] += 1
        groups[paths[row]] += 1
    assert _even(list(classes.values()))
    for label in classes:
        assert _even([count for path, count in groups.items() if path[0] == label])


@given(drawn=slices, seed=st.integers(0, 2**32), epoch=st.integers(0, 1000))
@settings(max_examples=50, deadline=None)
def test_no_slice_of_a_group_comes_again_before_all_came(
    drawn: list[tuple[int, int, int]], seed: int, epoch: int
) -> None:
    paths, names = _expand(drawn)
    alone: list[tuple[str, ...]] = [(group,) for _, group in paths]
    counts = Counter(names[row] for row in draw_balanced(alone, names, seed, epoch))
    inside: dict[str, set[str]] = {}
    for (group,), name in zip(alone, names, strict=True):
        inside.setdefault(group, set()).add(name)
    for members in inside.values():
        assert _even([counts[name] for name in members])


def test_a_slice_that_comes_often_shows_all_its_copies() -> None:
    paths: list[tuple[int, ...]] = [(row,) for row in (0, 0, 1, 1, 1, 1, 1, 1)]
    names = ["a", "a", "b", "c", "d", "e", "f", "g"]
    drawn = Counter(draw_balanced(paths, names, 1, 0).tolist())
    assert sum(drawn[row] for row in (0, 1)) in (3, 4)
    assert abs(drawn[0] - drawn[1]) <= 1


def test_orders_come_from_the_counters_and_every_slice_has_its_turn() -> None:
    paths = [(row % 3,) for row in range(60)]
    names = [f"s{row}" for row in range(60)]
    orders = [draw_balanced(paths, names, 7, epoch).tolist() for epoch in range(12)]
    np.random.seed(1)
    assert draw_balanced(paths, names, 7, 3).tolist() == orders[3]
    assert len({tuple(order) for order in orders}) == 12
    # One class of forty slices gives twenty an epoch.
    uneven = [(0,)] * 40 + [(1,)] * 5 + [(2,)] * 15
    seen = {row for epoch in range(12) for row in draw_balanced(uneven, names, 7, epoch).tolist()}
    assert seen == set(range(60))


def test_weights_are_against_the_numbers_of_slices_not_of_copies() -> None:
    labels = [0, 0, 0, 0, 1, 2, 2, 2]
    names = ["a", "a", "a", "b", "c", "d", "e", "f"]
    # Slices: two, one, three, none.
    weights = balanced_weights(labels, names)
    np.testing.assert_allclose(weights, [6 / 3 / 2, 6 / 3, 6 / 3 / 3, 0])
    assert weights.dtype == np.float32


@pytest.fixture(scope="module")
def data() -> TrainingRows:
    """Sixteen slices of glioma, all of one patient, and four of each other class, of two patients each."""
    whole = rows(16)
    kept = [row for row in whole.rows if whole.labels[row] == 0 or row % 16 < 4]
    groups = tuple(
        "one" if label == 0 else group for label, group in zip(whole.labels, whole.groups or (), strict=True)
    )
    return replace(whole, rows=np.array(kept), groups=groups)


class TestStream:
    @pytest.mark.parametrize(
        ("sampling", "gliomas"), [("slice", 16), ("class", 7), ("patient", 4), ("class-patient", 7)]
    )
    def test_an_epoch_is_as_long_as_before_and_goes_on_where_it_was(
        self, data: TrainingRows, sampling: str, gliomas: int
    ) -> None:
        def stream(position: int) -> BatchStream:
            chosen = configure("light-cnn", [f"sampling={sampling}"]).sampling
            return BatchStream(data, 4, 1, lambda: position, sampling=chosen)

        whole = [batch.images.sum().item() for batch in stream(0)]
        labels = Counter(label for batch in stream(0) for label in batch.labels.tolist())
        assert len(whole) == len(stream(0)) == data.distinct // 4 == 7
        assert [batch.images.sum().item() for batch in stream(3)] == whole[3:]
        assert labels[0] == gliomas

    def test_patients_cannot_be_drawn_evenly_where_nobody_knows_them(self, data: TrainingRows) -> None:
        with pytest.raises(
            InvalidConfiguration, match=r"sampling=patient needs to know .*; train with sampling=class"
        ):
            BatchStream(replace(data, groups=None), 4, 1, lambda: 0, sampling="patient")


@pytest.mark.parametrize(("steps", "batches"), [(0, 0), (1, 3), (2, 6), (3, 7), (4, 10), (6, 14)])
def test_steps_of_several_batches_end_with_the_epoch(steps: int, batches: int) -> None:
    """Seven batches an epoch, three a step: steps of three, three and one."""
    assert batches_before(steps, 7, 3) == batches


def test_weighing_changes_what_is_learnt_and_is_written_nowhere(tmp_path: Path) -> None:
    data = rows(4)
    uneven = replace(data, rows=data.rows[(data.labels[data.rows] == 0) | (data.rows % 4 == 0)])
    trained = {}
    for choice in ("none", "balanced"):
        config = configure("light-cnn", [*SETTINGS, "epochs=1", "ema_decay=0", f"class_weights={choice}"])
        trained[choice] = fit(config, uneven, data, tmp_path / choice, progress=False).state_dict()
    assert trained["none"].keys() == trained["balanced"].keys()
    assert not any("class_weights" in name for name in trained["balanced"])
    assert any(not trained["none"][name].equal(trained["balanced"][name]) for name in trained["none"])
