"""A run that is killed in mid-epoch ends like one that is not."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tumorscope.training.history import read_history

SCRIPT = Path(__file__).with_name("fit_once.py")
KILLED = Path(__file__).with_name("kill_once.py")
OFTEN = "checkpoint_seconds=0.02"
STEPS_AN_EPOCH = 16
BOXES = (
    "supervision.pointing=0.5",
    "supervision.box=1",
    "supervision.paste=0.5",
    "supervision.heal=0.5",
    "supervision.decoy=0.5",
)
AUGMENTED = (
    "augmentation.preset=strong",
    "augmentation.mixup_probability=0.2",
    "augmentation.cutmix_probability=0.2",
)
OPTIONS = (
    *("epochs=6", "stages=gradual", "layer_decay=0.7", "schedule=one-cycle", "accumulate=4", "patience=2"),
    *("class_weights=balanced", "sampling=class-patient", "deterministic=true", "learning_rate=0.01"),
)
STEPS_OF_FOUR = 4  # of the 15 batches that validation leaves


def _killed_in_mid_epoch(folder: Path, settings: tuple[str, ...], an_epoch: int) -> int:
    """Have a fit killed by SIGKILL after a checkpoint inside an epoch, and give the step that holds."""
    killed = subprocess.run([sys.executable, str(KILLED), str(folder), str(an_epoch), *settings], check=False)
    assert killed.returncode == -signal.SIGKILL, "the fit ended before it could be killed"
    steps: int = torch.load(folder / "last.ckpt", map_location="cpu", weights_only=True)["global_step"]
    return steps


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
@pytest.mark.parametrize(
    ("settings", "an_epoch"),
    [
        ((), STEPS_AN_EPOCH),
        (BOXES, STEPS_AN_EPOCH),
        ((*BOXES, *AUGMENTED), STEPS_AN_EPOCH),
        (OPTIONS, STEPS_OF_FOUR),
    ],
    ids=["plain", "boxes", "augmented", "options"],
)
def test_killed_and_resumed_is_bit_identical(
    tmp_path: Path, settings: tuple[str, ...], an_epoch: int
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    subprocess.run([sys.executable, str(SCRIPT), str(whole), *settings], check=True)

    steps = _killed_in_mid_epoch(broken, (*settings, OFTEN), an_epoch)
    assert steps % an_epoch > 0
    assert not (broken / "weights.safetensors").exists()
    subprocess.run([sys.executable, str(SCRIPT), str(broken), *settings], check=True)

    expected, resumed = load_file(whole / "weights.safetensors"), load_file(broken / "weights.safetensors")
    assert expected.keys() == resumed.keys()
    different = [name for name in expected if not torch.equal(expected[name], resumed[name])]
    assert different == []
    assert not any("box_head" in name for name in expected)
    assert not (broken / "last.ckpt").exists()
    epochs = [row["epoch"] for row in read_history(whole)]
    assert settings == OPTIONS or epochs == ["0", "1"]
    assert [row["epoch"] for row in read_history(broken)] == epochs
    assert read_history(broken)[-1] == read_history(whole)[-1]
