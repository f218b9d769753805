"""One trial: fit on the inner folds and say after every epoch how well it does.

Owns what is fitted and measured in a trial, and the ways in which a trial fails for reasons of its own. Knows nothing
of studies.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from numpy.typing import NDArray

from tumorscope.core.errors import DivergedTraining
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.dataset.groups import undivided_groups
from tumorscope.dataset.manifest import Manifest
from tumorscope.models.network import SliceNetwork
from tumorscope.search.metric import measure
from tumorscope.search.options import Metric
from tumorscope.search.validation import InnerFold
from tumorscope.training.batches import TrainingRows
from tumorscope.training.config import TrainingConfig
from tumorscope.training.fit import fit
from tumorscope.training.module import as_input

__all__ = ["Report", "run_trial"]

Report = Callable[[int, float], None]
"""Called with (step, value) after every epoch of every fold; raises to end the trial."""


def run_trial(
    config: TrainingConfig,
    manifest: Manifest,
    images: NDArray[np.uint8],
    folds: Sequence[InnerFold],
    *,
    metric: Metric,
    folder: Path,
    steps_a_fold: int,
    report: Report,
    boxes: NDArray[np.float32] | None = None,
) -> float:
    """Fit one network a fold and measure the answers to what each has not seen.

    Parameters
    ----------
    config
        The configuration of the trial.
    manifest, images
        The data of the search, ``uint8 [N, S, S]`` in manifest order.
    folds
        What is learnt from and held out.
    metric
        What is measured.
    folder
        Where the fits are kept; empty.
    steps_a_fold
        The largest number of epochs of any trial, so that a step means the same in all.
    report
        Told the measure of the fold at hand after every epoch.
    boxes
        ``float32 [N, 4]``, where the tumours are, for a configuration that learns from it.

    Returns
    -------
    float
        The measure over the held-out images of all folds together, copies counting once.

    Raises
    ------
    DivergedTraining
        If an answer is not finite.
    """
    labels, weights = manifest.labels(), manifest.weights()
    slices = tuple(row.slice_id for row in manifest)
    groups = tuple(undivided_groups(manifest).tolist()) if config.by_group else None
    logits = np.full((len(manifest), len(CLASS_ORDER)), np.nan)
    for position, fold in enumerate(folds):
        rows = fold.watch

        def after_epoch(
            epoch: int, network: SliceNetwork, position: int = position, rows: NDArray[np.int64] = rows
        ) -> None:
            answers = _answer(network, images, rows)
            if not np.isfinite(answers).all():
                raise DivergedTraining(f"the answers are not finite after epoch {epoch + 1}")
            logits[rows] = answers
            report(position * steps_a_fold + epoch, measure(metric, labels[rows], answers, weights[rows]))

        fit(
            config,
            TrainingRows(images, labels, slices, fold.learn, boxes, groups),
            TrainingRows(images, labels, slices, fold.watch),
            folder / str(position + 1),
            progress=False,
            callbacks=[_AfterEpoch(after_epoch)],
        )
    held_out = np.concatenate([fold.watch for fold in folds])
    return measure(metric, labels[held_out], logits[held_out], weights[held_out])


class _AfterEpoch(Callback):
    """Hands over the averaged network, the one that a fit keeps, after every epoch."""

    def __init__(self, act: Callable[[int, SliceNetwork], None]) -> None:
        self._act = act

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        # A copy, since the mode of evaluation and inference tensors would spoil the one that goes on being averaged.
        trained: SliceNetwork = copy.deepcopy(pl_module.trained)  # type: ignore[assignment]
        self._act(trainer.current_epoch, trained.eval())


def _answer(
    network: SliceNetwork, images: NDArray[np.uint8], rows: NDArray[np.int64], batch_size: int = 64
) -> NDArray[np.float64]:
    """Logits ``float64 [M, 4]`` in 32 bits, on the device where the network is."""
    device = next(network.parameters()).device
    found = []
    with torch.inference_mode():
        for first in range(0, len(rows), batch_size):
            batch = torch.from_numpy(np.ascontiguousarray(images[rows[first : first + batch_size]])).to(
                device
            )
            batch = as_input(batch).contiguous(memory_format=torch.channels_last)
            found.append(network(batch).logits.double().cpu().numpy())
    return np.concatenate(found)
