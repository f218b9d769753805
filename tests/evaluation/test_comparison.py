"""Comparisons agree with published examples and SciPy, keep their level where patients cluster, and pair images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from evaluation_cases import made_table
from tumorscope.core.errors import InvalidManifest
from tumorscope.evaluation.comparison import clustered_mcnemar, compare, mcnemar
from tumorscope.evaluation.intervals import rate_figures
from tumorscope.evaluation.metrics import losses
from tumorscope.evaluation.predictions import PredictionTable


def _pairs(
    both: int, only_first: int, only_second: int, neither: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    counts = [both, only_first, only_second, neither]
    return np.repeat([True, True, False, False], counts), np.repeat([True, False, True, False], counts)


def _second(table: PredictionTable, seed: int, noise: float = 1.0) -> PredictionTable:
    rng = np.random.default_rng(seed)
    return replace(table, logits=table.logits + rng.normal(0.0, noise, table.logits.shape))


def _taken(table: PredictionTable, rows: NDArray[np.int64]) -> PredictionTable:
    return replace(
        table,
        labels=table.labels[rows],
        logits=table.logits[rows],
        groups=table.groups[rows],
        slice_ids=table.slice_ids[rows],
        is_patient=table.is_patient[rows],
        folds=None,
        paths=[table.paths[i] for i in rows],
        hashes=[table.hashes[i] for i in rows],
    )


def test_the_ratings_of_agresti() -> None:
    """Approval of a prime minister, asked twice: 794, 150, 86, 570; z squared is 17.36 (Categorical Data Analysis)."""
    found = mcnemar(*_pairs(794, 150, 86, 570))
    assert found.method == "chi-squared"
    assert found.statistic == pytest.approx(17.36, abs=0.005)
    assert found.p == pytest.approx(3.1e-5, rel=0.02)
    one_each = clustered_mcnemar(*_pairs(794, 150, 86, 570), np.ones(1600), np.arange(1600))
    assert one_each.statistic == pytest.approx(17.356 * 1599 / 1600, abs=0.001)


@pytest.mark.parametrize(("b", "c"), [(0, 1), (1, 9), (12, 12), (20, 4), (0, 24)])
def test_few_differences_are_tested_exactly(b: int, c: int) -> None:
    found = mcnemar(*_pairs(50, b, c, 7))
    assert found.method == "exact"
    assert found.p == pytest.approx(min(1.0, 2.0 * stats.binom.cdf(min(b, c), b + c, 0.5)))


def test_equal_answers_do_not_differ() -> None:
    table = made_table(1)
    found = compare(table, table, resamples=50)
    assert found.mcnemar.p == found.mcnemar_clustered.p == 1.0
    for difference in found.differences.values():
        assert difference.p == 1.0
        assert [difference.difference.low, difference.difference.high] == [0.0, 0.0]


def test_a_clustered_case_done_by_hand() -> None:
    # Three groups with b - c = 2, 1 and -1: (2/3) * 2**2 / (4 + 1 + 1).
    first = np.array([True, True, True, False, True])
    second = np.array([False, False, False, True, True])
    found = clustered_mcnemar(first, second, np.ones(5), np.array([0, 0, 1, 2, 2]))
    assert found.statistic == pytest.approx(2 / 3 * 4 / 6)
    assert [found.only_first, found.only_second] == [3.0, 1.0]
    assert found.p == pytest.approx(stats.chi2.sf(4 / 9, 1))


def test_clustered_tests_keep_their_level_where_mcnemars_does_not() -> None:
    """No difference, but a patient's ten slices go one way together; 400 studies of 40 patients."""
    rng = np.random.default_rng(3)
    position = np.repeat(np.arange(40), 10)
    rejected = np.zeros(2)
    for _ in range(400):
        leaning = rng.beta(0.5, 0.5, 40)[position]
        differ = rng.uniform(size=400) < 0.5
        first_wins = rng.uniform(size=400) < leaning
        first, second = differ & first_wins, differ & ~first_wins
        rejected += [
            mcnemar(first, second).p < 0.05,
            clustered_mcnemar(first, second, np.ones(400), position).p < 0.05,
        ]
    assert rejected[0] / 400 > 0.2
    assert 0.02 <= rejected[1] / 400 <= 0.08


def test_differences_are_those_of_the_figures() -> None:
    one = made_table(4)
    two = _second(one, 5)
    found = compare(one, two, resamples=300)
    values = [rate_figures(t, {"loss": losses(t.logits, t.labels)}, resamples=2) for t in (one, two)]
    for name, difference in found.differences.items():
        assert difference.difference.value == pytest.approx(values[1][name].value - values[0][name].value)
        assert difference.difference.low <= difference.difference.value <= difference.difference.high
    assert set(found.differences) == {"accuracy", "macro_f1", "loss"}
    assert found.differences["loss"].p < 0.05
    wins = found.mcnemar_clustered.only_second - found.mcnemar_clustered.only_first
    assert wins / found.slices == pytest.approx(found.differences["accuracy"].difference.value)


def test_the_interval_is_scipys_bootstrap_of_groups() -> None:
    one = made_table(6, groups=60, copies=1)
    two = _second(one, 7)
    loss = losses(two.logits, two.labels) - losses(one.logits, one.labels)
    names, position = np.unique(one.groups, return_inverse=True)
    by_group = np.bincount(position, loss) / np.bincount(position)  # all groups have three slices
    assert (np.bincount(position) == 3).all()
    theirs = stats.bootstrap(
        (by_group,), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(0)
    )
    mine = compare(one, two, resamples=4000).differences["loss"].difference
    spread = theirs.confidence_interval.high - theirs.confidence_interval.low
    assert len(names) == 60
    assert mine.low == pytest.approx(theirs.confidence_interval.low, abs=0.06 * spread)
    assert mine.high == pytest.approx(theirs.confidence_interval.high, abs=0.06 * spread)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_the_order_of_either_table_is_nothing_and_turning_round_turns_the_sign(seed: int) -> None:
    one = made_table(seed, groups=15)
    two = _second(one, seed + 1)
    plain = compare(one, two, resamples=60)
    rng = np.random.default_rng(seed)
    mixed = compare(
        _taken(one, rng.permutation(len(one))), _taken(two, rng.permutation(len(two))), resamples=60
    )
    assert mixed.mcnemar == plain.mcnemar
    back = compare(two, one, resamples=60)
    for name, difference in plain.differences.items():
        assert mixed.differences[name].difference.model_dump() == pytest.approx(
            difference.difference.model_dump(), abs=1e-12
        )
        assert back.differences[name].difference.value == pytest.approx(-difference.difference.value)
        assert back.differences[name].difference.low == pytest.approx(-difference.difference.high, abs=1e-12)
        assert back.differences[name].p == pytest.approx(difference.p)
    assert back.mcnemar.only_first == plain.mcnemar.only_second


def test_copies_of_a_slice_count_once() -> None:
    table = made_table(8, copies=1)
    other = _second(table, 9)
    rows = np.concatenate([np.arange(len(table)), np.arange(0, len(table), 2)])
    hashes = [f"{number:064x}" for number in range(len(rows))]
    plain = compare(table, other, resamples=50)
    copied = compare(
        replace(_taken(table, rows), hashes=hashes),
        replace(_taken(other, rows), hashes=hashes),
        resamples=50,
    )
    assert copied.slices == plain.slices == len(table)
    assert copied.mcnemar == plain.mcnemar
    assert copied.mcnemar_clustered.statistic == pytest.approx(plain.mcnemar_clustered.statistic)
    assert copied.differences["accuracy"].difference.value == pytest.approx(
        plain.differences["accuracy"].difference.value
    )


def test_groups_that_either_table_joins_are_one() -> None:
    table = made_table(10, groups=20)
    number = np.array([int(group.partition(":")[2]) for group in table.groups])
    other = replace(_second(table, 1), groups=(number // 2).astype(str))
    assert compare(table, other, resamples=20).groups == 10
    assert compare(other, table, resamples=20).groups == 10


def test_paths_match_where_hashes_are_missing() -> None:
    table = made_table(11)
    other = replace(_second(table, 1), hashes=())
    assert compare(table, other, resamples=20).images == len(table)
    with pytest.raises(InvalidManifest, match="cannot be matched"):
        compare(replace(table, paths=()), other)


def test_different_images_are_refused() -> None:
    table = made_table(12)
    rows = np.arange(len(table) - 1)
    with pytest.raises(
        InvalidManifest, match=f"{len(table)} and {len(table) - 1} of them, {len(table) - 1} in"
    ):
        compare(table, _taken(table, rows))
    hashes = [f"{number + 1:064x}" for number in range(len(table))]
    with pytest.raises(InvalidManifest, match=f"{len(table) - 1} in both by their SHA-256"):
        compare(table, replace(table, hashes=hashes))


def test_different_labels_are_refused() -> None:
    table = made_table(13)
    labels = table.labels.copy()
    labels[:2] = (labels[:2] + 1) % 4
    with pytest.raises(InvalidManifest, match=r"give 2 of \d+ images different labels"):
        compare(table, replace(table, labels=labels))
