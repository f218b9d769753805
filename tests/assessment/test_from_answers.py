"""Calibration and prediction sets of a bundle and of other software: measured as they are, nothing fitted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bundle_factory import TEMPERATURE, make_card
from evaluation_cases import made_table
from tumorscope.assessment.from_answers import parts_of_answers
from tumorscope.core.card import ModelCard, Thresholds, VectorScaling
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.evaluation.metrics import softmax
from tumorscope.evaluation.predictions import PredictionTable

QUANTILES = {"0.80": (0.1, 0.2, 0.3, 1.0), "0.95": (0.6, 0.5, 0.7, 1.0)}


@pytest.fixture
def table() -> PredictionTable:
    return replace(made_table(5), folds=None)


@pytest.fixture
def card() -> ModelCard:
    thresholds = Thresholds(conformal=QUANTILES, novelty_limit=1.0, novelty_false_rejection=0.02)
    return make_card(thresholds=thresholds)


def test_a_bundles_own_temperature_is_measured(table: PredictionTable, card: ModelCard) -> None:
    parts, notes = parts_of_answers(table, card=card)
    part = parts.calibration
    assert part is not None
    assert (part.constants, part.method, part.loss_by_method) == ("model", "temperature", {})
    squared = (softmax(table.logits / TEMPERATURE) - np.eye(4)[table.labels]) ** 2
    assert part.brier.value == pytest.approx(np.average(squared.sum(axis=1), weights=table.weights))
    raw = (softmax(table.logits) - np.eye(4)[table.labels]) ** 2
    assert part.brier_raw.value == pytest.approx(np.average(raw.sum(axis=1), weights=table.weights))
    assert part.ece.value != part.ece_raw.value
    assert sum(one.images for one in part.bins) == len(table)
    assert any("(temperature)" in note and "nothing was fitted on these images" in note for note in notes)


def test_a_vector_scaling_of_the_card_is_the_one_in_use(table: PredictionTable, card: ModelCard) -> None:
    scaling = VectorScaling(scale=(2.0, 0.5, 1.0, 1.0), bias=(0.0, 1.0, -1.0, 0.0))
    part = parts_of_answers(table, card=card.model_copy(update={"vector_scaling": scaling}))[0].calibration
    assert part is not None
    assert part.method == "vector"
    served = softmax(table.logits * np.array(scaling.scale) + np.array(scaling.bias))
    squared = ((served - np.eye(4)[table.labels]) ** 2).sum(axis=1)
    assert part.brier.value == pytest.approx(np.average(squared, weights=table.weights))


def test_a_bundles_own_sets_are_measured_one_draw_a_group(table: PredictionTable, card: ModelCard) -> None:
    parts, _ = parts_of_answers(table, card=card)
    assert [(level.level, level.constants) for level in parts.coverage] == [(0.8, "model"), (0.95, "model")]
    probabilities = softmax(table.logits / TEMPERATURE)
    for level, quantiles in zip(parts.coverage, QUANTILES.values(), strict=True):
        held = 1 - probabilities <= np.array(quantiles)
        held[np.arange(len(table)), probabilities.argmax(axis=1)] = True
        for key in CLASS_ORDER:
            rows = table.labels == key.position
            own = [
                np.average(held[here, key.position], weights=table.weights[here])
                for group in np.unique(table.groups[rows])
                if (here := rows & (table.groups == group)).any()
            ]
            found = level.classes[key.value]
            assert found.covered.value == pytest.approx(np.mean(own))
            assert found.groups == len(own)
            assert found.covered.low < found.covered.high
            assert found.supported == (
                key.value != CLASS_ORDER[3].value
            )  # its quantile is 1: always in the set
        assert level.mean_size.value == pytest.approx(np.average(held.sum(axis=1), weights=table.weights))
    assert parts.coverage[0].mean_size.value < parts.coverage[1].mean_size.value


def test_a_class_without_images_has_no_coverage(table: PredictionTable, card: ModelCard) -> None:
    rows = np.flatnonzero(table.labels != 2)
    names = ("labels", "logits", "groups", "slice_ids", "is_patient")
    part = replace(table, **{name: getattr(table, name)[rows] for name in names}, paths=(), hashes=())
    (level, _) = parts_of_answers(part, card=card)[0].coverage
    assert set(level.classes) == {key.value for key in CLASS_ORDER} - {CLASS_ORDER[2].value}


def test_answers_of_other_software_are_measured_as_given(table: PredictionTable) -> None:
    parts, notes = parts_of_answers(table)
    part = parts.calibration
    assert part is not None
    assert (part.constants, part.method, part.ece) == ("none", "none", part.ece_raw)
    assert parts.coverage == ()
    assert any("Prediction sets were not measured: the answers come without quantiles" in n for n in notes)


def test_of_one_group_nothing_is_promised_and_that_is_said(table: PredictionTable, card: ModelCard) -> None:
    parts, notes = parts_of_answers(replace(table, groups=np.full(len(table), "one")), card=card)
    assert parts.calibration is None
    assert parts.coverage == ()
    assert "Calibration and prediction sets were not measured: all images are of one group." in notes


def test_a_run_keeps_what_is_fitted_on_other_folds(card: ModelCard) -> None:
    part = parts_of_answers(made_table(5))[0]
    assert part.calibration is not None
    assert part.calibration.constants == "other folds"
    assert {level.constants for level in part.coverage} == {"other folds"}
