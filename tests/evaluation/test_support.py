"""One group promises nothing, and figures of several are left as they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evaluation_cases import made_table
from tumorscope.evaluation.intervals import figures
from tumorscope.evaluation.metrics import losses
from tumorscope.evaluation.predictions import PredictionTable
from tumorscope.evaluation.protocol import Protocol, measure, patient_wise
from tumorscope.evaluation.support import few_groups_notes, without_false_certainty


def _part(table: PredictionTable, rows: np.ndarray) -> PredictionTable:
    names = ("labels", "logits", "groups", "slice_ids", "is_patient")
    picked = {name: getattr(table, name)[rows] for name in names}
    folds = None if table.folds is None else table.folds[rows]
    return replace(table, **picked, folds=folds, paths=(), hashes=())


def test_figures_of_many_groups_are_left_as_they_are() -> None:
    table = made_table()
    plain = figures(table, {"loss": losses(table.logits, table.labels)})
    assert without_false_certainty(plain, table) == plain
    assert few_groups_notes(table) == ()


def test_of_one_group_no_interval_is_pretended() -> None:
    table = made_table()
    one = _part(table, np.flatnonzero(table.groups == "group:3"))
    bare = figures(one, {"loss": losses(one.logits, one.labels)})
    assert bare["loss"].low == bare["loss"].high  # what the bootstrap says
    found = measure(one, Protocol.EXTERNAL, "")
    assert {(figure.low, figure.high) for figure in found.figures.values()} == {(0.0, 1.0)}
    assert found.figures["accuracy"].value == bare["accuracy"].value
    assert "loss" not in found.figures
    assert np.sum(found.confusion) == pytest.approx(one.slices)
    assert any("of one group" in note for note in few_groups_notes(one))


def test_a_class_of_one_group_keeps_its_rates_open_and_leaves_the_others_alone() -> None:
    table = made_table()
    gliomas = np.unique(table.groups[table.labels == 0])
    assert len(gliomas) > 1
    few = _part(table, np.flatnonzero((table.labels != 0) | (table.groups == gliomas[0])))
    bare, found = figures(few, {}), measure(few, Protocol.EXTERNAL, "").figures
    for kind in ("sensitivity", "auroc", "ap"):
        assert (found[f"{kind}_glioma"].low, found[f"{kind}_glioma"].high) == (0.0, 1.0)
        assert found[f"{kind}_meningioma"] == bare[f"{kind}_meningioma"]
    assert found["specificity_glioma"] == bare["specificity_glioma"]
    (note,) = few_groups_notes(few)
    assert note.startswith("A single group each of glioma:")


def test_a_fold_of_one_patient_is_named_and_measured() -> None:
    table = made_table()
    assert table.folds is not None
    rows = np.flatnonzero((table.folds != 2) | (table.groups == "group:1"))
    few = _part(table, rows)
    found = patient_wise(few, "")
    assert all(np.isfinite([figure.low, figure.high]).all() for figure in found.figures.values())
    (note,) = few_groups_notes(few)
    assert note.startswith("Fewer than 2 groups in fold 2:")


def test_two_folds_of_a_patient_each_are_measured_without_anything_undefined() -> None:
    table = made_table()
    few = _part(table, np.flatnonzero(np.isin(table.groups, ["group:0", "group:1"])))
    found = patient_wise(few, "")
    numbers = [
        number for figure in found.figures.values() for number in (figure.value, figure.low, figure.high)
    ]
    assert np.isfinite(numbers).all()
    assert any("in fold 1, 2:" in note for note in few_groups_notes(few))
