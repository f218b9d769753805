"""A recipe that trains its guide first: one command from a split to the bundle of both networks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tiny_run import TINY
from tumorscope import Prediction, load
from tumorscope.cli.main import run
from tumorscope.core.weight_type import WeightType
from tumorscope.evaluation.predictions import read_predictions
from tumorscope.recipes.registry import RECIPES
from tumorscope.synthesis.phantom import write_phantoms
from tumorscope.training.folder import open_run

RECIPE = "small-closer"
SHIPPED = RECIPES["efficientnet-lite2-closer"]
GUIDE = replace(RECIPES[SHIPPED.guide], name="small-lesions", architecture="light-cnn", of_timm=False)
SMALL = replace(SHIPPED, name=RECIPE, architecture="light-cnn", of_timm=False, guide=GUIDE.name)
"""As the one that ships, with networks that learn in seconds."""

SIZE = 64  # of the pair: each network gets one half a side
SETTINGS = [word if not word.startswith("image_size") else f"image_size={SIZE}" for word in TINY]


@pytest.fixture(scope="module", autouse=True)
def small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RECIPES, RECIPE, SMALL)
        patch.setitem(RECIPES, GUIDE.name, GUIDE)
        yield


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Phantoms in two folds, with boxes."""
    folder = tmp_path_factory.mktemp("split")
    list(write_phantoms(folder / "phantoms", 48, size=64))
    out = folder / "split.csv"
    assert run(["data", "split", str(folder / "phantoms"), "--folds", "2", "--out", str(out)]) == 0
    return out


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUMORSCOPE_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def command(split: Path, out: Path, *more: str) -> list[str]:
    return ["train", "--recipe", RECIPE, "--data", str(split), "--out", str(out), *SETTINGS, *more]


@pytest.fixture(scope="module")
def made(split: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folds and final fit of both networks by one command. Look, but do not change it."""
    out = tmp_path_factory.mktemp("guided") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUMORSCOPE_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        assert run(command(split, out, "--folds", "--final")) == 0
    return out


def test_both_networks_are_trained_with_what_was_set(made: Path) -> None:
    pair, guide = open_run(made).config, open_run(made / GUIDE.name).config
    assert (pair.recipe, guide.recipe) == (RECIPE, GUIDE.name)
    assert (pair.image_size, pair.network_size, guide.image_size) == (SIZE, SIZE // 2, SIZE // 2)
    assert (pair.epochs, guide.epochs) == (1, 1)
    assert (pair.supervision.paste, guide.supervision.paste) == (0.0, 0.2)
    recorded = json.loads((made / "data.json").read_text())["guides"]
    assert [each["run"] for each in recorded] == [GUIDE.name]
    assert sorted(recorded[0]["weights"]) == ["final", "folds/1", "folds/2"]


def test_one_bundle_holds_both_in_eight_bits(made: Path, split: Path) -> None:
    assert not any((made / GUIDE.name).rglob("bundle.onnx"))
    classifier = load(made / "bundle.onnx")
    assert [guide.name for guide in classifier.card.guides] == [f"{GUIDE.name}/final"]
    assert classifier.card.weight_type is WeightType.INT8
    answer = classifier.predict(next(split.parent.glob("phantoms/glioma/*.png")), heatmap=True)
    assert isinstance(answer, Prediction)
    assert answer.heatmap is not None
    assert run(["evaluate", "--model", str(made), "--protocol", "patient-wise"]) == 0


def test_an_export_keeps_weights_as_the_recipe_says(made: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.onnx"
    assert run(["export", str(made), "--out", str(own)]) == 0
    assert load(own).card.weight_type is WeightType.INT8
    assert own.stat().st_size < (made / "folds" / "1" / "bundle.onnx").stat().st_size  # in 32 bits


def test_what_is_missing_is_made_again_and_nothing_else(
    made: Path, split: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "run"
    shutil.copytree(made, copy)
    assert run(command(split, copy, "--folds", "--final")) == 2
    assert "go on with it by --resume" in capsys.readouterr().err
    before = read_predictions(copy).logits
    shutil.rmtree(copy / "folds" / "2")
    shutil.rmtree(copy / "final")
    there = {path: path.stat().st_mtime_ns for path in copy.rglob("weights.safetensors")}
    assert len(there) == 4  # the guide's three, and fold 1
    assert run(command(split, copy, "--folds", "--final", "--resume")) == 0
    assert np.array_equal(read_predictions(copy).logits, before)
    assert (copy / "final" / "weights.safetensors").is_file()
    assert {path: path.stat().st_mtime_ns for path in there} == there


def test_a_finished_guide_is_taken_where_one_is_named(made: Path, split: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert run(command(split, out, "--guide", str(made / GUIDE.name))) == 2  # its folds come first
    assert run(command(split, out, "--guide", str(made / GUIDE.name), "--folds")) == 0
    assert not (out / GUIDE.name).exists()
    assert np.array_equal(read_predictions(out).logits, read_predictions(made).logits)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--config", "FILE"], "--config holds the settings of one network, and the recipe"),
        (
            ["--weights", "some.safetensors"],
            "the weights some.safetensors are of one network, and the recipe",
        ),
        (["--set", "weights=some.safetensors"], "the weights some.safetensors are of one network"),
        (["--teacher", "RUN"], "--teacher does not go with the recipe small-closer"),
        (["--set", "zoom=1"], "zoom is 1, and the recipe small-closer looks closer"),
        (
            ["--set", "image_size=96"],
            "each network of the recipe small-closer gets 48 pixels a side, which is no multiple of 32; give a",
        ),
        (["--set", "epoch=1"], "there is no setting 'epoch'; did you mean 'epochs'?"),
        (
            ["--show-augmentation", "sheet.png"],
            "--show-augmentation shows whole slices; take a recipe without",
        ),
    ],
)
def test_what_cannot_be_meant_for_both_is_refused_before_anything_is_trained(
    split: Path, made: Path, tmp_path: Path, more: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    named = {"FILE": str(tmp_path / "config.yaml"), "RUN": str(made)}
    (tmp_path / "config.yaml").write_text("epochs: 1\n")
    assert run(command(split, tmp_path / "out", *(named.get(word, word) for word in more))) == 2
    captured = capsys.readouterr()
    assert told in captured.err
    assert len(captured.err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_recipe_named_by_a_file_alone_needs_its_guide_too(
    split: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.yaml").write_text(f"recipe: {RECIPE}\nepochs: 1\n")
    asked = ["train", "--data", str(split), "--out", str(tmp_path / "out")]
    assert run([*asked, "--config", str(tmp_path / "config.yaml")]) == 2
    assert "--config holds the settings of one network, and the recipe" in capsys.readouterr().err


def test_a_study_compares_what_it_would_not_train(made: Path, split: Path, tmp_path: Path) -> None:
    common = ["--recipes", RECIPE, "--protocols", "patient-wise", "--compare"]
    taken = ["--from", f"{RECIPE}={made}"]
    assert run(["study", "--data", str(split), "--out", str(tmp_path / "out"), *common, *taken]) == 0
    compared = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert [row["name"] for row in compared["rows"]] == [RECIPE]


def test_search_and_study_train_no_guide(
    split: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "space.yaml").write_text("learning_rate: {low: 0.001, high: 0.01}\n")
    common = ["--data", str(split), "--out", str(tmp_path / "out")]
    assert run(["search", *common, "--space", str(tmp_path / "space.yaml"), "--recipe", RECIPE]) == 2
    assert "which a search does not train" in capsys.readouterr().err
    assert run(["study", *common, "--recipes", f"resnet18,{RECIPE}"]) == 2
    assert "which a study does not train" in capsys.readouterr().err
