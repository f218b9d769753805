"""A protocol holds what it promises, and figures carry it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evaluation_cases import made_table
from tumorscope.core.errors import InvalidManifest
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.evaluation.calibration import cross_fitted_temperatures
from tumorscope.evaluation.document import document
from tumorscope.evaluation.metrics import losses
from tumorscope.evaluation.protocol import Protocol, external, notes, patient_wise

EXPECTED = {"accuracy", "macro_f1", "balanced_accuracy", "loss", "loss_calibrated"} | {
    f"{kind}_{key.value}" for kind in ("sensitivity", "specificity") for key in CLASS_ORDER
}


def test_out_of_fold_answers_are_measured() -> None:
    table = made_table(1)
    assert table.folds is not None
    measured = patient_wise(table, "tumorscope evaluate")
    assert measured.protocol == "patient-wise"
    assert measured.images == len(table)
    assert measured.slices == 120
    assert measured.groups == 40
    assert measured.patients == 14
    assert measured.command == "tumorscope evaluate"
    assert set(measured.figures) == EXPECTED
    assert np.sum(measured.confusion) == pytest.approx(120)  # copies count once
    assert measured.figures["accuracy"].value == pytest.approx(np.trace(measured.confusion) / 120)
    own = cross_fitted_temperatures(table.logits, table.labels, table.weights, table.folds)
    calibrated = np.average(losses(table.logits, table.labels, own), weights=table.weights)
    assert measured.figures["loss_calibrated"].value == pytest.approx(calibrated)


def test_calibration_mends_overconfident_logits() -> None:
    table = made_table(2)
    measured = patient_wise(replace(table, logits=6.0 * table.logits), "x")
    assert measured.figures["loss_calibrated"].value < 0.6 * measured.figures["loss"].value


@pytest.mark.parametrize("folds", [None, 1])
def test_patient_wise_needs_folds(folds: int | None) -> None:
    table = made_table(3)
    numbers = None if folds is None else np.full(len(table), folds)
    with pytest.raises(InvalidManifest, match="at least two folds"):
        patient_wise(replace(table, folds=numbers), "x")


def test_a_divided_patient_is_not_patient_wise() -> None:
    table = made_table(4)
    assert table.folds is not None
    folds = table.folds.copy()
    row = int(np.flatnonzero(table.groups == table.groups[0])[-1])
    folds[row] = folds[row] % 4 + 1
    with pytest.raises(InvalidManifest, match="1 of 40 groups lie in more than one fold"):
        patient_wise(replace(table, folds=folds), "x")


def test_external_uses_the_temperature_of_the_bundle() -> None:
    table = replace(made_table(5), folds=None)
    measured = external(table, "x", temperature=2.0)
    assert measured.protocol == "external"
    expected = np.average(losses(table.logits, table.labels, 2.0), weights=table.weights)
    assert measured.figures["loss_calibrated"].value == pytest.approx(expected)


def test_a_reader_is_told_of_few_groups_absent_classes_and_clusters() -> None:
    table = made_table(6, groups=10)
    measured = external(table, "x", temperature=1.0)
    told = notes(measured, {"glioma": 3, "meningioma": 0, "notumor": 1, "pituitary": 1})
    assert any("Only 10 groups" in note for note in told)
    assert any("No images of meningioma" in note for note in told)
    assert any("4 of 10 groups are real patients" in note for note in told)


def test_the_document_holds_all_figures_with_their_protocol() -> None:
    measured = patient_wise(made_table(7), "tumorscope evaluate --model RUN")
    found = document(
        measured,
        model="m 1",
        images_by_class=dict.fromkeys(["glioma", "meningioma", "notumor", "pituitary"], 1),
        failures=(("a.png", "empty-input", "a.png: empty"),),
    )
    assert found["protocol"] == Protocol.PATIENT_WISE
    assert set(found["figures"]) == EXPECTED
    assert found["figures"]["accuracy"] == measured.figures["accuracy"].model_dump()
    assert found["failures"] == [
        {"path": "a.png", "error": {"code": "empty-input", "message": "a.png: empty"}}
    ]
    assert found["command"] == "tumorscope evaluate --model RUN"
