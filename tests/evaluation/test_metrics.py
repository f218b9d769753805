"""Rates and losses agree with scikit-learn and with sums done by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from evaluation_cases import made_table
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.evaluation.metrics import confusion, losses, rates, softmax


@pytest.mark.parametrize("seed", range(5))
def test_rates_agree_with_scikit_learn(seed: int) -> None:
    table = made_table(seed)
    answers, weights = table.logits.argmax(axis=1), table.weights
    matrix = confusion(table.labels, answers, weights)
    options = {"sample_weight": weights}
    np.testing.assert_allclose(
        matrix, reference.confusion_matrix(table.labels, answers, labels=range(4), **options)
    )
    found = rates(matrix)
    assert found["accuracy"] == pytest.approx(reference.accuracy_score(table.labels, answers, **options))
    assert found["macro_f1"] == pytest.approx(
        reference.f1_score(table.labels, answers, average="macro", **options)
    )
    assert found["balanced_accuracy"] == pytest.approx(
        reference.balanced_accuracy_score(table.labels, answers, **options)
    )
    for k, key in enumerate(CLASS_ORDER):
        truth, said = table.labels == k, answers == k
        assert found[f"sensitivity_{key.value}"] == pytest.approx(
            reference.recall_score(truth, said, **options)
        )
        assert found[f"specificity_{key.value}"] == pytest.approx(
            reference.recall_score(~truth, ~said, **options)
        )
        assert found[f"ppv_{key.value}"] == pytest.approx(reference.precision_score(truth, said, **options))


@pytest.mark.parametrize("seed", range(5))
def test_the_loss_agrees_with_scikit_learn(seed: int) -> None:
    table = made_table(seed)
    for temperature in (0.5, 1.0, 3.0):
        mine = np.average(losses(table.logits, table.labels, temperature), weights=table.weights)
        theirs = reference.log_loss(
            table.labels,
            softmax(table.logits, temperature),
            labels=range(4),
            sample_weight=table.weights,
        )
        assert mine == pytest.approx(theirs)


def test_rates_of_a_case_done_by_hand() -> None:
    # truth:  6 gliomas (4 right, 2 called meningioma), 3 meningiomas (all right), 1 notumor (called glioma)
    matrix = np.array([[4.0, 2, 0, 0], [0, 3, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]])
    found = rates(matrix)
    assert found["accuracy"] == pytest.approx(7 / 10)
    assert found["sensitivity_glioma"] == pytest.approx(4 / 6)
    assert found["specificity_glioma"] == pytest.approx(3 / 4)
    assert found["ppv_glioma"] == pytest.approx(4 / 5)
    assert found["ppv_meningioma"] == pytest.approx(3 / 5)
    assert np.isnan(found["ppv_notumor"])
    assert found["sensitivity_notumor"] == 0.0
    assert np.isnan(found["sensitivity_pituitary"])
    assert found["specificity_pituitary"] == 1.0
    f1 = [2 * 4 / (6 + 5), 2 * 3 / (3 + 5), 0.0]
    assert found["macro_f1"] == pytest.approx(sum(f1) / 3)
    assert found["balanced_accuracy"] == pytest.approx((4 / 6 + 1 + 0) / 3)


def test_a_stack_of_matrices_gives_what_each_gives_alone() -> None:
    rng = np.random.default_rng(3)
    stack = rng.integers(0, 3, (50, 4, 4)).astype(np.float64)
    together = rates(stack)
    for number, matrix in enumerate(stack):
        for name, value in rates(matrix).items():
            np.testing.assert_array_equal(together[name][number], value)


def test_an_empty_matrix_has_no_rates() -> None:
    assert all(np.isnan(value) for value in rates(np.zeros((4, 4))).values())


def test_losses_of_huge_logits_stay_finite() -> None:
    found = losses(np.array([[1e4, 0.0, 0.0, -1e4]] * 2), np.array([0, 3]))
    np.testing.assert_allclose(found, [0.0, 2e4])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30), st.floats(0.1, 10))
def test_rates_do_not_depend_on_the_order_or_the_unit_of_weight(
    pairs: list[tuple[int, int]], unit: float
) -> None:
    labels, answers = (np.array(column, dtype=np.int64) for column in zip(*pairs, strict=True))
    plain = rates(confusion(labels, answers, np.ones(len(labels))))
    other = rates(confusion(labels[::-1], answers[::-1], np.full(len(labels), unit)))
    for name, value in plain.items():
        np.testing.assert_allclose(other[name], value, rtol=1e-9, atol=1e-12)
        assert np.isnan(other[name]) or 0.0 <= other[name] <= 1.0
