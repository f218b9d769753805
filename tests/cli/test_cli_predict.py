"""``tumorscope predict``: records against their schema, exit statuses, files, streams."""

from __future__ import annotations

import csv
import importlib
import io
import json
import re
import shutil
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from PIL import Image

from bundle_factory import class_image, make_model
from tumorscope.cli.main import run
from tumorscope.cli.output import CSV_COLUMNS
from tumorscope.cli.table import Table
from tumorscope.core.errors import TumorscopeError
from tumorscope.core.labels import CLASS_ORDER, Diagnosis
from tumorscope.core.prediction import NOTICE, Prediction, Verdict
from tumorscope.core.slice import Origin
from tumorscope.inference.record import RECORD_SCHEMA

Capture = pytest.CaptureFixture[str]
SCHEMA: dict[str, Any] = json.loads((files("tumorscope.core") / "schemas" / "prediction-1.json").read_text())
DOCUMENT = Path(__file__).parents[2] / "docs" / "prediction-record.md"


@pytest.fixture
def predict(bundle_path: Path) -> Callable[..., int]:
    def call(*arguments: str | Path) -> int:
        return run(["predict", "--model", str(bundle_path), "--threads", "1", *map(str, arguments)])

    return call


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four images, one of each class, and a bad one."""
    path = tmp_path / "study"
    path.mkdir()
    for k, key in enumerate(CLASS_ORDER):
        Image.fromarray(class_image(k)).save(path / f"{k}-{key.value}.png")
    return path


def volume(path: Path, ks: list[int], blank: int = 2) -> Path:
    """A NIfTI volume of axial slices between blank ones."""
    nibabel: Any = importlib.import_module("nibabel")  # typed in parts only
    slices = [np.zeros_like(class_image(0))] * blank + [class_image(k) for k in ks]
    # Rows and columns of an axial slice run against the second and first axis of the volume.
    voxels = np.stack([image[::-1, ::-1].T for image in slices], axis=2)
    image = nibabel.Nifti1Image(voxels, np.diag([1.0, 1.0, 5.0, 1.0]))
    nibabel.save(image, path)
    return path


def validated(text: str) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in text.splitlines()]
    validator = jsonschema.Draft202012Validator(SCHEMA)
    for record in records:
        validator.validate(record)
    return records


def test_a_slice_gives_exactly_the_record_of_the_contract(
    predict: Callable[..., int], class_png: Callable[[int], Path], capsys: Capture
) -> None:
    path = class_png(1)
    assert predict(path, "--format", "jsonl") == 0
    printed = capsys.readouterr()
    (record,) = validated(printed.out)
    assert printed.err == ""
    assert list(record) == [
        "schema",
        "kind",
        "path",
        "frame",
        "diagnosis",
        "probabilities",
        "prediction_set",
        "coverage",
        "verdict",
        "novelty",
        "model",
        "notice",
    ]
    assert record["schema"] == RECORD_SCHEMA
    assert record["path"] == str(path)
    assert (record["kind"], record["frame"], record["coverage"]) == ("slice", 0, 0.95)
    assert (record["diagnosis"], record["prediction_set"]) == ("meningioma", ["meningioma"])
    assert list(record["probabilities"]) == [key.value for key in CLASS_ORDER]
    assert sum(record["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert (record["verdict"], record["model"], record["notice"]) == ("answered", "quadrants 1.0.0", NOTICE)


def test_the_schema_is_strict() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    good = {"path": "a.png", "error": {"code": "missing-input", "message": "a.png: no such file"}}
    validator = jsonschema.Draft202012Validator(SCHEMA)
    validator.validate(good)
    for bad in (
        {"path": "a.png"},
        good | {"extra": 1},
        good | {"error": {"code": "X", "message": "m"}},
        good | {"error": {"code": "missing-input", "message": "two\nlines"}},
    ):
        assert not validator.is_valid(bad)


def test_the_document_shows_valid_records_and_every_field_and_code() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    blocks = re.findall(r"```json\n(.*?)```", text, flags=re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(block))
    for kind in ("slice", "series"):
        for field in SCHEMA["$defs"][kind]["properties"]:
            assert f"`{field}`" in text or f'"{field}"' in text
    codes = {error.code for error in TumorscopeError.__subclasses__()}
    documented = set(re.findall(r"^\| `([a-z-]+-(?:input|image))` \|", text, flags=re.MULTILINE))
    assert documented == {code for code in codes if code.endswith(("-input", "-image"))}
    for column in CSV_COLUMNS:
        assert f"`{column}`" in text or column in [key.value for key in CLASS_ORDER]


def test_one_bad_input_among_many_costs_no_answer(
    predict: Callable[..., int], folder: Path, capsys: Capture
) -> None:
    (folder / "2-broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more than a beginning")
    (folder / "notes.txt").write_text("passed over")
    assert predict(folder, folder / "nothing.png", "--format", "jsonl") == 1
    printed = capsys.readouterr()
    records = validated(printed.out)
    assert [record.get("diagnosis") for record in records] == [
        "glioma",
        "meningioma",
        None,
        "notumor",
        "pituitary",
        None,
    ]
    assert records[2]["path"].endswith("2-broken.jpg")
    assert records[2]["error"]["code"] == "unreadable-image"
    assert records[5]["error"]["code"] == "missing-input"
    assert printed.err == "error: 2 inputs failed; the other 4 answers are complete\n"


def test_where_nothing_is_answered_the_status_is_a_mistake(
    predict: Callable[..., int], tmp_path: Path, capsys: Capture
) -> None:
    assert predict(tmp_path / "nothing.png", "--format", "jsonl") == 2
    printed = capsys.readouterr()
    (record,) = validated(printed.out)
    assert printed.err == f"error: {record['error']['message']}\n"
    assert str(tmp_path / "nothing.png") in record["error"]["message"]

    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("no image")
    assert predict(tmp_path / "empty") == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert re.fullmatch(r"error: .*nothing readable.*\n", printed.err)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "required: PATH"),
        (["x.png", "--fomat", "json"], "--fomat"),
        (["x.png", "--format", "xml"], "'xml' is not one of table, json, jsonl, csv"),
        (["x.png", "--batch-size", "0"], "'0' is not a whole number"),
        (["x.png", "--threads", "many"], "'many' is not a whole number"),
        (["x.png", "--coverage", "0.5"], "0.90, 0.95"),
        (["x.png", "--device", "tpu"], "'tpu' is not one of cpu, cuda, auto"),
        (["x.png", "--model", "nothing.onnx"], "nothing.onnx: no such file"),
    ],
)
def test_a_mistake_in_the_command_is_one_line_and_status_2(
    predict: Callable[..., int], arguments: list[str], said: str, capsys: Capture
) -> None:
    assert predict(*arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1
    assert said in printed.err


@pytest.mark.parametrize("arguments", [["--model", "nothing.onnx"], ["--coverage", "0.5"]])
def test_a_wrong_choice_is_told_before_standard_input_is_waited_for(
    arguments: list[str], predict: Callable[..., int], capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = io.TextIOWrapper(io.BytesIO())
    closed.close()  # whoever reads it fails
    monkeypatch.setattr(sys, "stdin", closed)
    assert predict("-", *arguments) == 2
    assert arguments[1] in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"no model", b"", make_model(card_text="").SerializeToString()])
def test_a_foreign_model_is_one_line_and_status_2(
    tmp_path: Path, class_png: Callable[[int], Path], content: bytes, capsys: Capture
) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(content)
    answers = tmp_path / "answers.jsonl"
    assert run(["predict", str(class_png(0)), "--model", str(model), "--output", str(answers)]) == 2
    printed = capsys.readouterr()
    assert re.fullmatch(r"error: [^\n]*model\.onnx: [^\n]+\n", printed.err)
    assert not answers.exists()


def test_json_is_one_array_even_where_there_is_nothing_in_it(
    predict: Callable[..., int], folder: Path, capsys: Capture
) -> None:
    assert predict(folder, "--format", "json") == 0
    records = json.loads(capsys.readouterr().out)
    assert [record["diagnosis"] for record in records] == [key.value for key in CLASS_ORDER]
    assert predict(folder / "x.png", "--format", "json") == 2
    assert len(json.loads(capsys.readouterr().out)) == 1


def test_csv_holds_what_the_records_hold(
    predict: Callable[..., int], folder: Path, tmp_path: Path, capsys: Capture
) -> None:
    inputs = (folder, volume(tmp_path / "head.nii.gz", [0, 0, 1]), folder / "nothing.png")
    assert predict(*inputs, "--format", "csv") == 1
    text = capsys.readouterr().out
    rows = list(csv.DictReader(io.StringIO(text)))
    assert tuple(rows[0]) == CSV_COLUMNS
    assert [row["kind"] for row in rows] == ["slice"] * 7 + ["series", "error"]
    assert predict(*inputs, "--format", "jsonl") == 1
    for row, record in zip(rows, validated(capsys.readouterr().out), strict=True):
        assert row["path"] == record["path"]
        assert row["error_code"] == record.get("error", {}).get("code", "")
        if "probabilities" in record:
            assert {key: float(row[key]) for key in record["probabilities"]} == record["probabilities"]
            assert row["prediction_set"].split() == record.get("prediction_set", [])
            assert [int(part) for part in row["window"].split()] == record.get("window", [])
            assert row["notice"] == NOTICE


def test_a_volume_gives_its_slices_and_one_line_for_the_series(
    predict: Callable[..., int], tmp_path: Path, capsys: Capture
) -> None:
    path = volume(tmp_path / "head.nii.gz", [2, 2, 3, 3, 3, 2])
    assert predict(path, "--format", "jsonl") == 0
    *slices, series = validated(capsys.readouterr().out)
    assert [record["frame"] for record in slices] == [2, 3, 4, 5, 6, 7], "blank slices are passed over"
    assert [record["diagnosis"] for record in slices] == ["notumor"] * 2 + ["pituitary"] * 3 + ["notumor"]
    assert (series["kind"], series["diagnosis"], series["path"]) == ("series", "pituitary", str(path))
    assert series["window"] == [4, 6], "counted as the slices' frames are"
    assert (series["slices"], series["experimental"]) == (6, True)
    window = [record["probabilities"]["pituitary"] for record in slices[2:5]]
    assert series["probabilities"]["pituitary"] == pytest.approx(np.mean(window), abs=1e-5)


def test_the_file_appears_whole_or_not_at_all(
    predict: Callable[..., int], folder: Path, tmp_path: Path, capsys: Capture
) -> None:
    for name in ("answers.jsonl", "answers.json", "answers.csv", "deeper/answers.txt"):
        target = tmp_path / name
        assert predict(folder, "--output", target) == 0
        assert capsys.readouterr() == ("", "")
        content = target.read_text(encoding="utf-8")
        assert {"answers.jsonl": "{", "answers.json": "[", "answers.csv": "k"}.get(name, "f") == content[0]
        assert content.count("meningioma") >= 1
        assert "\r" not in content
    before = target.read_text(encoding="utf-8")
    assert predict(folder, "--output", target, "--heatmaps", target) == 2, "a folder with the name of a file"
    assert "answers.txt is not a folder" in capsys.readouterr().err
    assert target.read_text(encoding="utf-8") == before
    assert sorted(path.name for path in target.parent.iterdir()) == ["answers.txt"], "nothing half-written"
    assert predict(folder, "--output", folder) == 2
    assert f"{folder} cannot be written: it is a folder" in capsys.readouterr().err


def test_pictures_have_names_of_their_own(
    predict: Callable[..., int], folder: Path, tmp_path: Path, capsys: Capture
) -> None:
    twin = tmp_path / "twin" / "0-glioma.png"
    twin.parent.mkdir()
    shutil.copy(folder / "0-glioma.png", twin)
    pictures = tmp_path / "pictures"
    head = volume(tmp_path / "head.v2.nii.gz", [1, 1, 1])
    assert predict(folder, twin, head, "--heatmaps", pictures, "--format", "jsonl") == 0
    validated(capsys.readouterr().out)
    assert sorted(path.name for path in pictures.iterdir()) == [
        "0-glioma-glioma-2.png",
        "0-glioma-glioma.png",
        "1-meningioma-meningioma.png",
        "2-notumor-notumor.png",
        "3-pituitary-pituitary.png",
        "head.v2-2-meningioma.png",
        "head.v2-3-meningioma.png",
        "head.v2-4-meningioma.png",
    ]
    for path in pictures.iterdir():
        with Image.open(path) as picture:
            assert picture.size[0] == 320
            assert picture.size[1] > class_image(0).shape[0]


def test_standard_input_is_an_input(
    predict: Callable[..., int],
    class_png: Callable[[int], Path],
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def give(content: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    give(class_png(3).read_bytes())
    assert predict("-", "--format", "jsonl") == 0
    (record,) = validated(capsys.readouterr().out)
    assert (record["path"], record["diagnosis"]) == ("-", "pituitary")
    give(b"")
    assert predict(class_png(2), "-", "--format", "jsonl") == 1
    first, second = validated(capsys.readouterr().out)
    assert first["diagnosis"] == "notumor"
    assert (second["path"], second["error"]["code"]) == ("-", "empty-input")
    assert second["error"]["message"].startswith("-: ")


def test_patterns_are_expanded_here(
    predict: Callable[..., int], folder: Path, tmp_path: Path, capsys: Capture
) -> None:
    assert predict(f"{folder}/[01]*.png", "--format", "jsonl") == 0
    assert [record["diagnosis"] for record in validated(capsys.readouterr().out)] == ["glioma", "meningioma"]
    assert predict(f"{tmp_path}/**/*tumor*.png", "--format", "jsonl") == 0
    assert [record["diagnosis"] for record in validated(capsys.readouterr().out)] == ["notumor"]
    odd = folder / "scan[1].png"
    shutil.copy(folder / "0-glioma.png", odd)
    assert predict(odd, "--format", "jsonl") == 0, "a name that is there is no pattern"
    assert validated(capsys.readouterr().out)[0]["path"] == str(odd)
    assert predict(f"{folder}/*.nii", "--format", "jsonl") == 2
    assert "*.nii: no such file" in capsys.readouterr().err


def test_the_table_says_it_all_in_words(
    predict: Callable[..., int], folder: Path, tmp_path: Path, capsys: Capture
) -> None:
    head = volume(tmp_path / "head.nii.gz", [1, 1, 1])
    assert predict(folder, head, folder / "nothing.png") == 1
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[0].split() == ["file", "answer", "probability", "verdict", "could", "be"]
    assert re.search(r"0-glioma\.png +glioma +[█#]+[░.]* +98\.\d % +answered +glioma$", lines[1])
    assert re.search(r"2-notumor\.png +no tumour ", lines[3])
    assert re.search(r"head\.nii\.gz \[3\] +meningioma ", lines[5])
    assert re.search(
        r"head\.nii\.gz \(series\) +meningioma .* experimental +slices 3-5 of the series$", lines[8]
    )
    assert printed.out.count(NOTICE) == 1
    assert lines[-1] == NOTICE
    assert "\x1b" not in printed.out, "no colours where no terminal is"
    assert printed.err.count("\n") == 1
    assert "nothing.png: no such file" in printed.err


def test_a_file_name_cannot_command_the_terminal(
    predict: Callable[..., int], folder: Path, capsys: Capture
) -> None:
    evil = folder / "scan\x1b[2J.png"
    try:
        shutil.copy(folder / "0-glioma.png", evil)
    except OSError:
        assert sys.platform == "win32"
        return
    assert predict(evil, folder / "no\x1b[2Jne.png") == 1
    printed = capsys.readouterr()
    assert "\x1b" not in printed.out + printed.err
    assert predict(evil, "--format", "jsonl") == 0
    assert "\x1b" not in capsys.readouterr().out


def test_the_batch_size_changes_no_record(predict: Callable[..., int], folder: Path, capsys: Capture) -> None:
    printed = []
    for size in ("1", "3", "64"):
        assert predict(folder, "--format", "jsonl", "--batch-size", size) == 0
        printed.append(validated(capsys.readouterr().out))
    assert printed[0] == printed[1] == printed[2]


def test_coverage_is_what_was_asked_for(predict: Callable[..., int], folder: Path, capsys: Capture) -> None:
    assert predict(folder, "--coverage", "0.9", "--format", "jsonl") == 0
    assert {record["coverage"] for record in validated(capsys.readouterr().out)} == {0.9}


def test_real_scans_of_every_kind_give_valid_records(
    predict: Callable[..., int], real_data: Path, capsys: Capture
) -> None:
    inputs = [real_data / "nifti", real_data / "dicom-t1"]
    inputs += sorted((real_data / "brain-tumor-mri" / "Testing" / "glioma").glob("*.jpg"))[:5]
    assert predict(*inputs, "--format", "jsonl") == 0
    records = validated(capsys.readouterr().out)
    kinds = [record["kind"] for record in records]
    assert kinds.count("slice") > 20
    assert kinds.count("series") >= 1
    for record in records:
        if record["kind"] == "series":
            assert record["slices"] >= 2


@pytest.mark.parametrize("width", [80, 100, 132])
def test_a_common_answer_fits_on_one_line(width: int) -> None:
    answer = Prediction(
        probabilities=np.array([0.0, 0.0, 0.0, 1.0], dtype=np.float32),
        prediction_set=(Diagnosis.PITUITARY,),
        coverage=0.95,
        verdict=Verdict.UNCERTAIN,
        novelty=1.0,
        model="m",
        origin=Origin(path="a/very/long/path/to/a/folder/of/many/slices/" + "x" * 80 + ".dcm", frames=9),
    )
    table = Table(width=width)
    for line in (*table.heading(), *table.rows(answer)):
        assert len(line) <= width
    plain = next(table.rows(answer))
    coloured = next(Table(width=width, colour=True).rows(answer))
    assert coloured.replace("\x1b[33m", "").replace("\x1b[0m", "") == plain
    assert "100.0 %" in plain
    assert "█" not in next(Table(width=width, blocks=False).rows(answer))
