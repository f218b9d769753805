"""From the folder of a run to a bundle.

Owns the order of an export: read the final fit, calibrate, build the graph, check it, add the card, write.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.card import ModelCard
from tumorscope.core.errors import MissingInput
from tumorscope.core.files import atomic_write
from tumorscope.core.weight_type import WeightType
from tumorscope.evaluation.calibration import Scaling
from tumorscope.evaluation.predictions import PredictionTable, read_predictions
from tumorscope.export.calibrate import calibrate
from tumorscope.export.card import write_card
from tumorscope.export.file import heatmap_stride, with_card
from tumorscope.export.graph import AnswerGraph, to_onnx
from tumorscope.export.held_out import out_of_fold_novelty
from tumorscope.export.parity import check_parity
from tumorscope.export.weight_storage import stored_as
from tumorscope.recipes.registry import find_recipe
from tumorscope.training.fit import load_fitted
from tumorscope.training.folder import INITIAL_WEIGHTS, RunFolder
from tumorscope.training.novelty import SPACE, NoveltySpace, load_space

__all__ = ["checked_graph", "export_run"]


def export_run(
    run: RunFolder, out: Path | None = None, *, weight_type: WeightType | None = None
) -> ModelCard:
    """Write the bundle of a run.

    Parameters
    ----------
    run
        With a finished final fit.
    out
        Destination; ``bundle.onnx`` in the run's folder where not given.
    weight_type
        In which the file keeps its weights; as the recipe says where not given.

    Returns
    -------
    ModelCard
        As written into the bundle.

    Raises
    ------
    MissingInput
        If the final fit has not finished.
    ParityError
        If the graph does not answer as the network does, or rounded weights do not; nothing is written then.
    """
    if not (run.final / "calibration.csv").is_file():
        raise MissingInput(
            f"{run.path} has no finished final fit; train without --folds first, or go on by --resume"
        )
    if not (run.final / SPACE).is_file():
        raise MissingInput(
            f"{run.path} was trained by an older version and lacks final/{SPACE}; make it, without training again, by "
            "the command that trained the final fit and --resume"
        )
    weight_type = weight_type or find_recipe(run.config.recipe).weight_type
    space, novelty = load_space(run.final / SPACE)
    calibration = read_predictions(run.final / "calibration.csv")
    calibrated = calibrate(_out_of_fold(run) or calibration)
    content = checked_graph(run, run.final, calibrated.scaling, space)
    content = stored_as(weight_type, content, run.config.image_size)
    novelty, weights = _held_out_novelty(run, novelty, calibration)
    card = write_card(
        run,
        calibrated=calibrated,
        calibration=calibration,
        novelty=novelty,
        novelty_weights=weights,
        weights=(run.final / INITIAL_WEIGHTS).read_text(encoding="utf-8").strip(),
        heatmap_stride=heatmap_stride(content, run.config.image_size),
        weight_type=weight_type,
    )
    atomic_write(out or run.bundle, with_card(content, card))
    return card


def _out_of_fold(run: RunFolder) -> PredictionTable | None:
    """The fold models' answers, if there are any: far more patients than the calibration part has."""
    table = read_predictions(run.predictions) if run.predictions.is_file() else None
    several = table is not None and table.folds is not None and len(np.unique(table.folds)) > 1
    return table if several else None


def _held_out_novelty(
    run: RunFolder, novelty: NDArray[np.float32], calibration: PredictionTable
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """What the limit rests on: the fold models' novelty of all patients, else that of the calibration part."""
    table = _out_of_fold(run)
    if table is not None and all(
        (run.fold(int(number)) / SPACE).is_file() for number in np.unique(np.asarray(table.folds))
    ):
        return out_of_fold_novelty(run, table), table.weights
    return novelty, calibration.weights


def checked_graph(run: RunFolder, folder: Path, calibration: Scaling, space: NoveltySpace) -> bytes:
    """The graph of the fit in ``folder``, without a card.

    Raises
    ------
    ParityError
        If it does not answer as the network does.
    """
    graph = AnswerGraph(load_fitted(run.config, folder), calibration, space).eval()
    content = to_onnx(graph, run.config.image_size)
    check_parity(graph, content, run.config.image_size)
    return content
