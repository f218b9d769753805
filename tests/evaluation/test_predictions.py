"""Predictions survive their file bit for bit, and a bad file is named line by line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evaluation_cases import made_table
from tumorscope.core.errors import InvalidManifest, MissingInput
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.dataset.manifest import ImageRecord, Manifest
from tumorscope.evaluation.predictions import (
    COLUMNS,
    PREDICTIONS_NAME,
    PredictionTable,
    read_predictions,
    tabulate,
    write_predictions,
)

HEADER = ",".join(COLUMNS)
GOOD = "a.png,00,glioma,g1,s1,1,1,0.5,0.25,-1.0,0.0"


def test_a_table_survives_its_file(tmp_path: Path) -> None:
    table = made_table()
    write_predictions(table, tmp_path / PREDICTIONS_NAME)
    again = read_predictions(tmp_path)
    np.testing.assert_array_equal(again.labels, table.labels)
    assert again.logits.tobytes() == table.logits.tobytes()
    np.testing.assert_array_equal(again.groups, table.groups)
    np.testing.assert_array_equal(again.slice_ids, table.slice_ids)
    np.testing.assert_array_equal(again.is_patient, table.is_patient)
    assert again.folds is not None
    assert table.folds is not None
    np.testing.assert_array_equal(again.folds, table.folds)
    assert tuple(again.paths) == tuple(table.paths)
    assert tuple(again.hashes) == tuple(table.hashes)


def test_the_header_is_the_one_agreed() -> None:
    assert HEADER == (
        "path,sha256,label,group,slice_id,patient,fold,"
        "logit_glioma,logit_meningioma,logit_notumor,logit_pituitary"
    )


def test_a_leak_is_stamped_into_every_row(tmp_path: Path) -> None:
    clean, leaky = tmp_path / "clean.csv", tmp_path / "leaky.csv"
    write_predictions(made_table(), clean)
    write_predictions(replace(made_table(), leaks={"patient": 12, "file": 1}), leaky)
    assert read_predictions(clean).leaks == {}
    assert read_predictions(leaky).leaks == {"patient": 12, "file": 1}
    lines = leaky.read_text().splitlines()
    assert all(line.endswith(",patient=12 file=1") for line in lines[1:])
    # But for the stamp the files are equal, and taking it off one row does not help.
    assert [line.rpartition(",")[0] for line in lines] == clean.read_text().splitlines()
    leaky.write_text(
        "\n".join([lines[0], *(line.replace("patient=12 file=1", "") for line in lines[1:-1]), lines[-1]])
    )
    assert read_predictions(leaky).leaks == {"patient": 12, "file": 1}


def test_styles_are_kept_where_any_is_known_and_old_files_have_none(tmp_path: Path) -> None:
    plain, styled = tmp_path / "plain.csv", tmp_path / "styled.csv"
    table = made_table()
    styles = np.array(["" if k == 3 else f"style-{k % 11}" for k in range(len(table))])
    write_predictions(table, plain)
    write_predictions(replace(table, styles=styles, leaks={"file": 1}), styled)
    assert plain.read_text().splitlines()[0] == HEADER
    assert styled.read_text().splitlines()[0] == f"{HEADER},style,leaks"
    assert read_predictions(plain).styles is None
    again = read_predictions(styled)
    np.testing.assert_array_equal(again.styles, styles)
    assert again.leaks == {"file": 1}
    with pytest.raises(InvalidManifest, match="1 styles"):
        replace(table, styles=styles[:1])


def test_styles_of_a_manifest_go_beside_the_answers() -> None:
    rows = [
        ImageRecord(Path(f"{k}.png"), key, group=f"g{k}", slice_id=f"s{k}", sha256=f"{k:064x}", style=style)
        for k, (key, style) in enumerate(
            zip(CLASS_ORDER, ("style-1", "style-2", None, "style-1"), strict=True)
        )
    ]
    found = tabulate(Manifest(tuple(rows), Path()), np.zeros((4, 4))).styles
    np.testing.assert_array_equal(found, ["style-1", "style-2", "", "style-1"])
    unknown = Manifest(tuple(replace(row, style=None) for row in rows), Path())
    assert tabulate(unknown, np.zeros((4, 4))).styles is None


def test_folds_may_be_absent(tmp_path: Path) -> None:
    path = tmp_path / "answers.csv"
    write_predictions(replace(made_table(), folds=None, paths=(), hashes=()), path)
    again = read_predictions(path)
    assert again.folds is None
    assert set(again.paths) == {""}


def test_counts_are_of_distinct_slices_groups_and_patients() -> None:
    table = PredictionTable(
        labels=np.array([0, 0, 0, 1]),
        logits=np.zeros((4, 4)),
        groups=np.array(["p1", "p1", "p1", "c1"]),
        slice_ids=np.array(["s1", "s1", "s2", "s3"]),
        is_patient=np.array([True, True, True, False]),
    )
    assert (len(table), table.slices, table.group_count, table.patients) == (4, 3, 2, 1)
    np.testing.assert_array_equal(table.weights, [0.5, 0.5, 1.0, 1.0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\n", "lacks the column 'sha256'"),
        (f"{HEADER},leaks\n{GOOD},patients 3\n", "line 2: leaks is 'patients 3'; kinds and counts"),
        (f"{HEADER}\n", "has no rows"),
        (f"{HEADER}\n{GOOD.replace('glioma', 'gliom')}\n", "line 2: the label is 'gliom'"),
        (f"{HEADER}\n{GOOD}\n{GOOD.replace('0.25', 'x')}\n", "line 3: the fold or a logit is not a number"),
        (f"{HEADER}\n{GOOD.replace('0.25', 'nan')}\n", "line 2: a logit is not finite"),
        (f"{HEADER}\n{GOOD.replace('0.25', 'inf')}\n", "line 2: a logit is not finite"),
        (f"{HEADER}\n{GOOD}\na.png,00,glioma,g1\n", "line 3 ends before the column 'slice_id'"),
        (f"{HEADER}\n{GOOD.replace('g1', '')}\n", "group and slice_id must not be empty"),
        (f"{HEADER}\n{GOOD.replace('s1,1', 's1,yes')}\n", "patient is 'yes'"),
        (f"{HEADER}\n{GOOD}\n{GOOD.replace('1,1,0.5', '1,,0.5')}\n", "only 1 of 2 rows have a fold"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / PREDICTIONS_NAME
    path.write_text(text)
    with pytest.raises(InvalidManifest, match=message) as caught:
        read_predictions(path)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / PREDICTIONS_NAME
    path.write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe")
    with pytest.raises(InvalidManifest, match="not a CSV file in UTF-8"):
        read_predictions(path)


def test_a_run_without_answers_says_how_to_make_them(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="tumorscope train --folds"):
        read_predictions(tmp_path)
    with pytest.raises(MissingInput, match="does not exist"):
        read_predictions(tmp_path / "nowhere.csv")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": np.array([], dtype=np.int64)}, "no rows"),
        ({"labels": np.array([0, 4])}, "not a class position"),
        ({"logits": np.zeros((2, 3))}, r"shape \(2, 3\)"),
        ({"logits": np.array([[0.0] * 4, [0.0, np.nan, 0.0, 0.0]])}, "row 2 .* not finite"),
        ({"groups": np.array(["a"])}, "2 labels but 1 groups"),
        ({"folds": np.array([1])}, "2 labels but 1 folds"),
        ({"paths": ("a",)}, "2 labels but 1 paths"),
    ],
)
def test_columns_that_do_not_fit_together_are_refused(changes: dict[str, object], message: str) -> None:
    good = PredictionTable(
        labels=np.array([0, 1]),
        logits=np.zeros((2, 4)),
        groups=np.array(["a", "b"]),
        slice_ids=np.array(["a", "b"]),
        is_patient=np.array([False, False]),
    )
    with pytest.raises(InvalidManifest, match=message):
        replace(good, **changes)  # type: ignore[arg-type]  # the point of the test
