"""AUROC and average precision agree with scikit-learn under every weighting, and with cases done by hand."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as reference

from evaluation_cases import made_table
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.evaluation.intervals import figures, group_positions, resampled_counts
from tumorscope.evaluation.metrics import softmax
from tumorscope.evaluation.predictions import PredictionTable
from tumorscope.evaluation.ranking import log_odds, ranking


def _table(labels: list[int], scores: list[float]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Logits whose log-odds of glioma are the scores (up to a constant)."""
    logits = np.zeros((len(labels), 4))
    logits[:, 0] = scores
    return np.array(labels, dtype=np.int64), logits


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("tied", [False, True])
def test_every_resample_is_what_scikit_learn_computes(seed: int, tied: bool) -> None:
    table = made_table(seed, groups=25)
    logits = table.logits.round(0) if tied else table.logits
    position, groups = group_positions(table.groups)
    counts = np.concatenate(list(resampled_counts(groups, 40, seed)))
    found = ranking(table.labels, logits, table.weights)
    drawn = found.resampled(counts, position)
    for row in range(40):
        weights = counts[row, position] * table.weights
        for k, key in enumerate(CLASS_ORDER):
            truth, score = (table.labels == k), log_odds(logits, k)
            if not weights[truth].any():
                assert np.isnan(drawn[f"auroc_{key.value}"][row])
                continue
            auroc = reference.roc_auc_score(truth, score, sample_weight=weights)
            ap = reference.average_precision_score(truth, score, sample_weight=weights)
            assert drawn[f"auroc_{key.value}"][row] == pytest.approx(auroc, abs=1e-10)
            assert drawn[f"ap_{key.value}"][row] == pytest.approx(ap, abs=1e-10)


def test_values_are_those_of_probabilities() -> None:
    table = made_table(4)
    probabilities = softmax(table.logits)
    found = ranking(table.labels, table.logits, table.weights).values
    for k, key in enumerate(CLASS_ORDER):
        truth, options = table.labels == k, {"sample_weight": table.weights}
        assert found[f"auroc_{key.value}"] == pytest.approx(
            reference.roc_auc_score(truth, probabilities[:, k], **options)
        )
        assert found[f"ap_{key.value}"] == pytest.approx(
            reference.average_precision_score(truth, probabilities[:, k], **options)
        )


def test_the_example_of_scikit_learns_manual() -> None:
    """y = 0 0 1 1 with scores 0.1 0.4 0.35 0.8: AUROC 0.75, average precision 0.83."""
    labels, logits = _table([1, 1, 0, 0], [0.1, 0.4, 0.35, 0.8])
    found = ranking(labels, logits, np.ones(4)).values
    assert found["auroc_glioma"] == pytest.approx(0.75)
    assert found["ap_glioma"] == pytest.approx(5 / 6)


def test_answers_that_are_very_sure_are_still_told_apart() -> None:
    labels, logits = _table([1, 0, 0], [60.0, 61.0, 62.0])  # probabilities of all three round to 1
    assert (softmax(logits)[:, 0] == 1.0).all()
    assert ranking(labels, logits, np.ones(3)).values["auroc_glioma"] == 1.0


def test_a_class_that_none_or_all_images_have_is_left_out() -> None:
    labels, logits = _table([1, 1, 0], [0.0, 1.0, 2.0])
    assert set(ranking(labels, logits, np.ones(3)).values) == {
        "auroc_glioma",
        "ap_glioma",
        "auroc_meningioma",
        "ap_meningioma",
        "macro_auroc",
    }
    assert ranking(labels[:2], logits[:2], np.ones(2)).values == {}


def test_a_draw_without_the_class_has_no_figure() -> None:
    labels, logits = _table([0, 1, 1], [0.0, 1.0, 2.0])
    drawn = ranking(labels, logits, np.ones(3)).resampled(
        np.array([[0.0, 1, 2], [1, 1, 1], [3, 0, 0]]), np.arange(3)
    )
    np.testing.assert_array_equal(np.isnan(drawn["auroc_glioma"]), [True, False, True])
    np.testing.assert_array_equal(np.isnan(drawn["ap_glioma"]), [True, False, False])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-3, 3), st.integers(1, 3)), min_size=2, max_size=25))
def test_weights_are_repetitions_and_the_order_is_nothing(rows: list[tuple[int, int, int]]) -> None:
    labels, scores, repeats = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    _, logits = _table(labels.tolist(), scores.tolist())
    found = ranking(labels, logits, repeats.astype(np.float64))
    again = ranking(
        labels[::-1].repeat(repeats[::-1]), logits[::-1].repeat(repeats[::-1], axis=0), np.ones(repeats.sum())
    )
    assert found.values == pytest.approx(again.values)
    once = found.resampled(repeats[np.newaxis].astype(np.float64) / repeats, np.arange(len(labels)))
    for name, value in found.values.items():
        assert once[name][0] == pytest.approx(value)


def test_two_thousand_resamples_of_five_thousand_images_take_seconds() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 5314)
    table = PredictionTable(
        labels=labels,
        logits=rng.normal(0.0, 1.5, (5314, 4)) + 2.5 * np.eye(4)[labels],
        groups=rng.integers(0, 500, 5314).astype(str),
        slice_ids=np.arange(5314).astype(str),
        is_patient=np.ones(5314, dtype=bool),
    )
    begun = time.process_time()
    found = figures(table, {}, resamples=2000)
    assert time.process_time() - begun < 15  # about 1 second when nothing else runs
    figure = found["auroc_glioma"]
    assert 0.002 < figure.high - figure.low < 0.02


def test_figures_come_in_an_order_a_reader_expects() -> None:
    names = list(figures(made_table(1), {"loss": np.zeros(len(made_table(1)))}, resamples=20))
    assert names[:3] == ["accuracy", "macro_f1", "balanced_accuracy"]
    assert names[3:6] == ["sensitivity_glioma", "specificity_glioma", "ppv_glioma"]
    assert names[15:] == [
        *(f"{kind}_{key.value}" for key in CLASS_ORDER for kind in ("auroc", "ap")),
        "macro_auroc",
        "loss",
    ]
