"""Models against each other: on what both answered, and corrected for many pairs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evaluation_cases import made_table
from tumorscope.evaluation.comparison import compare
from tumorscope.evaluation.predictions import PredictionTable
from tumorscope.study.pairing import holm, paired_tests


def _better(table: PredictionTable) -> PredictionTable:
    return replace(table, logits=table.logits + 1.5 * np.eye(4)[table.labels])


def _first_fold(table: PredictionTable) -> PredictionTable:
    return table.subset(np.flatnonzero(np.asarray(table.folds) == 1))


def test_every_pair_is_compared_once_and_says_what_compare_says() -> None:
    table = made_table()
    tests, notes = paired_tests("official", {"a": table, "b": _better(table), "c": table})
    assert [(test.first, test.second) for test in tests] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert notes == ()
    whole = compare(table, _better(table))
    assert tests[0].difference["accuracy"] == whole.differences["accuracy"].difference
    assert tests[0].difference["accuracy"].low > 0
    assert tests[0].p_clustered == whole.mcnemar_clustered.p
    assert tests[1].p_clustered == 1.0
    assert tests[1].difference["loss"].value == 0.0
    assert tests[0].p_holm == pytest.approx(3 * min(tests[0].p_clustered, tests[2].p_clustered))


def test_a_model_with_one_fold_is_compared_on_this_fold() -> None:
    table = made_table()
    part = _first_fold(_better(table))
    (test,), notes = paired_tests("patient-wise", {"a": table, "b": part})
    assert test.images == len(part) < len(table)
    assert test.groups == part.group_count
    assert notes == ()


def test_models_with_nothing_in_common_are_told_and_not_compared() -> None:
    table = made_table()
    elsewhere = replace(table, hashes=tuple(f"{digest}0" for digest in table.hashes))
    tests, notes = paired_tests("patient-wise", {"a": table, "b": elsewhere})
    assert tests == ()
    assert notes == ("a and b cannot be compared under patient-wise: they have no image in common.",)


def test_holm_corrects_and_keeps_the_order() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
