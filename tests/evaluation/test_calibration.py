"""A temperature undoes a known over-confidence, and cross-fitting keeps each fold out of its own fit."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from evaluation_cases import made_table
from tumorscope.core.errors import InvalidManifest
from tumorscope.evaluation.calibration import TEMPERATURE_RANGE, cross_fitted_temperatures, fit_temperature
from tumorscope.evaluation.metrics import losses, softmax


def _honest(n: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Logits whose softmax is exactly the chance of each label."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0.0, 2.0, (n, 4))
    chances = softmax(logits).cumsum(axis=1)
    return logits, (rng.uniform(size=(n, 1)) > chances).sum(axis=1).clip(max=3)


@pytest.mark.parametrize("factor", [0.4, 1.0, 3.0])
def test_a_known_scale_is_found(factor: float) -> None:
    logits, labels = _honest(20_000, 1)
    assert fit_temperature(factor * logits, labels, np.ones(len(labels))) == pytest.approx(factor, rel=0.03)


def test_no_other_temperature_has_a_smaller_loss() -> None:
    table = made_table(4)
    best = fit_temperature(table.logits, table.labels, table.weights)

    def loss(temperature: float) -> float:
        return float(np.average(losses(table.logits, table.labels, temperature), weights=table.weights))

    assert all(loss(best) <= loss(t) + 1e-9 for t in np.geomspace(*TEMPERATURE_RANGE, 400))


def test_weights_count_as_repetitions() -> None:
    logits, labels = _honest(200, 2)
    twice = fit_temperature(np.vstack([logits, logits[:50]]), np.append(labels, labels[:50]), np.ones(250))
    weights = np.ones(200)
    weights[:50] = 2.0
    assert fit_temperature(logits, labels, weights) == pytest.approx(twice, rel=1e-4)


def test_answers_that_are_always_right_end_at_the_bound() -> None:
    labels = np.array([0, 1, 2, 3])
    found = fit_temperature(np.eye(4), labels, np.ones(4))
    assert found == pytest.approx(TEMPERATURE_RANGE[0], rel=0.01)


def test_each_fold_gets_the_temperature_of_the_others() -> None:
    table = made_table(7)
    assert table.folds is not None
    found = cross_fitted_temperatures(table.logits, table.labels, table.weights, table.folds)
    for fold in range(1, 5):
        here = table.folds == fold
        own = fit_temperature(table.logits[~here], table.labels[~here], table.weights[~here])
        np.testing.assert_allclose(found[here], own)
    assert len(np.unique(found)) == 4
    spoiled = table.logits.copy()
    spoiled[table.folds == 2] *= 50.0
    again = cross_fitted_temperatures(spoiled, table.labels, table.weights, table.folds)
    np.testing.assert_array_equal(again[table.folds == 2], found[table.folds == 2])
    assert (again[table.folds == 1] != found[table.folds == 1]).all()


def test_one_fold_is_not_enough() -> None:
    table = made_table(8)
    with pytest.raises(InvalidManifest, match="at least two folds"):
        cross_fitted_temperatures(
            table.logits, table.labels, table.weights, np.ones(len(table), dtype=np.int64)
        )
