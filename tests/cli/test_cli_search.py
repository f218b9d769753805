"""``tumorscope search`` as a user runs it, on phantoms, with trials that really train, fail and are killed."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import yaml
from optuna.trial import TrialState
from PIL import Image
from safetensors.torch import save_file

from tiny_run import SIZE, TINY
from tumorscope.cli.main import run
from tumorscope.dataset.manifest import Manifest, Part
from tumorscope.dataset.manifest_file import read_manifest, write_manifest
from tumorscope.search.options import Metric
from tumorscope.search.storage import locate, opened
from tumorscope.search.study import REASON, open_study
from tumorscope.synthesis.phantom import write_phantoms
from tumorscope.training.config import configure
from tumorscope.training.folder import start_run

SPACE = "learning_rate: {low: 0.0005, high: 0.01, log: true}\naugmentation.flip: {choices: [0, 0.5]}\n"
Capture = pytest.CaptureFixture[str]

INTERRUPTIBLE = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # shells start background jobs deaf to it
from tumorscope.cli.main import main
main()
"""

OUT_OF_MEMORY = """
import resource, sys
from pathlib import Path
import torch, lightning, tumorscope.search.run  # what is loaded does not count
size = int(Path("/proc/self/status").read_text().partition("VmSize:")[2].split()[0])
resource.setrlimit(resource.RLIMIT_AS, (size * 1024 + 900 * 2**20,) * 2)
from tumorscope.cli.main import main
main()
"""


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made-up slices; of each class two patients in six are held out by the manifest."""
    folder = tmp_path_factory.mktemp("search") / "data"
    list(write_phantoms(folder, 72, size=64))
    rows = []
    for row in read_manifest(folder):
        number = (int(row.group.rpartition("-")[2]) - 1) // 4  # within its class: classes take turns
        part = Part.TEST if number % 6 == 4 else Part.EXCLUDED if number % 6 == 5 else Part.TRAIN
        rows.append(replace(row, patient=None, fold=None, part=part, official_split=None))
    write_manifest(Manifest(tuple(rows), folder), folder / "manifest.csv")
    return folder


@pytest.fixture
def data(phantoms: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy that a test may spoil; what is decoded is shared."""
    monkeypatch.setenv("TUMORSCOPE_CACHE", str(phantoms.parent / "cache"))
    shutil.copytree(phantoms, tmp_path / "data")
    return tmp_path / "data"


def _arguments(data: Path, out: Path, space: str, *more: str) -> list[str]:
    file = data.parent / "space.yaml"
    file.write_text(space, encoding="utf-8")
    return ["search", "--data", str(data), "--space", str(file), "--out", str(out), *TINY, *more]


def _result(out: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((out / "search.json").read_text(encoding="utf-8"))
    return record


def _files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


class TestASearch:
    def test_from_the_space_to_a_run_with_the_best_configuration(
        self, data: Path, tmp_path: Path, capsys: Capture
    ) -> None:
        parts = [row.part for row in read_manifest(data)]
        for row in read_manifest(data):
            if row.part is not Part.TRAIN:
                row.path.write_bytes(b"whoever reads this fails")
        out = tmp_path / "search"
        arguments = _arguments(data, out, SPACE, "--trials", "3", "--metric", "macro-f1", "--pruner", "none")
        assert run(arguments) == 0
        printed = capsys.readouterr()
        excluded, test = parts.count(Part.EXCLUDED), parts.count(Part.TEST)
        assert f"not looked at: {excluded} of the part excluded, {test} of the part test" in printed.err
        assert "trials: 3 finished, 0 pruned, 0 failed\nbest: macro-f1 " in printed.out
        assert f"tumorscope train --data {data} --config {out / 'best.yaml'} --out RUN" in printed.out

        assert _files(out) - {str(path) for path in map(Path, _files(out)) if path.parts[0] == "trials"} == {
            *("search.json", "best.yaml", "study.journal"),
            *("history.png", "importances.png", "parallel.png"),
        } - ({"importances.png"} if _result(out)["importances"] is None else set())
        assert {Path(name).name for name in _files(out / "trials")} == {
            *("metrics.csv", "initial-weights.txt", "time.json")
        }
        for picture in out.glob("*.png"):
            with Image.open(picture) as image:
                assert image.width > 600
                assert len(set(image.convert("L").resize((64, 64)).tobytes())) > 5

        result = _result(out)
        assert [trial["state"] for trial in result["trials"]] == ["finished"] * 3
        assert result["data"]["images"] == parts.count(Part.TRAIN)
        assert result["data"]["left_out"] == {
            "part excluded": parts.count(Part.EXCLUDED),
            "part test": parts.count(Part.TEST),
        }
        values = [trial["value"] for trial in result["trials"]]
        assert result["best"] == result["trials"][values.index(max(values))]
        for trial in result["trials"]:
            assert 0.0005 <= trial["parameters"]["learning_rate"] <= 0.01
            assert trial["parameters"]["augmentation.flip"] in (0, 0.5)
            assert trial["epochs"] == trial["attempts"] == 1

        # The same command has nothing left to do; with more trials it goes on.
        before = result["trials"]
        assert run(arguments) == 0
        assert _result(out)["trials"] == before
        arguments[arguments.index("--trials") + 1] = "4"
        assert run(arguments) == 0
        assert _result(out)["trials"][:3] == before
        assert len(_result(out)["trials"]) == 4

        # The file holds the whole configuration: a run that has it is only refused for what is changed after it.
        best = _result(out)["best"]["parameters"]
        settings = [
            "epochs=1",
            f"image_size={SIZE}",
            "batch_size=8",
            "threads=1",
            "pretrained=false",
            "precision=32",
        ]
        config = configure(
            "efficientnet-lite0", [*settings, *(f"{key}={value!r}" for key, value in best.items())]
        )
        start_run(tmp_path / "run", config, read_manifest(data))
        trained = [
            "train",
            "--data",
            str(data),
            "--config",
            str(out / "best.yaml"),
            "--out",
            str(tmp_path / "run"),
        ]
        assert run([*trained, "--set", "label_smoothing=0.2"]) == 2
        assert "another configuration (differs in label_smoothing)" in capsys.readouterr().err

    def test_a_grid_over_image_sizes_and_folds(self, data: Path, tmp_path: Path, capsys: Capture) -> None:
        out = tmp_path / "search"
        arguments = _arguments(
            data, out, "image_size: {low: 32, high: 64, step: 32}\n", "--sampler", "grid", "--trials", "9"
        )
        arguments[arguments.index(f"image_size={SIZE}")] = "weight_decay=0.01"
        assert run([*arguments, "--folds", "3", "--fold-subset", "1,3", "--pruner", "hyperband"]) == 0
        assert "the grid has 2 combinations, so there are 2 trials" in capsys.readouterr().err
        trials = _result(out)["trials"]
        assert sorted(trial["parameters"]["image_size"] for trial in trials) == [32, 64]
        assert {trial["state"] for trial in trials} <= {"finished", "pruned"}
        assert max(trial["epochs"] for trial in trials) == 2  # one epoch on each of two folds
        assert _result(out)["identity"]["validation"] == {"folds": 3, "trained": [1, 3]}


class TestTrialsThatFail:
    def test_one_that_diverges(self, data: Path, tmp_path: Path, capsys: Capture) -> None:
        tensors = timm.create_model("tf_efficientnet_lite0", pretrained=False).state_dict()
        save_file(tensors, tmp_path / "sound.safetensors")
        tensors["conv_stem.weight"] = tensors["conv_stem.weight"] * torch.nan
        save_file(tensors, tmp_path / "broken.safetensors")
        weights = [str(tmp_path / name) for name in ("broken.safetensors", "sound.safetensors")]
        out = tmp_path / "search"
        arguments = _arguments(
            data, out, yaml.safe_dump({"weights": {"choices": weights}}), "--sampler", "grid"
        )
        assert run([*arguments, "--set", "pretrained=true"]) == 0
        by_weights = {trial["parameters"]["weights"]: trial for trial in _result(out)["trials"]}
        assert by_weights[weights[1]]["state"] == "finished"
        assert by_weights[weights[0]]["state"] == "failed"
        assert by_weights[weights[0]]["value"] is None
        assert by_weights[weights[0]]["reason"].startswith(
            "training diverged in epoch 1, batch 1: the loss is nan"
        )
        assert "trials: 1 finished, 0 pruned, 1 failed" in capsys.readouterr().out

        # Where nothing finished there is nothing to recommend.
        only = _arguments(
            data, tmp_path / "none", yaml.safe_dump({"weights": {"choices": weights[:1]}}), "--trials", "1"
        )
        assert run([*only, "--set", "pretrained=true"]) == 2
        assert (
            "no trial finished (0 finished, 0 pruned, 1 failed); the first reason: "
            in capsys.readouterr().err
        )
        assert not (tmp_path / "none" / "best.yaml").exists()

    def test_one_that_needs_too_much_memory(self, data: Path, tmp_path: Path) -> None:
        out = tmp_path / "search"
        arguments = _arguments(data, out, "image_size: {choices: [32, 512]}\n", "--sampler", "grid")
        arguments[arguments.index(f"image_size={SIZE}")] = "batch_size=64"
        arguments[arguments.index("batch_size=8")] = "batch_size=64"
        done = subprocess.run(
            [sys.executable, "-c", OUT_OF_MEMORY, *arguments], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        by_size = {trial["parameters"]["image_size"]: trial for trial in _result(out)["trials"]}
        assert by_size[32]["state"] == "finished"
        assert by_size[512]["state"] == "failed"
        assert by_size[512]["reason"].startswith("memory does not suffice for batches of ")
        assert "failed: memory does not suffice for batches of " in done.stderr


class TestWorkersThatEnd:
    def test_a_killed_worker_loses_no_trial(self, data: Path, tmp_path: Path, capsys: Capture) -> None:
        out = tmp_path / "search"
        arguments = _arguments(data, out, SPACE, "--trials", "2", "--set", "epochs=4", "--pruner", "none")
        worker = subprocess.Popen([sys.executable, "-m", "tumorscope", *arguments])
        metrics = out / "trials" / "1-0" / "1" / "metrics.csv"
        end = time.monotonic() + 120
        while not metrics.is_file():  # one epoch of four
            assert worker.poll() is None
            assert time.monotonic() < end
            time.sleep(0.02)
        worker.send_signal(signal.SIGKILL)
        assert worker.wait() == -signal.SIGKILL

        assert run(arguments) == 0
        assert "the worker of trial 1 has ended; it is tried again" in capsys.readouterr().err
        first, second = _result(out)["trials"]
        assert (first["state"], first["attempts"], first["epochs"]) == ("finished", 2, 4)
        assert (second["state"], second["attempts"], second["epochs"]) == ("finished", 1, 4)
        killed = open_study(
            opened(locate(None, out)), "efficientnet-lite0", Metric.LOG_LOSS, _result(out)["identity"]
        ).trials[0]
        assert killed.state is TrialState.FAIL
        assert killed.params == first["parameters"]

    def test_ctrl_c_leaves_the_trial_for_the_next(self, data: Path, tmp_path: Path) -> None:
        out = tmp_path / "search"
        arguments = _arguments(data, out, SPACE, "--trials", "1", "--set", "epochs=100")
        worker = subprocess.Popen(
            [sys.executable, "-c", INTERRUPTIBLE, *arguments], stderr=subprocess.PIPE, text=True
        )
        end = time.monotonic() + 120
        while not list(out.rglob("metrics.csv")):
            assert worker.poll() is None
            assert time.monotonic() < end
            time.sleep(0.02)
        worker.send_signal(signal.SIGINT)
        _, errors = worker.communicate(timeout=60)
        assert worker.returncode == 130
        assert "go on with the same command" in errors
        assert "Traceback" not in errors
        (trial,) = open_study(
            opened(locate(None, out)), "efficientnet-lite0", Metric.LOG_LOSS, _result(out)["identity"]
        ).trials
        assert (trial.state, REASON in trial.user_attrs) == (TrialState.FAIL, False)


class TestRefusals:
    """Whatever is wrong is one line, and nothing is written."""

    @pytest.mark.parametrize(
        ("more", "message"),
        [
            (("--recipe", "efficientnet-lite00"), "did you mean 'efficientnet-lite0'"),
            (("--set", "epoch=3"), "there is no setting 'epoch'; did you mean 'epochs'?"),
            (("--set", "learning_rate=0.1"), "learning_rate is searched and also fixed by --set"),
            (("--data", "nowhere.csv"), "nowhere.csv does not exist"),
            (("--space", "nowhere.yaml"), "nowhere.yaml does not exist"),
            (("--sampler", "grid"), "the grid cannot enumerate learning_rate, a logarithmic range"),
            (("--sampler", "genetic"), "Invalid value for '--sampler'"),
            (("--folds", "3", "--fold-subset", "4"), "the subset of folds is 4"),
            (("--folds", "3", "--fold-subset", "a"), "--fold-subset is 'a'; numbers such as 1,3 are needed"),
            (("--fold-subset", "1"), "add --folds K"),
            (("--folds", "30"), "30 folds need at least 30"),
            (("--hold-out", "0.9"), "a share of 0.9 was asked to be held out"),
            (("--without-fold", "7"), "no row of the manifest is in fold 7"),
            (("--storage", "redis://user:hunter2@host"), "the storage begins with redis://"),
            (("--storage", "postgresql://user:hunter2@127.0.0.1:9/x"), "postgresql://user:***@127.0.0.1:9/x"),
            (("--trials", "0"), "Invalid value for '--trials'"),
        ],
    )
    def test_a_mistake(
        self,
        phantoms: Path,
        tmp_path: Path,
        capsys: Capture,
        monkeypatch: pytest.MonkeyPatch,
        more: tuple[str, ...],
        message: str,
    ) -> None:
        monkeypatch.setenv("TUMORSCOPE_CACHE", str(phantoms.parent / "cache"))
        arguments = _arguments(phantoms, tmp_path / "out", SPACE, *more)
        assert run(arguments) == 2
        printed = capsys.readouterr()
        assert message in printed.err.splitlines()[-1]
        assert "hunter2" not in printed.err + printed.out
        assert not list((tmp_path / "out").rglob("*.journal"))

    def test_another_search_in_the_same_folder(self, data: Path, tmp_path: Path, capsys: Capture) -> None:
        out = tmp_path / "out"
        assert run(_arguments(data, out, SPACE, "--trials", "1")) == 0
        before = _result(out)
        for more, what in (
            (("--metric", "macro-f1"), "metric"),
            (("--set", "epochs=2"), "settings"),
            (("--folds", "2"), "validation"),
        ):
            assert run(_arguments(data, out, SPACE, "--trials", "1", *more)) == 2
            assert (
                f"a study 'efficientnet-lite0' with another {what}; choose another --out"
                in capsys.readouterr().err
            )
        assert _result(out) == before

    def test_the_help_has_examples(self, capsys: Capture) -> None:
        assert run(["search", "--help"]) == 0
        text = capsys.readouterr().out
        assert "learning_rate: {low: 0.0003, high: 0.003, log: true}" in text
        assert "tumorscope search --data manifest.csv --space space.yaml --out search/ --trials 30" in text
