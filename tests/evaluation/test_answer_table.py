"""A table of answers of other software becomes what our own answers are, or is refused by the line."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evaluation_cases import made_table
from tumorscope.core.errors import InvalidManifest, MissingInput
from tumorscope.dataset.class_names import ClassNames
from tumorscope.evaluation.answer_table import PROBABILITIES, read_answers
from tumorscope.evaluation.metrics import losses
from tumorscope.evaluation.predictions import write_predictions

HEADER = "path,label," + ",".join(PROBABILITIES)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "answers.csv"


def test_probabilities_become_logits_with_the_same_loss(path: Path) -> None:
    path.write_text(f"{HEADER}\na.png,glioma,0.7,0.1,0.1,0.1\nb.png,no tumor,0.2,0.2,0.5995,0.0\n")
    table = read_answers(path)
    assert table.labels.tolist() == [0, 2]
    # The second row sums to 0.9995: within the tolerance, and brought to one.
    np.testing.assert_allclose(
        losses(table.logits, table.labels), [-math.log(0.7), -math.log(0.5995 / 0.9995)], rtol=1e-9
    )
    assert np.isfinite(table.logits).all()
    assert table.groups.tolist() == table.slice_ids.tolist() == ["a.png", "b.png"]
    assert (table.patients, table.folds) == (0, None)


def test_our_own_file_reads_the_same_as_by_the_reader_of_runs(path: Path) -> None:
    table = made_table()
    write_predictions(replace(table, leaks={}), path)
    again = read_answers(path)
    assert again.logits.tobytes() == table.logits.tobytes()
    assert again.groups.tolist() == table.groups.tolist()
    assert again.is_patient.tolist() == table.is_patient.tolist()
    assert again.folds is not None
    assert table.folds is not None
    assert again.folds.tolist() == table.folds.tolist()


def test_further_columns_are_understood_and_names_are_mapped(path: Path) -> None:
    path.write_text(
        f"{HEADER},group,patient,sha256,note\n"
        "a.png,astrocytoma,0.7,0.1,0.1,0.1,p1,1,aa,x\n"
        "b.png,metastasis,0.7,0.1,0.1,0.1,p2,1,bb,x\n"
        "c.png,glioma,0.7,0.1,0.1,0.1,p1,1,aa,x\n"
    )
    table = read_answers(path, ClassNames.parse(["astrocytoma=glioma", "metastasis=skip"]))
    assert (len(table), table.patients, table.group_count, table.slices) == (2, 1, 1, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path," + ",".join(PROBABILITIES), "lacks the column 'label'"),
        ("path,label,probability_glioma\n", "lacks the column 'probability_meningioma'"),
        (f"{HEADER}\n", "has no rows"),
        ("", "lacks the column 'label'"),
        (f"{HEADER}\na,glioma,0.7,0.1,0.1\n", "line 2 ends before its last column"),
        (
            f"{HEADER}\na,glioma,0.7,0.1,0.1,0.1\nb,glioma,0.7,0.1,0.1,0.2\n",
            r"line 3: .* sum to 1.1; four from 0 to 1",
        ),
        (f"{HEADER}\na,glioma,2.0,-1,0,0\n", r"line 2: the probabilities are 2, -1, 0, 0 and sum to 1"),
        (f"{HEADER}\na,glioma,0,0,0,0\n", "sum to 0"),
        (f"{HEADER}\na,glioma,0.7,nan,0.1,0.1\n", "line 2: probability_meningioma is not finite"),
        (f"{HEADER}\na,glioma,0.7,inf,0.1,0.1\n", "line 2: probability_meningioma is not finite"),
        (f"{HEADER}\na,glioma,0.7,,0.1,0.1\n", "line 2: probability_meningioma is not a number"),
        (f"{HEADER}\na,glioma,5.1,-2.2,0.3,0.4\n", "columns named logit_glioma"),
        (f"{HEADER}\na,astrocytoma,0.7,0.1,0.1,0.1\n", "'astrocytoma' is unknown; .* --map-label"),
        (f"{HEADER},fold\na,glioma,0.7,0.1,0.1,0.1,x\n", "line 2: fold is 'x'"),
        (f"{HEADER},fold\na,glioma,1,0,0,0,1\nb,glioma,1,0,0,0,\n", "only 1 of 2 rows have a fold"),
    ],
)
def test_a_bad_table_is_named_in_one_line(path: Path, text: str, message: str) -> None:
    path.write_text(text)
    with pytest.raises(InvalidManifest, match=message) as caught:
        read_answers(path)
    assert "\n" not in str(caught.value)


def test_a_patient_may_be_a_key_and_keeps_its_images_together(path: Path) -> None:
    row = "glioma,0.7,0.1,0.1,0.1"
    path.write_text(f"{HEADER},patient\na,{row},Doe^Jane\nb,{row},Doe^Jane\nc,{row},\nd,{row},1\n")
    table = read_answers(path)
    assert table.is_patient.tolist() == [True, True, False, True]
    assert table.groups[0] == table.groups[1]
    assert (table.group_count, table.patients) == (3, 2)
    path.write_text(f"{HEADER},patient,group\na,{row},P7,g1\nb,{row},,g2\n")
    table = read_answers(path)
    assert (table.groups.tolist(), table.is_patient.tolist()) == (["g1", "g2"], [True, False])


def test_the_key_of_a_patient_is_not_repeated(path: Path) -> None:
    path.write_text(f"{HEADER},patient\na,glioma,0.7,x,0.1,0.1,Doe^Jane\n")
    with pytest.raises(InvalidManifest, match="is not a number") as caught:
        read_answers(path)
    assert "Jane" not in str(caught.value)


def test_no_file_and_no_text(path: Path) -> None:
    with pytest.raises(MissingInput, match="does not exist"):
        read_answers(path)
    path.write_bytes(b"\x89PNG\xff")
    with pytest.raises(InvalidManifest, match="not a CSV file in UTF-8"):
        read_answers(path)
