"""Prediction sets cover a slice of a new patient as promised, by class, whatever the number of patients."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.evaluation.conformal import class_conditional_quantiles, draw_weights


def _probabilities(score: NDArray[np.float64], k: int = 0) -> NDArray[np.float64]:
    """Answers whose true class *k* has probability ``1 - score``."""
    table = np.repeat(score[:, None] / 3.0, 4, axis=1)
    table[:, k] = 1.0 - score
    return table


def test_one_image_a_group_is_the_textbook_quantile() -> None:
    score = np.arange(1, 20) / 20.0  # 19 groups: ceil(20 * 0.9) = 18th smallest
    labels = np.zeros(19, dtype=np.int64)
    found = class_conditional_quantiles(_probabilities(score), labels, np.ones(19), 0.9)
    np.testing.assert_allclose(found, [0.9, 1.0, 1.0, 1.0], atol=2e-6)
    assert found[0] >= score[17]


def test_a_coverage_the_groups_cannot_support_includes_the_class_always() -> None:
    labels = np.zeros(18, dtype=np.int64)
    probabilities = _probabilities(np.full(18, 0.01))
    assert class_conditional_quantiles(probabilities, labels, np.ones(18), 0.95)[0] == 1.0
    more = class_conditional_quantiles(
        _probabilities(np.full(19, 0.01)), np.zeros(19, dtype=np.int64), np.ones(19), 0.95
    )
    assert more[0] == pytest.approx(0.01, abs=2e-6)


def test_a_group_counts_once_however_many_images_it_has() -> None:
    labels = np.array([0] * 5 + [1] + [0] * 2, dtype=np.int64)
    groups = np.array(["a"] * 4 + ["b", "a", "c", "c"])
    np.testing.assert_allclose(draw_weights(labels, groups), [0.25] * 4 + [1.0, 1.0, 0.5, 0.5])


def test_rounding_is_upwards_so_that_the_calibration_image_itself_stays_in() -> None:
    score = np.random.default_rng(0).uniform(0.0, 0.5, 99)
    found = class_conditional_quantiles(_probabilities(score), np.zeros(99, dtype=np.int64), np.ones(99), 0.9)
    assert (1.0 - _probabilities(score)[:, 0].astype(np.float32) <= np.float32(found[0])).sum() == 90


@pytest.mark.parametrize("coverage", [0.0, 1.0, -0.5, 1.5])
def test_a_coverage_out_of_range_is_named(coverage: float) -> None:
    with pytest.raises(InvalidConfiguration, match="between 0 and 1"):
        class_conditional_quantiles(np.full((1, 4), 0.25), np.array([0]), np.ones(1), coverage)


@pytest.mark.parametrize(("patients", "coverage"), [(25, 0.9), (60, 0.8), (200, 0.95)])
def test_slices_of_new_patients_are_covered_by_class(patients: int, coverage: float) -> None:
    """Two classes, patients of very different difficulty and size; 400 calibrations each."""
    rng = np.random.default_rng(int(1000 * coverage) + patients)
    hits: list[list[float]] = [[], []]
    for _ in range(400):
        sizes = rng.integers(1, 12, 2 * (patients + 20))
        group = np.repeat(np.arange(len(sizes)), sizes)
        label = (group % 2).astype(np.int64)
        hard = rng.normal(0.0, 1.0, len(sizes))[group] + 0.5 * label
        score = 1.0 / (1.0 + np.exp(-(hard + rng.normal(0.0, 0.5, len(group)))))
        probabilities = np.where(np.eye(4, dtype=bool)[label], (1.0 - score)[:, None], (score / 3.0)[:, None])
        old = group < 2 * patients
        quantiles = class_conditional_quantiles(
            probabilities[old], label[old], draw_weights(label[old], group[old].astype(str)), coverage
        )
        covered = score <= quantiles[label]
        for k in range(2):
            new = ~old & (label == k)
            by_patient = np.bincount(group[new], covered[new]) / np.maximum(np.bincount(group[new]), 1)
            hits[k].append(float(by_patient[np.unique(group[new])].mean()))
    for k in range(2):
        error = np.std(hits[k]) / np.sqrt(len(hits[k]))
        mean = float(np.mean(hits[k]))
        assert mean >= coverage - 3 * error
        assert mean <= coverage + 1.2 / (patients + 1) + 3 * error  # and not by always saying everything
