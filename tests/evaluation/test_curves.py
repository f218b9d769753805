"""Curves are those of scikit-learn, with ties and copies, and stay what they are when they are thinned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics as reference

from evaluation_cases import made_table
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.evaluation.curves import class_curves, precision_recall_points, roc_points
from tumorscope.evaluation.predictions import PredictionTable
from tumorscope.evaluation.ranking import log_odds, ranking
from tumorscope.evaluation.report import Parts

CASES = [(seed, digits, copies) for seed in range(4) for digits in (None, 0) for copies in (1, 3)]


def _table(seed: int, digits: int | None, copies: int, groups: int = 60) -> PredictionTable:
    """Random answers; rounded ones tie within and across classes, copies weigh a part of an image."""
    table = made_table(seed, groups=groups, copies=copies)
    return table if digits is None else replace(table, logits=table.logits.round(digits))


@pytest.mark.parametrize(("seed", "digits", "copies"), CASES)
def test_every_point_is_what_scikit_learn_computes(seed: int, digits: int | None, copies: int) -> None:
    table = _table(seed, digits, copies)
    weights = table.weights
    assert (len(np.unique(weights)) > 1) == (copies > 1)
    for k in range(len(CLASS_ORDER)):
        truth, scores = table.labels == k, log_odds(table.logits, k)
        assert (len(np.unique(scores)) < len(scores)) == (digits is not None)
        expected = reference.roc_curve(truth, scores, sample_weight=weights, drop_intermediate=False)
        np.testing.assert_allclose(roc_points(scores, truth, weights), expected[:2], atol=1e-12)
        precision, recall, _ = reference.precision_recall_curve(truth, scores, sample_weight=weights)
        # Theirs falls from full recall to none, has a point (0, 1) without a threshold, and goes on after full recall.
        rising = np.stack([recall[-2::-1], precision[-2::-1]])
        whole = rising[:, : int(np.argmax(rising[0] > 1 - 1e-12)) + 1]
        found = np.stack(precision_recall_points(scores, truth, weights))
        np.testing.assert_allclose(found[:, 1:], whole, atol=1e-12)
        np.testing.assert_allclose(found[:, 0], [0.0, whole[1, 0]])


@pytest.mark.parametrize(("seed", "digits", "copies"), CASES)
def test_the_areas_under_them_are_auroc_and_average_precision(
    seed: int, digits: int | None, copies: int
) -> None:
    table = _table(seed, digits, copies)
    areas = ranking(table.labels, table.logits, table.weights).values
    for curve in class_curves(table, points=10_000):
        area = np.trapezoid(curve.sensitivity, curve.false_positive_rate)
        assert area == pytest.approx(areas[f"auroc_{curve.key}"], abs=1e-5)
        steps = np.diff(curve.recall) @ np.array(curve.precision)[1:]
        assert steps == pytest.approx(areas[f"ap_{curve.key}"], abs=1e-5)


@pytest.mark.parametrize("points", [2, 10, 100])
def test_a_thinned_curve_keeps_its_ends_and_its_way(points: int) -> None:
    table = _table(1, None, 2, groups=1500)
    whole = class_curves(table, points=100_000)
    for curve, full in zip(class_curves(table, points), whole, strict=True):
        for names in (("false_positive_rate", "sensitivity"), ("recall", "precision")):
            kept = np.array([getattr(curve, name) for name in names]).T
            every = np.array([getattr(full, name) for name in names]).T
            assert 2 <= len(kept) <= points < 200 < len(every)
            np.testing.assert_array_equal(kept[[0, -1]], every[[0, -1]])
            assert {tuple(point) for point in kept} <= {tuple(point) for point in every}
            assert (np.diff(kept[:, 0]) >= 0).all()
            length = np.abs(np.diff(every, axis=0)).sum()
            away = np.abs(every[:, None] - kept[None]).sum(axis=2).min(axis=1)
            assert away.max() <= length / (points - 1) + 1e-5
        assert (np.diff(curve.sensitivity) >= 0).all()
        if points == 100:
            area = np.trapezoid(curve.sensitivity, curve.false_positive_rate)
            truth = table.labels == [key.value for key in CLASS_ORDER].index(curve.key)
            scores = log_odds(table.logits, int(table.labels[truth][0]))
            expected = reference.roc_auc_score(truth, scores, sample_weight=table.weights)
            assert area == pytest.approx(expected, abs=2e-3)


def test_the_share_is_of_slices_and_a_class_that_none_or_all_have_is_left_out() -> None:
    table = made_table(2)
    assert [curve.key for curve in class_curves(table)] == [key.value for key in CLASS_ORDER]
    glioma = table.labels == 0
    share = len(np.unique(table.slice_ids[glioma])) / len(np.unique(table.slice_ids))
    assert class_curves(table)[0].share == pytest.approx(share)
    assert class_curves(replace(table, labels=np.zeros_like(table.labels))) == ()
    two = class_curves(replace(table, labels=np.where(glioma, 0, 2)))
    assert [curve.key for curve in two] == ["glioma", "notumor"]


def test_a_perfect_and_a_blind_ranking() -> None:
    table = made_table(3, copies=1)
    perfect = class_curves(replace(table, logits=9.0 * np.eye(4)[table.labels]))[1]
    assert (perfect.false_positive_rate, perfect.sensitivity) == ((0.0, 0.0, 1.0), (0.0, 1.0, 1.0))
    assert (perfect.recall, perfect.precision) == ((0.0, 1.0), (1.0, 1.0))
    blind = class_curves(replace(table, logits=np.zeros_like(table.logits)))[1]
    assert (blind.false_positive_rate, blind.sensitivity) == ((0.0, 1.0), (0.0, 1.0))
    assert blind.recall == (0.0, 1.0)
    np.testing.assert_allclose(blind.precision, [blind.share] * 2, atol=1e-6)


def test_they_survive_their_json_and_older_parts_have_none() -> None:
    parts = Parts(curves=class_curves(made_table(4)))
    assert Parts.model_validate_json(parts.model_dump_json()) == parts
    assert Parts.model_validate({"strata": []}).curves == ()
