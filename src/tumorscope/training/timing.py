"""How long a fit took, over all its sessions.

Owns ``time.json`` of a fit: seconds of wall clock spent in Lightning's loop, the watching of held-out images
included, summed over interruptions. It is written every few seconds, so that a killed session loses no more.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback

from tumorscope.core.files import atomic_write

__all__ = ["TIME", "Stopwatch"]

TIME = "time.json"

_EVERY = 10.0


class Stopwatch(Callback):
    """Adds what this session takes to what earlier ones took.

    Parameters
    ----------
    folder
        Of the fit.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / TIME
        self._before, self._sessions = _read(self._path)
        self._begun: float | None = None
        self._written = 0.0

    def on_fit_start(self, *_: Any) -> None:
        """Begin to count."""
        self._begun = self._written = time.monotonic()

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        """Write from time to time."""
        if time.monotonic() - self._written > _EVERY:
            self._write(trainer)

    def on_fit_end(self, trainer: Any, *_: Any) -> None:
        """Write the whole."""
        self._write(trainer)

    def on_exception(self, trainer: Any, *_: Any) -> None:
        """Write what an interrupted session took."""
        self._write(trainer)

    def _write(self, trainer: Any) -> None:
        if self._begun is None or not trainer.is_global_zero:
            return
        self._written = time.monotonic()
        record = {
            "seconds": round(self._before + self._written - self._begun, 3),
            "sessions": self._sessions + 1,
            "device": trainer.strategy.root_device.type,
            "threads": torch.get_num_threads(),
            "cores": os.cpu_count(),
        }
        atomic_write(self._path, json.dumps(record) + "\n")


def _read(path: Path) -> tuple[float, int]:
    """Seconds and sessions so far; none where the file is missing or damaged."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return float(record["seconds"]), int(record["sessions"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0.0, 0
