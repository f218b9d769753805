"""Runs that fail for a reason that a user can act on say so in one line, and leave what was good."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fit_once import SETTINGS, rows
from lightning.pytorch.callbacks import Callback
from safetensors.torch import load_file, save_file

from tiny_run import TINY, TinyRun
from tumorscope.cli.main import run
from tumorscope.core.errors import DivergedTraining, InvalidConfiguration, OutOfMemory
from tumorscope.dataset.manifest import Manifest
from tumorscope.dataset.manifest_file import read_manifest, write_manifest
from tumorscope.models.network import build_network
from tumorscope.training.batches import TrainingRows
from tumorscope.training.config import configure
from tumorscope.training.failures import explained, is_out_of_memory
from tumorscope.training.fit import fit

SCRIPT = Path(__file__).with_name("fail_once.py")
EVERY_STEP = "checkpoint_seconds=0.000001"


@pytest.fixture(scope="module")
def data() -> TrainingRows:
    return rows(4)


@pytest.fixture
def cache(tiny_run: TinyRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """The images of the tiny run are decoded already."""
    monkeypatch.setenv("TUMORSCOPE_CACHE", str(tiny_run.cache))


class _Explode(Callback):
    """Makes the weights infinite before or after the gradient step of one batch."""

    def __init__(self, step: int, *, after: bool = False) -> None:
        self._step, self._after = step, after

    def _act(self, module: Any, reached: int) -> None:
        if reached == self._step:
            with torch.no_grad():
                for weight in module.network.parameters():
                    weight.fill_(torch.inf)

    def on_train_batch_start(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        if not self._after:
            self._act(pl_module, trainer.global_step)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        if self._after:
            self._act(pl_module, trainer.global_step - 1)


class TestDiverged:
    def test_it_names_the_place_and_a_smaller_rate_and_the_last_good_state_stays(
        self, data: TrainingRows, tmp_path: Path
    ) -> None:
        config = configure("light-cnn", [*SETTINGS, EVERY_STEP])
        with pytest.raises(
            DivergedTraining,
            match=r"training diverged in epoch 2, batch 3: the loss is nan; the last good checkpoint stays in .*"
            r"last\.ckpt; train with a smaller rate, such as --set learning_rate=0\.0003 \(it is 0\.001\)",
        ) as caught:
            fit(config, data, data, tmp_path, progress=False, callbacks=[_Explode(6)])
        assert "\n" not in str(caught.value)
        kept = torch.load(tmp_path / "last.ckpt", weights_only=True)
        assert kept["global_step"] == 6
        assert all(bool(tensor.isfinite().all()) for tensor in kept["state_dict"].values())
        assert not (tmp_path / "weights.safetensors").exists()
        # It is as good as any other: without the cause, training goes on from there.
        fit(config, data, data, tmp_path, progress=False)
        assert all(bool(t.isfinite().all()) for t in load_file(tmp_path / "weights.safetensors").values())

    @pytest.mark.parametrize("step", [5, 7], ids=["within", "at the end"])
    def test_weights_that_are_not_finite_are_never_kept(
        self, data: TrainingRows, tmp_path: Path, step: int
    ) -> None:
        config = configure("light-cnn", [*SETTINGS, EVERY_STEP])
        with pytest.raises(DivergedTraining, match=r"epoch 2: weights are not finite"):
            fit(config, data, data, tmp_path, progress=False, callbacks=[_Explode(step, after=True)])
        assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] <= step
        assert not (tmp_path / "weights.safetensors").exists()

    @pytest.mark.usefixtures("cache")
    def test_by_the_verb(self, tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Initial weights so large that the first pass overflows."""
        weights = build_network("light-cnn", 32).backbone.state_dict()
        save_file({name: tensor * 1e30 for name, tensor in weights.items()}, tmp_path / "huge.safetensors")
        command = ["train", "--data", str(tiny_run.data), "--out", str(tmp_path / "run"), *TINY]
        command += ["--recipe", "light-cnn", "--set", "pretrained=true"]
        assert run([*command, "--weights", str(tmp_path / "huge.safetensors")]) == 2
        line = capsys.readouterr().err.splitlines()[-1]
        assert line.startswith("error: training diverged in epoch 1, batch 1: the loss is nan; no checkpoint")


@pytest.mark.skipif(sys.platform != "linux", reason="limits of a process are set as Linux has them")
class TestNoRoom:
    def _fail(self, kind: str, folder: Path) -> str:
        command = [sys.executable, str(SCRIPT), kind, str(folder)]
        finished = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        assert finished.returncode == 0, finished.stderr
        return finished.stdout.strip()

    def test_a_full_disk_leaves_the_last_checkpoint_whole(self, tmp_path: Path) -> None:
        message = self._fail("disk", tmp_path)
        assert message.startswith(
            f"DiskFull: {tmp_path / 'last.ckpt'} could not be written: file too large; "
        )
        assert message.endswith("make room and run the same command again (a training with --resume)")
        assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] >= 1
        # No part of the file that did not fit.
        assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]
        assert not (tmp_path / "weights.safetensors").exists()

    def test_too_large_a_batch_brings_the_next_smaller_one(self, tmp_path: Path) -> None:
        assert self._fail("memory", tmp_path) == (
            "OutOfMemory: memory does not suffice for batches of 64 images of 512 pixels; train with --set "
            "batch_size=32 in another --out (and --set accumulate=2 to learn from as many images a step)"
        )


class TestOffers:
    def _offer(self, batch_size: int, *settings: str) -> str:
        with (
            pytest.raises(OutOfMemory) as caught,
            explained(configure("efficientnet-lite0", settings), batch_size),
        ):
            raise MemoryError
        return str(caught.value)

    def test_what_cannot_be_halved_is_made_smaller_otherwise(self) -> None:
        assert "--set image_size=128 in another" in self._offer(3)
        assert "choose a smaller recipe" in self._offer(2, "image_size=32")
        assert "batch_size=8 in another --out (and --set accumulate=6" in self._offer(16, "accumulate=3")

    def test_a_real_allocation_is_recognised_and_other_errors_stay_what_they_are(self) -> None:
        with pytest.raises(RuntimeError) as caught:
            torch.empty(2**60, dtype=torch.uint8)
        assert is_out_of_memory(caught.value)
        with pytest.raises(RuntimeError, match="shapes") as caught, explained(configure("light-cnn"), 8):
            torch.zeros(2, 3) @ torch.zeros(2, 3)
        assert not is_out_of_memory(caught.value)

    def test_a_lack_of_a_deterministic_algorithm_is_one_line(self) -> None:
        config = configure("light-cnn", ["deterministic=true"])
        torch.use_deterministic_algorithms(True)
        try:
            with (
                pytest.raises(InvalidConfiguration, match=r"train with --set deterministic=false"),
                explained(config, 8),
            ):
                torch.zeros(10).put_(torch.tensor([1]), torch.tensor([1.0]))
        finally:
            torch.use_deterministic_algorithms(False)


@pytest.mark.usefixtures("cache")
class TestBeforeAnythingIsWritten:
    def test_a_network_without_a_map_is_refused(
        self, tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        command = ["train", "--data", str(tiny_run.data), "--out", str(tmp_path / "run"), *TINY]
        assert run([*command, "--recipe", "timm:mixer_s32_224", "--set", "image_size=224"]) == 2
        errors = capsys.readouterr().err
        assert errors.count("\n") == 1
        assert "mixer_s32_224 has no features at stride 16 or finer" in errors
        assert "choose another architecture" in errors
        assert not (tmp_path / "run").exists()

    def test_a_class_in_one_fold_only_is_named(
        self, tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        data = tmp_path / "data"
        shutil.copytree(tiny_run.data, data)
        kept = [row for row in read_manifest(data) if row.label.value != "pituitary" or row.fold == 3]
        write_manifest(Manifest(tuple(kept), data), data / "manifest.csv")
        command = ["train", "--data", str(data), "--out", str(tmp_path / "run")]
        assert run([*command, *TINY, "--folds"]) == 2
        assert capsys.readouterr().err == (
            "error: all images of pituitary are in fold 3, so its model could not learn it; spread the patients of a "
            "class over the folds, such as by tumorscope data split --folds 4\n"
        )
        assert not (tmp_path / "run").exists()


def test_deterministic_algorithms_are_asked_for_during_the_fit_alone(
    data: TrainingRows, tmp_path: Path
) -> None:
    asked: list[bool] = []

    class Look(Callback):
        def on_train_batch_end(self, *_: Any) -> None:
            asked.append(torch.are_deterministic_algorithms_enabled())

    small = replace(data, rows=np.array([0, 4, 8, 12]))
    for choice in ("true", "false"):
        config = configure("light-cnn", [*SETTINGS, "epochs=1", f"deterministic={choice}"])
        fit(config, small, small, tmp_path / choice, progress=False, callbacks=[Look()])
        assert not torch.are_deterministic_algorithms_enabled()
    assert asked == [True, False]
