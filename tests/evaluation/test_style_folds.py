"""The protocol shifted measures answers of models that had not seen a style, and no others."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evaluation_cases import made_table
from tumorscope.assessment.from_answers import parts_of_answers
from tumorscope.cli.main import run
from tumorscope.core.errors import InvalidManifest, LeakySplit
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.dataset.manifest import ImageRecord, Manifest
from tumorscope.evaluation.predictions import PREDICTIONS_NAME, PredictionTable, write_predictions
from tumorscope.evaluation.protocol import Protocol, patient_wise, shifted
from tumorscope.evaluation.style_folds import holds_whole_styles, style_notes, styles_by_fold


def styled_table(seed: int = 1) -> PredictionTable:
    """Two styles a fold: style-1 and style-5 in fold 1, and so on."""
    table = made_table(seed, groups=80)
    assert table.folds is not None
    number = np.array([int(group.partition(":")[2]) for group in table.groups.tolist()])
    return replace(table, styles=np.array([f"style-{k}" for k in table.folds + 4 * (number // 4 % 2)]))


def divided_table() -> PredictionTable:
    """One group more of style-1 in fold 3."""
    table = styled_table()
    assert table.styles is not None
    styles = np.where(table.groups == "group:2", "style-1", table.styles)
    return replace(table, styles=styles)


def test_whole_styles_are_measured_under_their_own_name() -> None:
    table = styled_table()
    assert holds_whole_styles(table)
    assert styles_by_fold(table) == {k: (f"style-{k}", f"style-{k + 4}") for k in (1, 2, 3, 4)}
    measured = shifted(table, "x")
    assert measured.protocol == "shifted"
    assert "no image of its intensity style" in Protocol(measured.protocol).meaning
    assert (measured.figures, measured.leaks) == (patient_wise(table, "x").figures, {})


def test_a_style_in_two_folds_is_refused_whatever_is_allowed() -> None:
    table = divided_table()
    assert not holds_whole_styles(table)
    for allow in (False, True):
        with pytest.raises(
            InvalidManifest, match="1 of 8 styles lie in two folds or more, the first is style-1 in"
        ) as e:
            shifted(table, "x", allow_leaks=allow)
        assert "folds 1, 3," in str(e.value)
        assert "--by-style --folds K" in str(e.value)
        assert "\n" not in str(e.value)
    assert patient_wise(table, "x").protocol == "patient-wise"


def test_answers_without_a_style_or_folds_are_refused() -> None:
    table = styled_table()
    assert table.styles is not None
    styles = table.styles.copy()
    styles[:3] = ""
    for found, count in ((styles, "3 of"), (None, f"{len(table)} of")):
        with pytest.raises(
            InvalidManifest, match=f"^{count} .* answers have no style .* --by-style --folds K"
        ):
            shifted(replace(table, styles=found), "x")
        assert not holds_whole_styles(replace(table, styles=found))
    with pytest.raises(InvalidManifest, match="the protocol shifted needs out-of-fold answers"):
        shifted(replace(table, folds=None), "x")
    assert not holds_whole_styles(replace(table, folds=None))


def test_a_divided_patient_is_refused_as_elsewhere() -> None:
    stamped = replace(styled_table(), leaks={"patient": 2})
    with pytest.raises(LeakySplit, match=r"2 patients lie in two folds, .*--by-style --folds K"):
        shifted(stamped, "x")
    assert shifted(stamped, "x", allow_leaks=True).leaks == {"patient": 2}


def test_a_reader_is_told_what_lies_in_which_fold_and_which_class_it_lacks() -> None:
    table = styled_table()
    labels = np.where((table.folds == 2) & (table.labels == 3), 0, table.labels)
    (note,) = style_notes(replace(table, labels=labels))
    assert "fold 1 has style-1, style-5; fold 2 has style-2, style-6 and no pituitary; fold 3" in note
    assert "fewer images" in note


def test_strata_by_style_are_of_the_answers_or_of_the_manifest() -> None:
    table = styled_table()
    parts, _ = parts_of_answers(table)
    found = {stratum.key: stratum for stratum in parts.strata if stratum.by == "contrast-style"}
    assert set(found) == {f"style-{k}" for k in range(1, 9)}
    assert table.styles is not None
    own = table.styles == "style-3"
    assert (found["style-3"].images, found["style-3"].groups) == (own.sum(), 10)
    right = table.logits.argmax(axis=1) == table.labels
    expected = np.average(right[own], weights=table.weights[own])
    assert found["style-3"].figures["accuracy"].value == pytest.approx(expected)

    # Answers of folds by group, and a manifest that knows styles of half of the images.
    rows = [
        ImageRecord(
            Path(path), CLASS_ORDER[label], group=str(group), slice_id="s", sha256=digest,
            style=None if group < "group:4" else "style-1",
        )
        for path, label, group, digest in zip(table.paths, table.labels, table.groups, table.hashes, strict=True)
    ]  # fmt: skip
    parts, _ = parts_of_answers(replace(table, styles=None), Manifest(tuple(rows), Path()))
    (stratum,) = [stratum for stratum in parts.strata if stratum.by == "contrast-style"]
    assert stratum.images == (table.groups >= "group:4").sum() < len(table)
    assert parts_of_answers(replace(table, styles=None))[0].strata == ()


class TestCommand:
    def test_it_is_measured_and_reported(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        write_predictions(styled_table(), tmp_path / "run" / PREDICTIONS_NAME)
        words = ["evaluate", "--model", str(tmp_path / "run"), "--protocol", "shifted"]
        assert run(words) == 0
        assert "Figures, shifted" in capsys.readouterr().out
        assert run([*words, "--report", str(tmp_path / "report")]) == 0
        found = json.loads((tmp_path / "report" / "evaluation.json").read_text())
        assert found["protocol"] == "shifted"
        assert {stratum["by"] for stratum in found["parts"]["strata"]} == {"contrast-style"}
        assert any(note.startswith("The folds are whole intensity styles") for note in found["notes"])
        page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
        assert "protocol shifted" in page
        assert "By contrast style" in page

    def test_a_style_in_two_folds_is_one_line_and_writes_nothing(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        write_predictions(divided_table(), tmp_path / PREDICTIONS_NAME)
        assert run(["evaluate", "--model", str(tmp_path), "--protocol", "shifted"]) == 2
        captured = capsys.readouterr()
        assert (captured.out, captured.err.count("\n")) == ("", 1)
        assert "style-1 in the folds 1, 3" in captured.err
        assert not (tmp_path / "evaluation.json").exists()

    def test_a_bundle_has_no_folds(self, bundle_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(["evaluate", "--model", str(bundle_path), "--protocol", "shifted"]) == 2
        assert "the protocol shifted reads the out-of-fold answers of a run" in capsys.readouterr().err
