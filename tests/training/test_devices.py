"""Two processes learn what one does: the same images in the same steps, none lost and none doubled."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tiny_run import SIZE, TinyRun
from tumorscope.cli.main import run
from tumorscope.training.history import read_history

SCRIPT = Path(__file__).with_name("fit_together.py")
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
EPOCHS = 60

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither torchrun nor SIGKILL")


def _shown(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def test_torchrun_fits_as_one_process_does(tmp_path: Path) -> None:
    alone, together = tmp_path / "alone", tmp_path / "together"
    environment = os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": _loopback()}
    for command in ([str(SCRIPT), str(alone)], [*TORCHRUN, str(SCRIPT), str(together)]):
        done = subprocess.run(
            [sys.executable, *command],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr

    whole, parts = _shown(alone / "shown-0.json"), [_shown(together / f"shown-{k}.json") for k in range(2)]
    assert len(whole["learnt"]) == 2 * 3
    for (epoch, step, rows), first, second in zip(
        whole["learnt"], parts[0]["learnt"], parts[1]["learnt"], strict=True
    ):
        assert first[:2] == second[:2] == [epoch, step]
        assert (len(first[2]), len(second[2])) == (5, 5)
        assert sorted(first[2] + second[2]) == sorted(rows)
    assert sorted(parts[0]["watched"] + parts[1]["watched"]) == sorted(whole["watched"])
    assert len(set(whole["watched"])) * 2 == len(whole["watched"])  # once an epoch

    expected, found = read_history(alone), read_history(together)
    assert [row["epoch"] for row in found] == [row["epoch"] for row in expected] == ["0", "1"]
    for before, after in zip(expected, found, strict=True):
        for name in ("loss", "accuracy", "rate", "held_out_loss", "held_out_accuracy"):
            assert float(after[name]) == pytest.approx(float(before[name]), rel=1e-3), name
    one, two = load_file(alone / "weights.safetensors"), load_file(together / "weights.safetensors")
    assert one.keys() == two.keys()
    for name in one:
        torch.testing.assert_close(two[name], one[name], rtol=1e-2, atol=1e-3)
    # Written once, by the first.
    names = {"metrics.csv", "weights.safetensors", "initial-weights.txt", "time.json"}
    assert {path.name for path in together.iterdir()} == {*names, "shown-0.json", "shown-1.json"}


@pytest.mark.skipif(sys.platform != "linux", reason="children are found by /proc")
def test_a_killed_process_ends_all_and_one_goes_on(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TUMORSCOPE_CACHE", str(tiny_run.cache))
    out = tmp_path / "run"
    arguments = [
        *("train", "--data", str(tiny_run.data), "--out", str(out), "--recipe", "light-cnn"),
        *("--set", f"epochs={EPOCHS}", "--set", f"image_size={SIZE}", "--set", "batch_size=16"),
        *("--set", "threads=1", "--set", "precision=32", "--set", "checkpoint_seconds=0.1", "--no-progress"),
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "tumorscope", *arguments, "--devices", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 180
        while not (out / "final" / "last.ckpt").is_file():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert len(children) == 2
        os.kill(int(children[1]), signal.SIGKILL)
        output, errors = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 2, errors
    assert output == ""
    said = [line for line in errors.splitlines() if line.startswith("error:")]
    assert len(said) == 1, errors
    assert said[0].startswith(
        "error: process 1 of 2 was ended by SIGKILL; the training goes on from its last"
    )
    assert "Traceback" not in errors
    assert errors.count("final fit: ") == 1  # one of them speaks
    assert not any(Path(f"/proc/{child}").exists() for child in children)
    assert not (out / "final" / "weights.safetensors").exists()

    # The number of devices is no part of the configuration.
    assert run([*arguments, "--resume"]) == 0
    assert [int(row["epoch"]) for row in read_history(out / "final")] == list(range(EPOCHS))
    assert (out / "bundle.onnx").is_file()
    capsys.readouterr()


def test_a_mistake_of_all_is_told_once(tiny_run: TinyRun, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tumorscope", "train", "--data", str(tiny_run.data), "--out"),
            *(str(tmp_path / "run"), "--recipe", "light-cnn", "--set", f"image_size={SIZE}"),
            *("--set", "batch_size=2", "--set", "threads=1", "--no-progress", "--devices", "3"),
        ],
        env=os.environ | {"TUMORSCOPE_CACHE": str(tiny_run.cache)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 2, done.stderr
    said = [line for line in done.stderr.splitlines() if "final fit: " not in line]
    assert said == [
        "error: a step has 2 images, and 3 processes share it; use fewer devices or a larger batch_size"
    ]
    assert done.stdout == ""


def _loopback() -> str:
    return "lo" if sys.platform == "linux" else "lo0"
