"""When and how the state of a fit is kept.

Owns that a checkpoint is whole: taken between two steps of the optimiser, and put in the place of the one before only
when all of it has reached the disk.
"""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from tumorscope.core.files import atomic_write

__all__ = ["StepCheckpoint", "WholeFiles"]


class StepCheckpoint(ModelCheckpoint):
    """Keeps the last state in one file.

    Parameters
    ----------
    path
        The file, ``NAME.ckpt``.
    seconds
        Longest time between two checkpoints, where a step does not take longer.
    accumulate
        Batches whose gradients make one step.
    """

    def __init__(self, path: Path, seconds: float, accumulate: int) -> None:
        super().__init__(
            dirpath=path.parent,
            filename=path.stem,
            train_time_interval=timedelta(seconds=seconds),
            enable_version_counter=False,
        )
        self._accumulate = accumulate

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save if it is time, though neither with half a step's gradients nor between an epoch and its watching.

        From the end of an epoch Lightning goes on with the next one: what the held-out images say would be lost.
        """
        last, steps = trainer.is_last_batch, trainer.num_training_batches
        if (batch_idx + 1) % self._accumulate == 0 if not last else steps <= self._accumulate:
            super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)


class WholeFiles(TorchCheckpointIO):
    """Writes beside the old checkpoint and renames.

    Lightning's own writes elsewhere and moves, which across file systems is a copy: a full disk would then leave half a
    checkpoint in the place of the good one.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        """Write the whole or nothing."""
        del storage_options  # there are none for a file
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        atomic_write(path, buffer.getvalue())
