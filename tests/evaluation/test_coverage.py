"""Cross-fitted sets cover as promised, know nothing of their own fold, and are MAPIE's where MAPIE can make them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from mapie.classification import SplitConformalClassifier
from numpy.typing import NDArray
from scipy import stats
from sklearn.base import BaseEstimator, ClassifierMixin

from evaluation_cases import made_table
from tumorscope.core.errors import InvalidConfiguration, InvalidManifest
from tumorscope.evaluation.calibration import Method
from tumorscope.evaluation.conformal import (
    class_conditional_quantiles,
    draw_weights,
    prediction_sets,
    supports,
)
from tumorscope.evaluation.coverage import coverage_levels, coverage_of_sets, cross_fitted_sets
from tumorscope.evaluation.intervals import mean_figure, share_figure
from tumorscope.evaluation.metrics import softmax
from tumorscope.evaluation.predictions import PredictionTable


class _Answers(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A fitted classifier of scikit-learn's kind whose features are its probabilities."""

    def __init__(self) -> None:
        self.classes_ = np.arange(4)
        self.fitted_ = True

    def fit(self, features: NDArray[np.float64], labels: NDArray[np.int64]) -> _Answers:
        return self

    def predict_proba(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        return features

    def predict(self, features: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.asarray(features.argmax(axis=1))


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95])
def test_sets_are_those_of_mapie_one_class_at_a_time(level: float) -> None:
    """One image a group; class-conditional is MAPIE's LAC calibrated on the images of one class, class by class."""
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 4, 800)
    probabilities = softmax(rng.normal(0.0, 1.0, (800, 4)) + 1.5 * np.eye(4)[labels])
    old, new = slice(0, 400), slice(400, 800)
    quantiles = class_conditional_quantiles(probabilities[old], labels[old], np.ones(400), level)
    mine = 1.0 - probabilities[new] <= quantiles
    for k in range(4):
        of_class = labels[old] == k
        reference = SplitConformalClassifier(
            _Answers(), confidence_level=level, conformity_score="lac", prefit=True
        )
        with pytest.warns(UserWarning, match="less labels"):  # which is the point here
            reference.conformalize(probabilities[old][of_class], labels[old][of_class])
        _, theirs = reference.predict_set(probabilities[new])
        # Mine are rounded up to a millionth, so that 32 bits keep what they hold.
        apart = mine[:, k] != theirs[:, k, 0]
        assert (np.abs(1.0 - probabilities[new][apart, k] - quantiles[k]) < 2e-6).all()
        assert apart.sum() <= 1
        assert 0.1 < theirs[:, k, 0].mean() < 0.9


@pytest.mark.parametrize("method", ["none", "temperature", "vector"])
def test_sets_know_nothing_of_their_own_fold(method: Method) -> None:
    table = made_table(3, groups=120)
    assert table.folds is not None
    here = table.folds == 2
    (plain,) = cross_fitted_sets(table, [0.8], method=method)
    labels = np.where(here, (table.labels + 1) % 4, table.labels)
    (spoiled,) = cross_fitted_sets(replace(table, labels=labels), [0.8], method=method)
    np.testing.assert_array_equal(spoiled[here], plain[here])
    assert (spoiled[~here] != plain[~here]).any()


def test_without_calibration_a_fold_is_measured_by_the_quantiles_of_the_others() -> None:
    table = made_table(4, groups=120)
    assert table.folds is not None
    (found,) = cross_fitted_sets(table, [0.9], method="none")
    probabilities = softmax(table.logits)
    for fold in range(1, 5):
        here = table.folds == fold
        draws = draw_weights(table.labels[~here], table.groups[~here], table.weights[~here])
        quantiles = class_conditional_quantiles(probabilities[~here], table.labels[~here], draws, 0.9)
        np.testing.assert_array_equal(found[here], prediction_sets(probabilities[here], quantiles))


def test_coverage_and_size_done_by_hand() -> None:
    # Glioma: group a has two slices, one covered (one of them twice, as a copy); group b has one, covered.
    table = PredictionTable(
        labels=np.array([0, 0, 0, 0, 1]),
        logits=np.zeros((5, 4)),
        groups=np.array(["a", "a", "a", "b", "c"]),
        slice_ids=np.array(["1", "1", "2", "3", "4"]),
        is_patient=np.ones(5, dtype=bool),
    )
    sets = np.array([[1, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0]], dtype=bool)
    found = coverage_of_sets(table, sets, 0.5, resamples=50)
    assert set(found.classes) == {"glioma", "meningioma"}
    assert found.classes["glioma"].covered.value == pytest.approx((0.5 + 1.0) / 2)
    assert found.classes["glioma"].groups == 2
    assert found.classes["glioma"].supported  # two groups support 2/3
    assert not coverage_of_sets(table, sets, 0.7, resamples=50).classes["glioma"].supported
    assert found.mean_size.value == pytest.approx((1 + 1 + 2 + 3) / 4)
    assert found.sizes == pytest.approx({"0": 0.0, "1": 0.5, "2": 0.25, "3": 0.25, "4": 0.0})


def test_a_level_that_a_class_cannot_support_is_marked_and_always_includes_it() -> None:
    table = made_table(6, groups=120)
    low, high = coverage_levels(table, levels=(0.8, 0.99), resamples=50)
    assert all(part.supported for part in low.classes.values())
    for part in high.classes.values():
        assert not part.supported
        assert part.covered.value == 1.0
        assert part.covered.low < 0.99  # and thirty groups do not prove it
    assert high.sizes["4"] == pytest.approx(1.0)
    assert low.mean_size.value < high.mean_size.value == pytest.approx(4.0)


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95, 0.99])
def test_what_is_supported_is_what_has_a_quantile(level: float) -> None:
    for groups in range(1, 150):
        labels = np.zeros(groups, dtype=np.int64)
        probabilities = np.tile([0.97, 0.01, 0.01, 0.01], (groups, 1))
        quantile = class_conditional_quantiles(probabilities, labels, np.ones(groups), level)[0]
        assert supports(groups, level) == (quantile < 1.0)


def test_a_set_is_never_empty() -> None:
    sets = prediction_sets(np.array([[0.4, 0.3, 0.2, 0.1]]), np.full(4, 0.1))
    np.testing.assert_array_equal(sets, [[True, False, False, False]])


def test_copies_share_the_draw_of_their_slice() -> None:
    labels, groups = np.zeros(4, dtype=np.int64), np.array(["a", "a", "a", "b"])
    found = draw_weights(labels, groups, np.array([0.5, 0.5, 1.0, 1.0]))
    np.testing.assert_allclose(found, [0.25, 0.25, 0.5, 1.0])


@pytest.mark.parametrize(("hits", "groups"), [(0, 10), (3, 10), (47, 49), (60, 60)])
def test_the_interval_of_a_share_is_scipys_exact_one(hits: int, groups: int) -> None:
    found = share_figure(hits / groups, groups)
    exact = stats.binomtest(hits, groups).proportion_ci(0.95, method="exact")
    assert found.low == pytest.approx(exact.low)
    assert found.high == pytest.approx(exact.high)


def test_the_interval_holds_the_promise_where_it_is_kept_and_a_bootstrap_does_not() -> None:
    """160 studies of 49 patients in one class, four folds, with patients of very different difficulty."""
    rng = np.random.default_rng(12)
    level, studies, patients, slices = 0.95, 160, 49, 6
    held, held_by_bootstrap, values = 0, 0, []
    for _ in range(studies):
        group = np.repeat(np.arange(patients), slices)
        score = rng.normal(0.0, 1.5, patients)[group] + rng.normal(0.0, 0.7, len(group)) - 1.0
        logits = np.stack([-score, np.zeros(len(group)), *[np.full(len(group), -4.0)] * 2], axis=1)
        table = PredictionTable(
            labels=np.zeros(len(group), dtype=np.int64),
            logits=logits,
            groups=group.astype(str),
            slice_ids=np.arange(len(group)).astype(str),
            is_patient=np.ones(len(group), dtype=bool),
            folds=group % 4,
        )
        (sets,) = cross_fitted_sets(table, [level], method="none")
        figure = coverage_of_sets(table, sets, level, resamples=1).classes["glioma"].covered
        draws = draw_weights(table.labels, table.groups)
        plain = mean_figure(sets[:, 0], draws, table.groups, resamples=200)
        values.append(figure.value)
        held += figure.low <= level <= figure.high
        held_by_bootstrap += plain.low <= level <= plain.high
    assert float(np.mean(values)) == pytest.approx(level, abs=0.03)
    assert held / studies >= 0.95
    assert held_by_bootstrap / studies < held / studies


@pytest.mark.parametrize("folds", [None, np.ones(len(made_table()), dtype=np.int64)])
def test_answers_without_two_folds_are_refused(folds: NDArray[np.int64] | None) -> None:
    with pytest.raises(InvalidManifest, match="two folds"):
        coverage_levels(replace(made_table(), folds=folds))


def test_two_folds_are_enough_and_a_level_out_of_range_is_not() -> None:
    table = made_table(8, groups=100)
    assert table.folds is not None
    halves = replace(table, folds=table.folds % 2)
    (found,) = coverage_levels(halves, levels=(0.8,), resamples=20)
    assert found.level == 0.8
    assert all(part.covered.value > 0.6 for part in found.classes.values())
    with pytest.raises(InvalidConfiguration, match="between 0 and 1"):
        coverage_levels(table, levels=(1.0,))
