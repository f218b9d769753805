"""From the fits of a cross-fitted run to one bundle a fold, with which a run is measured without torch.

Owns what sets the constants of a fold model: what the *other* folds' models say of the images they have not seen. So
nothing in the bundle of a fold knows the fold that it is going to be asked about.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import MissingInput
from tumorscope.core.files import atomic_write
from tumorscope.evaluation.predictions import PredictionTable, read_predictions
from tumorscope.export.calibrate import calibrate
from tumorscope.export.card import write_card
from tumorscope.export.file import heatmap_stride, with_card
from tumorscope.export.held_out import out_of_fold_novelty
from tumorscope.export.onnx import checked_graph
from tumorscope.training.folder import INITIAL_WEIGHTS, RunFolder
from tumorscope.training.novelty import SPACE, load_space

__all__ = ["export_folds"]


def export_folds(run: RunFolder, *, announce: Callable[[str], None], again: bool = False) -> None:
    """Write the bundles of a run's folds that are missing.

    Parameters
    ----------
    run
        With all folds finished.
    announce
        Told of each fold before its bundle is made.
    again
        Whether to make those anew that are there.

    Raises
    ------
    MissingInput
        If a fold has not finished.
    ParityError
        If a graph does not answer as its network does; that bundle is not written.
    """
    table = read_predictions(run.path)
    if table.folds is None:
        raise MissingInput(f"{run.predictions} has no folds; train with --folds")
    novelty = out_of_fold_novelty(run, table)
    for number in (int(fold) for fold in np.unique(table.folds)):
        if run.fold_bundle(number).is_file() and not again:
            continue
        announce(f"fold {number}: exporting the graph and checking it against torch")
        _export_fold(run, number, table, novelty)


def _export_fold(run: RunFolder, number: int, table: PredictionTable, novelty: NDArray[np.float32]) -> None:
    folder, others = run.fold(number), np.flatnonzero(np.asarray(table.folds) != number)
    space, _ = load_space(folder / SPACE)
    calibration = table.subset(others)
    calibrated = calibrate(calibration)
    content = checked_graph(run, folder, calibrated.scaling, space)
    origin = folder / INITIAL_WEIGHTS
    card = write_card(
        run,
        calibrated=calibrated,
        calibration=calibration,
        novelty=novelty[others],
        weights=origin.read_text(encoding="utf-8").strip() if origin.is_file() else "not recorded",
        held_out_fold=number,
        heatmap_stride=heatmap_stride(content, run.config.image_size),
    )
    atomic_write(run.fold_bundle(number), with_card(content, card))
