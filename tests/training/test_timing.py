"""The time of a fit is summed over its sessions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lightning.pytorch.callbacks import Callback

from tumorscope.training.batches import TrainingRows
from tumorscope.training.config import configure
from tumorscope.training.fit import fit
from tumorscope.training.timing import TIME

SETTINGS = ("image_size=32", "epochs=2", "batch_size=4", "threads=1", "precision=32")


class _Interrupt(Callback):
    def on_train_epoch_end(self, *_: Any) -> None:
        raise KeyboardInterrupt


def _rows() -> TrainingRows:
    images = np.random.default_rng(0).integers(0, 256, (8, 32, 32), dtype=np.uint8)
    labels = np.arange(8, dtype=np.int64) % 4
    return TrainingRows(images, labels, tuple(map(str, range(8))), np.arange(8, dtype=np.int64))


def _time(folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((folder / TIME).read_text(encoding="utf-8"))
    return record


def test_an_interrupted_session_counts_and_a_finished_fit_adds_nothing(tmp_path: Path) -> None:
    config, rows = configure("light-cnn", SETTINGS), _rows()
    with pytest.raises(KeyboardInterrupt):
        fit(config, rows, rows, tmp_path, progress=False, callbacks=[_Interrupt()])
    first = _time(tmp_path)
    assert first["sessions"] == 1
    assert first["seconds"] > 0
    assert (first["device"], first["threads"]) == ("cpu", 1)

    fit(config, rows, rows, tmp_path, progress=False)
    second = _time(tmp_path)
    assert second["sessions"] == 2
    assert second["seconds"] > first["seconds"]

    fit(config, rows, rows, tmp_path, progress=False)
    assert _time(tmp_path) == second
