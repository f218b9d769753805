"""A run that gets no better stops, by images that nobody learns from or measures on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fit_once import SETTINGS, rows
from lightning.pytorch.callbacks import Callback
from safetensors.torch import load_file

from tumorscope.core.errors import InvalidConfiguration, InvalidManifest
from tumorscope.training.batches import TrainingRows
from tumorscope.training.config import configure
from tumorscope.training.fit import fit
from tumorscope.training.history import read_history
from tumorscope.training.stopping import split_off

STOPPING = ("patience=2", "validation_fraction=0.25")


@pytest.fixture(scope="module")
def data() -> TrainingRows:
    return rows(8)


def test_the_part_is_made_of_whole_groups_of_the_learning_side(data: TrainingRows) -> None:
    learning = replace(data, rows=data.rows[data.rows % 8 < 6])
    config = configure("light-cnn", STOPPING)
    learn, watch = split_off(config, learning)
    assert sorted([*learn.rows, *watch.rows]) == learning.rows.tolist()
    groups = data.groups or ()
    assert not {groups[row] for row in learn.rows} & {groups[row] for row in watch.rows}
    for part in (learn, watch):
        assert set(data.labels[part.rows].tolist()) == {0, 1, 2, 3}
    assert (learn.part, watch.part) == ("held out", "validation")
    again, _ = split_off(config, learning)
    assert again.rows.tolist() == learn.rows.tolist()


def test_it_needs_groups_and_enough_of_them(data: TrainingRows) -> None:
    config = configure("light-cnn", STOPPING)
    with pytest.raises(InvalidConfiguration, match=r"no groups were given; train with patience=0"):
        split_off(config, replace(data, groups=None))
    single = replace(data, groups=tuple(str(label) for label in data.labels))
    with pytest.raises(InvalidManifest, match=r"class glioma has 1 groups, too few to hold out 0\.25"):
        split_off(config, single)


class _Spoil(Callback):
    """From the third epoch on a run that learns the opposite: its validation loss can only rise."""

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if trainer.current_epoch >= 2:
            batch.labels.copy_((batch.labels + 1) % 4)


class _Keep(Callback):
    """The averaged weights after every epoch."""

    def __init__(self) -> None:
        self.epochs: list[dict[str, torch.Tensor]] = []

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        state = pl_module.trained.state_dict()
        self.epochs.append({name: tensor.clone() for name, tensor in state.items()})


def test_it_stops_after_patience_and_keeps_the_weights_of_the_best_epoch(
    data: TrainingRows, tmp_path: Path
) -> None:
    keep = _Keep()
    settings = (*SETTINGS, *STOPPING, "epochs=30", "ema_decay=0", "schedule=constant", "label_smoothing=0")
    config = configure("light-cnn", [*settings, "learning_rate=0.003"])
    held_out = replace(data, rows=data.rows[:4])
    trained = fit(config, data, held_out, tmp_path, progress=False, callbacks=[_Spoil(), keep])
    history = read_history(tmp_path)
    losses = [float(row["held_out_loss"]) for row in history]
    best = int(np.argmin(losses))
    assert len(history) == best + 3 < 30
    assert {row["watched"] for row in history} == {"validation"}
    written = load_file(tmp_path / "weights.safetensors")
    assert all(tensor.equal(keep.epochs[best][name]) for name, tensor in written.items())
    assert any(not tensor.equal(keep.epochs[-1][name]) for name, tensor in written.items())
    assert all(tensor.equal(written[name]) for name, tensor in trained.state_dict().items())
    assert not {"best.safetensors", "last.ckpt"} & {path.name for path in tmp_path.iterdir()}


def test_without_patience_all_epochs_are_trained_and_the_held_out_part_is_watched(
    data: TrainingRows, tmp_path: Path
) -> None:
    config = configure("light-cnn", [*SETTINGS, "epochs=3"])
    fit(config, data, replace(data, rows=data.rows[:4], part="fold 2"), tmp_path, progress=False)
    assert [row["watched"] for row in read_history(tmp_path)] == ["fold 2"] * 3
