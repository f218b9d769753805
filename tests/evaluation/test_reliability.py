"""Calibration error, Brier score and reliability bins agree with scikit-learn and with a case done by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from evaluation_cases import made_table
from tumorscope.core.errors import InvalidManifest
from tumorscope.evaluation.calibration import METHODS, cross_fitted_logits
from tumorscope.evaluation.metrics import losses, softmax
from tumorscope.evaluation.predictions import PredictionTable
from tumorscope.evaluation.reliability import (
    brier_scores,
    calibration_error,
    calibration_part,
    reliability_bins,
)


def _table(
    confidence: list[float], right: list[bool], slices: list[str] | None = None
) -> tuple[PredictionTable, NDArray[np.float64]]:
    """Answers of 'glioma' with the given probability, and the probabilities."""
    n = len(confidence)
    sure = np.array(confidence)
    probabilities = np.stack([sure, *[(1.0 - sure) / 3.0] * 3], axis=1)
    table = PredictionTable(
        labels=np.where(right, 0, 1),
        logits=np.log(np.maximum(probabilities, 1e-9)),
        groups=np.arange(n).astype(str),
        slice_ids=np.array(slices) if slices else np.arange(n).astype(str),
        is_patient=np.ones(n, dtype=bool),
    )
    return table, probabilities


def test_an_error_done_by_hand() -> None:
    # Two bins of two: |1/2 - 0.65| and |2/2 - 0.85|, each half of the images.
    table, probabilities = _table([0.9, 0.6, 0.8, 0.7], [True, False, True, True])
    found = calibration_error(probabilities, table, bins=2, resamples=50)
    assert found.value == pytest.approx((0.15 + 0.15) / 2)
    low, high = reliability_bins(probabilities, table, bins=2)
    assert low.images == high.images == 2
    assert [low.confidence, low.accuracy] == pytest.approx([0.65, 0.5])
    assert [high.confidence, high.accuracy] == pytest.approx([0.85, 1.0])
    # Two of two groups right, exactly: (0.025) ** (1 / 2) to 1, never an interval without width.
    assert [high.low, high.high] == pytest.approx([0.025**0.5, 1.0])


def test_copies_share_the_weight_of_a_slice() -> None:
    table, probabilities = _table([0.6, 0.8, 0.9, 0.9], [False, True, True, True], ["a", "b", "c", "c"])
    found = calibration_error(probabilities, table, bins=1, resamples=10)
    assert found.value == pytest.approx(abs(2 / 3 - (0.6 + 0.8 + 0.9) / 3))


@pytest.mark.parametrize("seed", range(3))
def test_bins_are_those_of_scikit_learns_quantile_curve(seed: int) -> None:
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(0.3, 1.0, 15 * 20)
    right = rng.uniform(size=len(confidence)) < confidence**2
    table, probabilities = _table(confidence.tolist(), right.tolist())
    accuracy, mean = calibration_curve(right, confidence, n_bins=15, strategy="quantile")
    bins = reliability_bins(probabilities, table)
    np.testing.assert_allclose([b.accuracy for b in bins], accuracy)
    np.testing.assert_allclose([b.confidence for b in bins], mean)
    expected = np.abs(accuracy - mean).mean()
    assert calibration_error(probabilities, table, resamples=10).value == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(3))
def test_the_brier_score_is_scikit_learns(seed: int) -> None:
    table = made_table(seed)
    probabilities = softmax(table.logits)
    mine = np.average(brier_scores(probabilities, table.labels), weights=table.weights)
    theirs = brier_score_loss(
        table.labels, probabilities, labels=[0, 1, 2, 3], sample_weight=table.weights, scale_by_half=False
    )
    assert mine == pytest.approx(theirs)


def test_brier_1950_rain_or_no_rain() -> None:
    """A sure forecast that fails costs 2, one of even chances 1/2 in two classes."""
    scores = brier_scores(np.array([[1.0, 0, 0, 0], [1, 0, 0, 0], [0.5, 0.5, 0, 0]]), np.array([0, 1, 0]))
    np.testing.assert_allclose(scores, [0.0, 2.0, 0.5])


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(30, 100), st.booleans(), st.integers(1, 3)), min_size=1, max_size=30),
    st.integers(1, 15),
)
def test_the_order_is_nothing_and_copies_of_a_slice_change_nothing(
    rows: list[tuple[int, bool, int]], bins: int
) -> None:
    percent, right, copies = (list(column) for column in zip(*rows, strict=True))
    confidence = [p / 100.0 for p in percent]
    plain = calibration_error(*_swapped(_table(confidence, right)), bins=bins, resamples=5).value
    backwards = calibration_error(*_swapped(_table(confidence[::-1], right[::-1])), bins=bins, resamples=5)
    assert backwards.value == pytest.approx(plain, abs=1e-12)
    repeated = [i for i, count in enumerate(copies) for _ in range(count)]
    more = _table(
        [confidence[i] for i in repeated], [right[i] for i in repeated], [f"s{i}" for i in repeated]
    )
    assert calibration_error(*_swapped(more), bins=bins, resamples=5).value == pytest.approx(plain, abs=1e-9)


def _swapped(
    pair: tuple[PredictionTable, NDArray[np.float64]],
) -> tuple[NDArray[np.float64], PredictionTable]:
    return pair[1], pair[0]


def test_the_interval_is_that_of_whole_groups_drawn_one_by_one() -> None:
    table = made_table(2, groups=12)
    probabilities = softmax(table.logits)
    names = np.unique(table.groups)
    rng, plain = np.random.default_rng(9), []
    for _ in range(600):
        drawn = rng.integers(0, 12, 12)
        rows = np.concatenate([np.flatnonzero(table.groups == names[k]) for k in drawn])
        again = np.concatenate(
            [np.full((table.groups == names[k]).sum(), f"draw {i}") for i, k in enumerate(drawn)]
        )
        taken = PredictionTable(
            labels=table.labels[rows],
            logits=table.logits[rows],
            groups=again,
            slice_ids=np.char.add(again, table.slice_ids[rows]),
            is_patient=table.is_patient[rows],
        )
        plain.append(calibration_error(probabilities[rows], taken, bins=5, resamples=1).value)
    mine = calibration_error(probabilities, table, bins=5, resamples=2000)
    low, high = np.percentile(plain, [2.5, 97.5])
    assert mine.low == pytest.approx(low, abs=0.02)
    assert mine.high == pytest.approx(high, abs=0.03)


def test_overconfident_answers_are_mended_and_both_are_reported() -> None:
    table = made_table(3, groups=120)
    part = calibration_part(replace(table, logits=6.0 * table.logits), resamples=100)
    assert part.method in {"temperature", "vector"}
    assert part.ece.value < 0.5 * part.ece_raw.value
    assert part.brier.value < part.brier_raw.value
    assert set(part.loss_by_method) == set(part.ece_by_method) == set(METHODS)
    assert part.loss_by_method[part.method].value == min(f.value for f in part.loss_by_method.values())
    assert part.ece == part.ece_by_method[part.method]
    assert part.ece_raw == part.ece_by_method["none"]
    assert sum(b.images for b in part.bins) == len(table)
    assert all(b.low <= b.accuracy <= b.high for b in part.bins)


def test_what_only_a_vector_mends_is_mended_by_it() -> None:
    table = made_table(4, groups=300)
    skewed = replace(table, logits=table.logits * [1.0, 1.0, 4.0, 1.0] + [0.0, 3.0, 0.0, 0.0])
    assert calibration_part(skewed).method == "vector"
    assert calibration_part(skewed, resamples=20).method == "vector"
    assert skewed.folds is not None
    logits = cross_fitted_logits("vector", skewed.logits, skewed.labels, skewed.weights, skewed.folds)
    expected = np.average(losses(logits, skewed.labels), weights=skewed.weights)
    found = calibration_part(skewed, resamples=20).loss_by_method["vector"].value
    assert found == pytest.approx(expected)


def test_answers_without_folds_are_refused() -> None:
    with pytest.raises(InvalidManifest, match="out-of-fold"):
        calibration_part(replace(made_table(), folds=None))
