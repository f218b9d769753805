"""What TensorBoard and MLflow hold is what ``metrics.csv`` says, and nothing leaves the machine."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tiny_run import SIZE, TinyRun
from tumorscope.cli.main import run
from tumorscope.dataset.manifest import Manifest
from tumorscope.dataset.manifest_file import read_manifest, write_manifest
from tumorscope.training.history import read_history

METRICS = ("loss", "accuracy", "held_out_loss", "held_out_accuracy")
FITS = ("folds-1", "folds-2")
TRAIN = """
import socket, sys
attempts = []
def refuse(*arguments, **_):
    attempts.append(arguments)
    raise OSError("outside connections are blocked")
socket.getaddrinfo = socket.create_connection = refuse
socket.socket.connect = socket.socket.connect_ex = socket.socket.sendto = refuse
from tumorscope.cli.main import run
assert run(sys.argv[1:]) == 0
assert attempts == [], attempts
"""
# Read in a process of its own: the readers of both libraries warn of things that are theirs.
READ = """
import json, sys
from pathlib import Path
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
out = Path(sys.argv[1])
found = {"tensorboard": {}, "mlflow": {}}
for folder in sorted((out / "tensorboard").iterdir()):
    events = EventAccumulator(str(folder)).Reload()
    found["tensorboard"][folder.name] = {
        tag: [event.value for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]
    }
from mlflow.tracking import MlflowClient
client = MlflowClient(f"sqlite:///{(out / 'mlflow.db').resolve()}")
for experiment in client.search_experiments():
    for started in client.search_runs([experiment.experiment_id]):
        names = started.data.metrics
        found["mlflow"][started.info.run_name] = {
            "experiment": experiment.name,
            "status": started.info.status,
            "user": started.info.user_id,
            "tags": started.data.tags,
            "parameters": started.data.params,
            "metrics": {
                name: [m.value for m in client.get_metric_history(started.info.run_id, name)] for name in names
            },
        }
print(json.dumps(found))
"""


def _environment(cache: Path) -> dict[str, str]:
    """That of a user: MLflow sends nothing anyway where it finds a test or a build machine."""
    hidden = ("PYTEST_CURRENT_TEST", "CI", "GITHUB_ACTIONS", "MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK")
    kept = {name: value for name, value in os.environ.items() if name not in (*hidden, "MLFLOW_TRACKING_URI")}
    return kept | {"TUMORSCOPE_CACHE": str(cache)}


@pytest.fixture(scope="module")
def logged(tiny_run: TinyRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two small folds with both loggers, in a process without a network."""
    folder = tmp_path_factory.mktemp("logged")
    manifest, out = folder / "two.csv", folder / "run"
    rows = [
        replace(row, fold=1 + int(row.group.rpartition("-")[2]) // 4 % 2)
        for position, row in enumerate(read_manifest(tiny_run.data))
        if position % 3 == 0
    ]
    write_manifest(Manifest(tuple(rows), folder), manifest)
    arguments = [
        *("train", "--data", str(manifest), "--out", str(out), "--recipe", "light-cnn", "--folds"),
        *("--set", "epochs=3", "--set", f"image_size={SIZE}", "--set", "batch_size=4", "--set", "threads=1"),
        *("--set", "precision=32", "--no-progress", "--logger", "tensorboard", "--logger", "mlflow"),
    ]
    done = subprocess.run(
        [sys.executable, "-c", TRAIN, *arguments],
        cwd=folder,
        env=_environment(folder / "cache"),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "mlflow" not in done.stderr.lower()
    assert sorted(path.name for path in folder.iterdir()) == ["cache", "run", "two.csv"]
    return out


@pytest.fixture(scope="module")
def found(logged: Path) -> dict[str, dict[str, dict[str, object]]]:
    import json

    done = subprocess.run(
        [sys.executable, "-c", READ, str(logged)],
        env=os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    content: dict[str, dict[str, dict[str, object]]] = json.loads(done.stdout.splitlines()[-1])
    return content


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("logger", ["tensorboard", "mlflow"])
def test_each_fold_is_a_run_with_the_metrics_of_every_epoch(
    logged: Path, found: dict[str, dict[str, dict[str, object]]], logger: str, number: int
) -> None:
    assert sorted(found[logger]) == list(FITS)
    history = read_history(logged / "folds" / str(number))
    assert len(history) == 3
    fit = found[logger][f"folds-{number}"]
    metrics = fit["metrics"] if logger == "mlflow" else fit
    assert isinstance(metrics, dict)
    for name in METRICS:
        assert metrics[name] == pytest.approx([float(row[name]) for row in history], rel=1e-4)


def test_mlflow_knows_the_configuration_and_no_user_and_no_path(
    logged: Path, found: dict[str, dict[str, dict[str, object]]]
) -> None:
    for fit in found["mlflow"].values():
        assert (fit["experiment"], fit["status"], fit["user"]) == ("run", "FINISHED", "unknown")
        assert isinstance(fit["parameters"], dict)
        assert (fit["parameters"]["recipe"], fit["parameters"]["epochs"]) == ("light-cnn", "3")
        assert len(str(fit["parameters"]["configuration_sha256"])) == 64
        assert isinstance(fit["tags"], dict)
        assert set(fit["tags"]) == {"mlflow.runName"}
        assert str(logged.parent) not in str(fit)
        assert "synthetic" not in str(fit)


def test_a_missing_extra_is_one_line(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("tensorboard", "mlflow"):
        monkeypatch.setitem(sys.modules, name, None)
        out = tmp_path / name
        assert run(["train", "--data", str(tiny_run.data), "--out", str(out), "--logger", name]) == 2
        errors = capsys.readouterr().err
        assert errors.startswith(f"error: --logger {name} needs the package '{name}', which is not installed")
        assert "pip install 'tumorscope[loggers]'" in errors
        assert errors.count("\n") == 1
        assert not out.exists()
