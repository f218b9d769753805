"""``tumorscope explain``: pictures, the JSON beside them, exit statuses, help."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bundle_factory import class_image
from tumorscope.cli.main import run
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.core.prediction import NOTICE
from tumorscope.explanation.panel import CONTOUR
from tumorscope.preprocess import find_head

Capture = pytest.CaptureFixture[str]
DOCUMENT = Path(__file__).parents[2] / "docs" / "explanation.md"


@pytest.fixture
def explain(bundle_path: Path, tmp_path: Path) -> Callable[..., int]:
    def call(*arguments: str | Path) -> int:
        out = ["--out", str(tmp_path / "out"), "--model", str(bundle_path), "--threads", "1"]
        return run(["explain", *map(str, arguments), *out])

    return call


def read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


@pytest.mark.parametrize("k", range(4))
def test_the_peak_lies_in_the_quadrant_that_answers(
    explain: Callable[..., int], class_png: Callable[[int], Path], tmp_path: Path, k: int
) -> None:
    key = CLASS_ORDER[k].value
    assert explain(class_png(k)) == 0
    found = read(tmp_path / "out" / f"{key}-{key}.json")
    assert (found["schema"], found["explained_class"]) == ("tumorscope.explanation/1", key)
    assert found["prediction"]["diagnosis"] == key
    assert found["prediction"]["notice"] == NOTICE
    pixels = class_image(k)
    assert found["image"] == {"height": pixels.shape[0], "width": pixels.shape[1]}
    assert found["peak"]["evidence"] > 0
    assert pixels[found["peak"]["row"], found["peak"]["column"]] == 240
    frame, region = find_head(pixels), found["hottest_region"]
    row, column = divmod(k, 2)
    middle = (
        (region["first_row"] + region["last_row"]) / 2 - frame.top,
        (region["first_column"] + region["last_column"]) / 2 - frame.left,
    )
    assert (middle[0] > frame.height / 2, middle[1] > frame.width / 2) == (bool(row), bool(column))
    assert 0.1 < region["share_of_image"] < 0.3, "about a quarter of the head"


def test_the_small_map_is_the_map(
    explain: Callable[..., int], class_png: Callable[[int], Path], tmp_path: Path
) -> None:
    assert explain(class_png(0)) == 0
    found = read(tmp_path / "out" / "glioma-glioma.json")
    values = np.array(found["map"]["values"])
    assert values.shape == (found["map"]["rows"], found["map"]["columns"]) == (32, 29)
    row, column = np.unravel_index(values.argmax(), values.shape)
    height, width = found["image"]["height"], found["image"]["width"]
    assert (row + 0.5) / 32 * height == pytest.approx(found["peak"]["row"], abs=height / 8)
    assert (column + 0.5) / 29 * width == pytest.approx(found["peak"]["column"], abs=width / 8)
    assert values.max() == pytest.approx(found["peak"]["evidence"], rel=0.05)
    assert (values[:2] == 0).all(), "outside the head nothing was seen"


def test_the_picture_shows_slice_map_outline_and_bars(
    explain: Callable[..., int], class_png: Callable[[int], Path], tmp_path: Path
) -> None:
    assert explain(class_png(3)) == 0
    picture = Image.open(tmp_path / "out" / "pituitary-pituitary.png")
    assert picture.info["Disclaimer"] == NOTICE
    shown = np.asarray(picture.convert("RGB"))
    pixels = class_image(3)
    factor = 4  # 106 pixels wide, at least 400 are drawn
    height, width = (factor * side for side in pixels.shape)
    large = pixels.repeat(factor, axis=0).repeat(factor, axis=1)
    np.testing.assert_array_equal(shown[:height, :width], np.repeat(large[..., None], 3, axis=2))
    over = shown[:height, width + 4 : 2 * width + 4]
    line = (over == CONTOUR).all(axis=2)
    rows, columns = np.nonzero(line)
    assert 100 < line.sum() < 4 * height
    assert rows.min() > height / 3
    assert columns.min() > width / 3
    below = shown[height:]
    assert (below == (96, 160, 220)).all(axis=2).sum() > 500, "the bars of the probabilities"
    assert (below.min(axis=2) > 200).sum() > 500, "text"


def test_another_class_can_be_explained_and_has_a_name_of_its_own(
    explain: Callable[..., int], class_png: Callable[[int], Path], tmp_path: Path, capsys: Capture
) -> None:
    path = class_png(1)
    assert explain(path) == 0
    assert explain(path, "--class", "glioma") == 0
    names = sorted(entry.name for entry in (tmp_path / "out").iterdir())
    assert names == [f"meningioma-{key}.{end}" for key in ("glioma", "meningioma") for end in ("json", "png")]
    other = read(tmp_path / "out" / "meningioma-glioma.json")
    assert (other["explained_class"], other["prediction"]["diagnosis"]) == ("glioma", "meningioma")
    assert "1 picture written to" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_what_is_printed_is_what_stands_beside_the_pictures(
    explain: Callable[..., int], class_png: Callable[[int], Path], tmp_path: Path, capsys: Capture, form: str
) -> None:
    paths = [class_png(0), class_png(2)]
    assert explain(*paths, "--format", form) == 0
    printed = capsys.readouterr().out
    documents = json.loads(printed) if form == "json" else [json.loads(line) for line in printed.splitlines()]
    assert documents == [
        read((tmp_path / "out" / document["picture"]).with_suffix(".json")) for document in documents
    ]
    assert [document["prediction"]["path"] for document in documents] == list(map(str, paths))


def test_every_slice_of_a_volume_gets_its_own(
    explain: Callable[..., int], tmp_path: Path, capsys: Capture
) -> None:
    nibabel: Any = importlib.import_module("nibabel")  # typed in parts only
    voxels = np.stack([class_image(k)[::-1, ::-1].T for k in range(3)], axis=2)
    nibabel.save(nibabel.Nifti1Image(voxels, np.diag([1.0, 1.0, 5.0, 1.0])), tmp_path / "head.nii.gz")
    assert explain(tmp_path / "head.nii.gz") == 0
    pictures = sorted(entry.name for entry in (tmp_path / "out").glob("*.png"))
    assert pictures == ["head-0-glioma.png", "head-1-meningioma.png", "head-2-notumor.png"]
    assert "head.nii.gz" in capsys.readouterr().out


def test_bad_inputs_are_said_and_the_others_are_explained(
    explain: Callable[..., int], class_png: Callable[[int], Path], tmp_path: Path, capsys: Capture
) -> None:
    good = class_png(0)
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"\x89PNG\r\n nothing")
    assert explain(bad, good, "--format", "jsonl") == 1
    printed = capsys.readouterr()
    first, second = (json.loads(line) for line in printed.out.splitlines())
    assert (first["path"], first["error"]["code"]) == (str(bad), "unreadable-image")
    assert second["picture"] == "glioma-glioma.png"
    assert printed.err.startswith("1 picture written") or "error:" in printed.err
    assert explain(bad) == 2
    assert explain(tmp_path / "absent.png") == 2
    assert "absent.png" in capsys.readouterr().err


def test_mistakes_are_one_line_and_status_2(
    class_png: Callable[[int], Path], bundle_path: Path, tmp_path: Path, capsys: Capture
) -> None:
    path = str(class_png(0))
    taken = tmp_path / "file"
    taken.write_text("x")
    out = str(tmp_path / "out")
    for arguments, said in (
        (["explain", path], "--out"),
        (["explain", path, "--out", str(taken)], "this is a file; name a folder"),
        (["explain", path, "--out", out, "--class", "tumour"], "'glioma', 'meningioma'"),
        (["explain", path, "--out", out, "--model", path], "this is not an ONNX file"),
        (["explain", path, "--out", out, "--model", str(bundle_path), "--coverage", "0.5"], "coverage 0.5"),
        (["explain", "--out", out], "PATH"),
    ):
        assert run(arguments) == 2, arguments
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_help_has_examples(capsys: Capture) -> None:
    assert run(["explain", "--help"]) == 0
    text = capsys.readouterr().out
    assert "tumorscope explain study/ --out pictures/ --class meningioma" in text
    assert run(["--help"]) == 0
    assert "explain" in capsys.readouterr().out


def test_the_document_explains_every_field(
    explain: Callable[..., int], class_png: Callable[[int], Path], tmp_path: Path
) -> None:
    assert explain(class_png(0)) == 0
    text = DOCUMENT.read_text(encoding="utf-8")
    found = read(tmp_path / "out" / "glioma-glioma.json")
    named = set(re.findall(r"`([a-z_.]+)`", text))
    for key, value in found.items():
        assert key in named
        if isinstance(value, dict) and key not in {"prediction"}:
            assert {f"{key}.{inner}" for inner in value} <= named
