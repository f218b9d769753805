"""Calibration undoes a known over-confidence, and cross-fitting keeps each fold out of its own fit."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from bundle_factory import make_card
from evaluation_cases import made_table
from tumorscope.core.card import ModelCard, VectorScaling
from tumorscope.core.errors import InvalidManifest
from tumorscope.evaluation.calibration import (
    METHODS,
    TEMPERATURE_RANGE,
    Method,
    Scaling,
    choose_method,
    cross_fitted_logits,
    cross_fitted_temperatures,
    fit_scaling,
    fit_temperature,
    fit_vector_scaling,
    least_loss,
    scaling_of,
)
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


def test_a_known_vector_scaling_is_found() -> None:
    logits, labels = _honest(15_000, 3)
    scale, bias = np.array([0.5, 1.0, 2.0, 1.5]), np.array([0.6, -0.2, -0.5, 0.1])
    found = fit_vector_scaling((logits - bias) / scale, labels, np.ones(len(labels)))
    np.testing.assert_allclose(found.scale, scale, rtol=0.08)
    np.testing.assert_allclose(found.bias, bias - bias.mean(), atol=0.08)


def test_no_other_vector_scaling_has_a_smaller_penalised_loss() -> None:
    table = made_table(5)
    found = fit_vector_scaling(table.logits, table.labels, table.weights)
    middle = 1.0 / fit_temperature(table.logits, table.labels, table.weights)

    def penalised(scaling: Scaling) -> float:
        loss = table.weights @ losses(scaling.apply(table.logits), table.labels)
        return float(loss + 0.5 * ((scaling.scale / middle - 1.0) ** 2).sum() + 0.5 * (scaling.bias**2).sum())

    best, rng = penalised(found), np.random.default_rng(0)
    for size in (1e-3, 1e-1):
        for _ in range(50):
            other = Scaling(
                found.scale + size * rng.normal(size=4) * middle, found.bias + size * rng.normal(size=4)
            )
            assert penalised(other) > best


def test_weights_of_a_vector_scaling_count_as_repetitions() -> None:
    logits, labels = _honest(200, 4)
    twice = fit_vector_scaling(np.vstack([logits, logits[:50]]), np.append(labels, labels[:50]), np.ones(250))
    weights = np.ones(200)
    weights[:50] = 2.0
    once = fit_vector_scaling(logits, labels, weights)
    np.testing.assert_allclose(once.scale, twice.scale, rtol=1e-4)
    np.testing.assert_allclose(once.bias, twice.bias, atol=1e-4)


def test_a_vector_scaling_cannot_explode() -> None:
    """Every answer right, one class absent: the loss alone would send scales and biases to infinity."""
    labels = np.array([0, 1, 2] * 20)
    logits = 0.5 * np.eye(4)[labels]
    found = fit_vector_scaling(logits, labels, np.ones(60))
    assert np.isfinite(found.scale).all()
    assert (np.abs(found.bias) < 5.0).all()
    assert (found.scale <= 1.0 / TEMPERATURE_RANGE[0] + 1e-9).all()
    assert (found.scale >= 1.0 / TEMPERATURE_RANGE[1] - 1e-9).all()
    assert np.isfinite(found.apply(1e4 * logits)).all()


def test_the_class_order_is_nothing_to_a_vector_scaling() -> None:
    table = made_table(6)
    order = np.array([2, 0, 3, 1])
    plain = fit_vector_scaling(table.logits, table.labels, table.weights)
    other = fit_vector_scaling(table.logits[:, order], np.argsort(order)[table.labels], table.weights)
    np.testing.assert_allclose(other.scale, plain.scale[order], rtol=1e-4)
    np.testing.assert_allclose(other.bias, plain.bias[order], atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_cross_fitted_logits_know_nothing_of_their_own_fold(method: Method) -> None:
    table = made_table(7)
    assert table.folds is not None
    found = cross_fitted_logits(method, table.logits, table.labels, table.weights, table.folds)
    here = table.folds == 3
    own = fit_scaling(method, table.logits[~here], table.labels[~here], table.weights[~here])
    np.testing.assert_allclose(found[here], own.apply(table.logits[here]))
    spoiled = table.labels.copy()
    spoiled[here] = (spoiled[here] + 1) % 4
    again = cross_fitted_logits(method, table.logits, spoiled, table.weights, table.folds)
    np.testing.assert_array_equal(again[here], found[here])
    if method == "none":
        np.testing.assert_array_equal(found, table.logits)
    else:
        assert not np.allclose(again[~here], found[~here])


def test_a_temperature_is_the_same_either_way() -> None:
    table = made_table(9)
    assert table.folds is not None
    arguments = (table.logits, table.labels, table.weights, table.folds)
    np.testing.assert_allclose(
        cross_fitted_logits("temperature", *arguments),
        table.logits / cross_fitted_temperatures(*arguments)[:, None],
    )


@pytest.mark.parametrize(
    ("spoil", "chosen"),
    [
        (Scaling(np.ones(4), np.zeros(4)), "none"),
        (Scaling(np.full(4, 3.0), np.zeros(4)), "temperature"),
        (Scaling(np.array([0.5, 1.0, 2.0, 1.5]), np.array([1.0, -1.0, 0.5, -0.5])), "vector"),
    ],
)
def test_what_is_chosen_is_what_undoes_the_fault(spoil: Scaling, chosen: Method) -> None:
    # Of honest answers the plain ones win by a hair or, by chance, lose: this seed is one of the former.
    logits, labels = _honest(4_000, 3)
    folds = np.arange(4_000) % 4
    assert choose_method(spoil.apply(logits), labels, np.ones(4_000), folds) == chosen


def test_the_choice_is_by_folds_that_were_not_fitted_on() -> None:
    """A fault of one fold alone: fitted on everything the vector scaling would win, on the others it loses."""
    logits, labels = _honest(400, 6)
    folds = np.arange(400) // 100
    weights = np.ones(400)
    spoiled = logits + np.array([1.5, -1.5, 0.0, 0.0]) * (folds == 2)[:, None]
    whole = {
        name: losses(fit_scaling(name, spoiled, labels, weights).apply(spoiled), labels) for name in METHODS
    }
    assert whole["vector"].mean() < min(whole["none"].mean(), whole["temperature"].mean())
    assert choose_method(spoiled, labels, weights, folds) != "vector"


def test_the_choice_counts_copies_once() -> None:
    """Half of the images want a vector scaling, and weigh nothing."""
    logits, labels = _honest(2_000, 7)
    spoiled = np.vstack([logits[:1000], logits[1000:] * [0.5, 1.0, 2.0, 1.5] + [1.0, -1.0, 0.5, -0.5]])
    folds = np.arange(2_000) % 4
    heavy, light = np.repeat([1.0, 1e-9], 1000), np.repeat([1e-9, 1.0], 1000)
    assert choose_method(spoiled, labels, heavy, folds) == "none"
    assert choose_method(spoiled, labels, light, folds) == "vector"


@pytest.mark.parametrize("folds", [None, np.ones(120, dtype=np.int64)])
def test_without_folds_it_is_a_temperature(folds: NDArray[np.int64] | None) -> None:
    logits, labels = _honest(120, 8)
    assert choose_method(logits, labels, np.ones(120), folds) == "temperature"


def test_of_equal_methods_the_simplest_is_taken() -> None:
    assert least_loss({"vector": 0.2, "temperature": 0.2, "none": 0.2}) == "none"
    assert least_loss({"vector": 0.2, "temperature": 0.2, "none": 0.3}) == "temperature"
    assert least_loss({"none": 0.2, "temperature": 0.2, "vector": 0.1}) == "vector"


def test_a_card_says_how_logits_become_probabilities() -> None:
    logits = np.random.default_rng(0).normal(size=(5, 4))
    card = make_card()
    np.testing.assert_allclose(scaling_of(card).apply(logits), logits / 1.5)
    vector = VectorScaling(scale=(0.5, 1.0, 2.0, 1.5), bias=(0.5, -0.5, 0.25, -0.25))
    with_vector = card.model_copy(update={"vector_scaling": vector})
    assert with_vector.temperature == 1.5
    again = ModelCard.model_validate_json(with_vector.model_dump_json())
    np.testing.assert_allclose(scaling_of(again).apply(logits), logits * vector.scale + vector.bias)
