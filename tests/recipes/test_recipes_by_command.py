"""A recipe from the command to an answer, by the real verbs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tumorscope.cli.main import run
from tumorscope.inference.verify import verify
from tumorscope.synthesis.phantom import write_phantoms

TINY = (
    *("--set", "epochs=1", "--set", "image_size=64", "--set", "batch_size=8", "--set", "threads=1"),
    *("--set", "precision=32", "--no-progress"),
)


def test_a_recipe_with_a_finer_map_becomes_a_bundle_that_says_so_and_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TUMORSCOPE_CACHE", str(tmp_path / "cache"))
    data, out = tmp_path / "phantoms", tmp_path / "run"
    images = list(write_phantoms(data, 24, size=64))
    assert run(["train", "--data", str(data), "--out", str(out), "--recipe", "light-cnn", *TINY]) == 0
    card = verify((out / "bundle.onnx").read_bytes(), "bundle")
    assert (card.recipe, card.architecture, card.initial_weights) == ("light-cnn", "light-cnn", "random")
    assert (card.heatmap_kind, card.heatmap_stride) == ("class-activation", 8)
    capsys.readouterr()
    pictures = tmp_path / "pictures"
    command = ["predict", str(images[0]), "--model", str(out / "bundle.onnx"), "--format", "jsonl"]
    assert run(command) == 0
    answer = json.loads(capsys.readouterr().out.splitlines()[0])
    assert sum(answer["probabilities"].values()) == pytest.approx(1)
    assert run(["explain", str(images[0]), "--model", str(out / "bundle.onnx"), "--out", str(pictures)]) == 0
    (picture,) = pictures.glob("*.png")
    assert picture.stat().st_size > 1000


def test_the_list_needs_no_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "--list-recipes"]) == 0
    assert "\nswin-tiny\n" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["resnet-18", "timm:resnet19"])
def test_an_unknown_recipe_is_refused_before_anything_is_written(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert run(["train", "--data", str(tmp_path), "--out", str(out), "--recipe", name]) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("error: ")
    assert "did you mean" in errors
    assert errors.count("\n") == 1
    assert not out.exists()
