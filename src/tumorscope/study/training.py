"""One part of a row, trained as ``tumorscope train`` trains it.

Owns the order: choose the rows, read the images, train, export, count. Imports torch.
"""

from __future__ import annotations

import json

import numpy as np

from tumorscope.core.files import atomic_write
from tumorscope.dataset.manifest import Manifest
from tumorscope.evaluation.predictions import read_predictions
from tumorscope.export.folds import export_folds
from tumorscope.export.onnx import export_run
from tumorscope.study.costs import count_costs
from tumorscope.study.facts import COSTS
from tumorscope.study.plan import PlannedPart, PlannedRow, official_parts
from tumorscope.study.progress import Announce, Steps
from tumorscope.study.request import StudyRequest
from tumorscope.training.folder import start_run
from tumorscope.training.making import Training
from tumorscope.training.run import cross_fit, final_fit, load_images
from tumorscope.training.split import training_data

__all__ = ["train_part"]


def train_part(
    request: StudyRequest,
    row: PlannedRow,
    part: PlannedPart,
    manifest: Manifest,
    *,
    steps: Steps,
    progress: bool,
    announce: Announce,
) -> None:
    """Train a part of a row, or go on with it, and export what it gives.

    Parameters
    ----------
    request
        The study.
    row, part
        What of it.
    manifest
        The data of the study.
    steps
        Counts while images are read; nothing is counted while the training draws its own bars.
    progress
        Whether to draw the bars of the training.
    announce
        Told what is going on.

    Raises
    ------
    TumorscopeError
        As training and exporting do.
    """
    if row.config is None:
        raise ValueError(f"nothing of {row.name} is to be trained")
    is_official = part.name == "official"
    chosen = training_data(
        official_parts(manifest) if is_official else manifest,
        folds=not is_official,
        # The official split is trained on as it was published; everything that comes of it is stamped.
        allow_leaks=is_official or request.allow_leaks,
    )
    with steps() as begin:
        rows, images = load_images(
            chosen.manifest,
            row.config.image_size,
            skip_unreadable=request.skip_unreadable,
            progress=begin(f"{row.name}: reading images"),
            announce=announce,
        )
    run = start_run(part.path, row.config, rows, left_out=chosen.left_out, leaks=chosen.leaks)
    if is_official:
        final_fit(run, rows, images, Training(progress), announce=announce)
        announce("exporting the graph and checking it against torch")
        export_run(run)
        fit = run.final
    else:
        cross_fit(
            run,
            rows,
            images,
            Training(progress),
            announce=announce,
            allow_leaks=request.allow_leaks,
            first=row.folds,
        )
        folds = read_predictions(run.predictions).folds
        answered = [] if folds is None else np.unique(folds).tolist()
        if len(answered) > 1:
            # The constants of a fold's bundle come from the other folds, so a single one gets none.
            export_folds(run, announce=announce)
        fit = run.fold(int(answered[0]))
    atomic_write(part.path / COSTS, json.dumps(count_costs(run, fit).model_dump(), indent=2) + "\n")
