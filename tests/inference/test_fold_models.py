"""A run is measured without torch, each image by the model that has not seen it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tiny_run import TINY, TinyRun
from tumorscope.cli.main import run as command
from tumorscope.core.errors import InvalidBundle, InvalidManifest, MissingInput, TrainedOnError
from tumorscope.dataset.manifest_file import read_manifest
from tumorscope.evaluation.predictions import PredictionTable, read_predictions
from tumorscope.evaluation.scoring import refuse_trained_on
from tumorscope.inference.fold_models import FoldModels, open_fold_models


@pytest.fixture(scope="module")
def models(tiny_run: TinyRun) -> FoldModels:
    return open_fold_models(tiny_run.out, threads=1)


@pytest.fixture(scope="module")
def table(tiny_run: TinyRun) -> PredictionTable:
    return read_predictions(tiny_run.out)


def test_the_answers_are_the_out_of_fold_ones(
    models: FoldModels, table: PredictionTable, tiny_run: TinyRun
) -> None:
    folds = models.folds_of(table.hashes)
    assert folds.tolist() == np.asarray(table.folds).tolist()
    answers = models.run(tiny_run.images, folds, ("logits", "heatmap", "novelty"), batch_size=5)
    np.testing.assert_allclose(answers["logits"], table.logits, atol=1e-4)
    assert answers["heatmap"].shape[:2] == (72, 4)
    others = models.run(tiny_run.images, folds % 4 + 1, ("logits",))["logits"]
    assert np.abs(others - table.logits).max() > 1e-3


def test_limits_reject_few_unseen_images(
    models: FoldModels, table: PredictionTable, tiny_run: TinyRun
) -> None:
    folds = models.folds_of(table.hashes)
    novelty = models.run(tiny_run.images, folds, ("novelty",))["novelty"]
    assert (novelty > models.limits(folds)).mean() < 0.25


def test_each_refuses_what_it_was_trained_on_and_takes_its_fold(
    models: FoldModels, tiny_run: TinyRun
) -> None:
    manifest = read_manifest(tiny_run.data)
    for number, model in models.models.items():
        card = model.card
        assert card.name.endswith(f"-fold-{number}")
        assert (card.data.held_out_fold, card.evaluation) == (number, ())
        assert card.limits[0].startswith("Made to measure")
        inside = [row for row, record in enumerate(manifest) if record.fold != number]
        outside = [row for row, record in enumerate(manifest) if record.fold == number]
        refuse_trained_on(manifest.subset(outside), card.data.image_sha256_prefixes, card.name)
        with pytest.raises(TrainedOnError, match=f"{len(inside)} of {len(inside)} images"):
            refuse_trained_on(manifest.subset(inside), card.data.image_sha256_prefixes, card.name)


def test_strange_images_and_folds_are_refused(models: FoldModels, tiny_run: TinyRun) -> None:
    with pytest.raises(InvalidManifest, match="1 of 1 images are none of those"):
        models.folds_of(["0" * 64])
    with pytest.raises(InvalidManifest, match="no model of fold 9; folds are 1, 2, 3, 4"):
        models.run(tiny_run.images[:1], np.array([9]), ("logits",))


def test_a_lost_bundle_is_named_and_made_again_without_training(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / tiny_run.out.name
    shutil.copytree(tiny_run.out, copy)
    (copy / "folds" / "2" / "bundle.onnx").unlink()
    with pytest.raises(MissingInput, match=r"fold 2 of the run .* has no bundle"):
        open_fold_models(copy)
    weights = (copy / "folds" / "2" / "weights.safetensors").stat().st_mtime_ns
    monkeypatch.setenv("TUMORSCOPE_CACHE", str(tiny_run.cache))
    arguments = ["train", "--data", str(tiny_run.data), "--out", str(copy), *TINY, "--folds", "--resume"]
    assert command(arguments) == 0
    assert (copy / "folds" / "2" / "weights.safetensors").stat().st_mtime_ns == weights
    assert set(open_fold_models(copy).models) == {1, 2, 3, 4}


def test_bundles_that_changed_places_are_refused(tiny_run: TinyRun, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(tiny_run.out, copy)
    shutil.copy(tiny_run.out / "folds" / "1" / "bundle.onnx", copy / "folds" / "3" / "bundle.onnx")
    with pytest.raises(InvalidBundle, match="is not the bundle of a fold model that held fold 3 out"):
        open_fold_models(copy)
