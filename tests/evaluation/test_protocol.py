"""A protocol holds what it promises, and figures carry it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evaluation_cases import made_table
from tumorscope.core.errors import InvalidManifest, LeakySplit
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.evaluation.calibration import cross_fitted_temperatures
from tumorscope.evaluation.document import document
from tumorscope.evaluation.metrics import losses
from tumorscope.evaluation.protocol import Protocol, measure, notes, patient_wise

EXPECTED = {"accuracy", "macro_f1", "balanced_accuracy", "macro_auroc", "loss", "loss_calibrated"} | {
    f"{kind}_{key.value}"
    for kind in ("sensitivity", "specificity", "ppv", "auroc", "ap")
    for key in CLASS_ORDER
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
    with pytest.raises(LeakySplit, match=r"1 group lies in two folds, .*--allow-leaks"):
        patient_wise(replace(table, folds=folds), "x")
    measured = patient_wise(replace(table, folds=folds), "x", allow_leaks=True)
    assert measured.leaks == {"group": 1}


def test_copies_of_other_groups_are_not_patient_wise() -> None:
    table = made_table(4)
    ids, hashes = table.slice_ids.copy(), list(table.hashes)
    others = [int(np.flatnonzero(table.groups == f"group:{number}")[0]) for number in (0, 1, 2, 3)]
    ids[others[1]] = ids[others[0]]
    hashes[others[3]] = hashes[others[2]]
    copied = replace(table, slice_ids=ids, hashes=tuple(hashes))
    with pytest.raises(LeakySplit, match="1 slice, 1 file lie in two folds"):
        patient_wise(copied, "x")
    assert patient_wise(copied, "x", allow_leaks=True).leaks == {"slice": 1, "file": 1}


def test_a_stamp_is_believed_beside_what_is_seen() -> None:
    stamped = replace(made_table(4), leaks={"patient": 2, "group": 1})
    with pytest.raises(LeakySplit, match="2 patients, 1 group lie in two folds"):
        patient_wise(stamped, "x")
    measured = patient_wise(stamped, "x", allow_leaks=True)
    assert measured.leaks == {"patient": 2, "group": 1}
    assert measured.figures == patient_wise(made_table(4), "x").figures
    by_class = dict.fromkeys([key.value for key in CLASS_ORDER], 1)
    assert notes(measured, by_class)[0].startswith("The split leaks: 2 patients, 1 group on two sides of it.")
    found = document(measured, model="m", images_by_class=by_class)
    assert found["leaks"] == {"patient": 2, "group": 1}
    assert found["protocol_meaning"].endswith("But the split leaks, so this does not hold for every image.")


def test_what_does_not_leak_says_so() -> None:
    measured = patient_wise(made_table(4), "x")
    assert measured.leaks == {}
    by_class = dict.fromkeys([key.value for key in CLASS_ORDER], 1)
    found = document(measured, model="m", images_by_class=by_class, further_notes=("Read this first.",))
    assert found["leaks"] == {}
    assert found["notes"][0] == "Read this first."
    assert not any("leak" in note for note in found["notes"])
    assert measure(made_table(4), Protocol.EXTERNAL, "x").leaks is None


def test_external_uses_the_calibration_of_the_bundle() -> None:
    table = replace(made_table(5), folds=None)
    measured = measure(table, Protocol.EXTERNAL, "x", calibrated=table.logits / 2.0)
    assert measured.protocol == "external"
    expected = np.average(losses(table.logits, table.labels, 2.0), weights=table.weights)
    assert measured.figures["loss_calibrated"].value == pytest.approx(expected)


def test_a_reader_is_told_of_few_groups_absent_classes_and_clusters() -> None:
    table = made_table(6, groups=10)
    measured = measure(table, Protocol.EXTERNAL, "x")
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
