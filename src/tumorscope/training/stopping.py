"""Stopping early, by images that are neither learnt from nor measured on.

Owns the part of the learning side that is watched for it, and the weights of the best epoch. The part is made of whole
groups of what a fit may learn from, so the fold or calibration part that a fit holds out has no say in when it stops.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning
import numpy as np
from lightning.pytorch.callbacks import Callback
from safetensors.torch import load_file, save

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.core.files import atomic_write
from tumorscope.dataset.split import hold_out_groups
from tumorscope.models.network import SliceNetwork
from tumorscope.training.batches import TrainingRows
from tumorscope.training.config import TrainingConfig

__all__ = ["VALIDATION", "BestWeights", "split_off"]

VALIDATION = "validation"
"""What ``metrics.csv`` calls the part that is watched."""

BEST = "best.safetensors"
_WATCHED = "held_out_loss"


def split_off(config: TrainingConfig, learn: TrainingRows) -> tuple[TrainingRows, TrainingRows]:
    """Divide what a fit may learn from by whole groups: what it learns from, and what it is stopped by.

    Raises
    ------
    InvalidConfiguration
        If nobody said which rows belong together.
    InvalidManifest
        If a class has too few groups.
    """
    if learn.groups is None:
        raise InvalidConfiguration(
            "patience needs to know which images belong to one patient, and no groups were given; train with patience=0"
        )
    groups = np.array([learn.groups[row] for row in learn.rows])
    kept = hold_out_groups(groups, learn.labels[learn.rows], config.validation_fraction, config.seed)
    return (
        replace(learn, rows=learn.rows[~kept]),
        replace(learn, rows=learn.rows[kept], boxes=None, part=VALIDATION),
    )


class BestWeights(Callback):
    """Keeps the averaged weights of the epoch with the least validation loss, and ends a fit that gets no better.

    The file is written before the checkpoint that knows of it. A fit that goes on from an older checkpoint comes to the
    same epochs with the same losses again, and so to the same file.

    Parameters
    ----------
    folder
        Of the fit.
    patience
        Epochs without a lower loss after which it ends, at least 1.
    """

    def __init__(self, folder: Path, patience: int) -> None:
        self._path, self._patience = folder / BEST, patience
        self._best, self._waited = float("inf"), 0

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Look at the loss of the epoch."""
        loss = float(trainer.callback_metrics[_WATCHED])
        if loss < self._best:
            self._best, self._waited = loss, 0
            if trainer.is_global_zero:
                trained: SliceNetwork = pl_module.trained  # type: ignore[assignment]
                tensors = {name: tensor.cpu().contiguous() for name, tensor in trained.state_dict().items()}
                atomic_write(self._path, save(tensors))
        else:
            self._waited += 1
        trainer.should_stop = trainer.should_stop or self._waited >= self._patience

    def state_dict(self) -> dict[str, Any]:
        """What a resumed fit must know."""
        return {"best": self._best, "waited": self._waited}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""
        self._best, self._waited = float(state_dict["best"]), int(state_dict["waited"])

    def put_back(self, trained: SliceNetwork) -> None:
        """Give the network the weights of the best epoch; none was better than nothing if no loss was finite."""
        if self._path.is_file():
            trained.load_state_dict(load_file(self._path))

    def forget(self) -> None:
        """Remove the file, once the weights are written under their own name."""
        self._path.unlink(missing_ok=True)
