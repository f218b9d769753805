"""From runs or bundles to one bundle that answers with their mean, and to a run by which that mean is measured.

Owns which models take part, and where the constants of the ensemble come from: from answers to images that the models
that gave them had not seen, as those of any bundle do.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.card import ModelCard
from tumorscope.core.errors import InvalidBundle, InvalidConfiguration, MissingInput
from tumorscope.core.files import atomic_write
from tumorscope.core.weight_type import WeightType
from tumorscope.dataset.manifest import Manifest
from tumorscope.evaluation.calibration import Scaling
from tumorscope.evaluation.predictions import PREDICTIONS_NAME, PredictionTable, write_predictions
from tumorscope.evaluation.scoring import refuse_trained_on, score
from tumorscope.export.calibrate import calibrate
from tumorscope.export.card import measured_out_of_fold
from tumorscope.export.ensemble_card import Basis, ensemble_card
from tumorscope.export.ensemble_graph import check_mean, merge, milliseconds
from tumorscope.export.file import heatmap_stride, with_card
from tumorscope.export.members import (
    EnsembleMember,
    OutOfFold,
    average_out_of_fold,
    check_members,
    open_member,
)
from tumorscope.export.weight_storage import stored_as
from tumorscope.inference.bundle import BundleBytes
from tumorscope.inference.session import Session
from tumorscope.training.folder import RunFolder, open_run

__all__ = ["ENSEMBLE_NAME", "ensemble_of_bundles", "ensemble_of_runs", "ensemble_run"]

ENSEMBLE_NAME = "ensemble.json"
"""What the folder of an ensemble's run calls the list of its members."""

Announce = Callable[[str], None]

_NEUTRAL = Scaling(np.ones(4), np.zeros(4))


def ensemble_of_runs(
    paths: Sequence[Path],
    out: Path,
    *,
    fold_models: bool = False,
    weight_type: WeightType = WeightType.FLOAT32,
    announce: Announce,
) -> ModelCard:
    """Write the bundle that answers with the mean of runs' final fits, or of all their fold models.

    Parameters
    ----------
    paths
        Folders of runs, cross-fitted on the same images in the same folds.
    out
        The file to write.
    fold_models
        Whether the fold models take part in place of the final fits.
    weight_type
        In which the file keeps its weights.
    announce
        Told what is done.

    Returns
    -------
    ModelCard
        As written into the bundle.

    Raises
    ------
    MissingInput
        If a run lacks its bundles, or its out-of-fold answers.
    InvalidBundle, InvalidConfiguration, InvalidManifest
        If the members do not fit together.
    ParityError
        If the merged graph does not say what its members say, or does not with rounded weights.
    """
    runs = [open_run(path) for path in paths]
    members = _deployed(runs, fold_models=fold_models)
    check_members(members)
    known = average_out_of_fold(runs)
    return _write_deployed(
        out,
        out.stem,
        runs,
        members,
        known,
        fold_models=fold_models,
        weight_type=weight_type,
        announce=announce,
    )


def ensemble_run(
    paths: Sequence[Path],
    out: Path,
    *,
    fold_models: bool = False,
    weight_type: WeightType = WeightType.FLOAT32,
    announce: Announce,
) -> ModelCard | None:
    """Write a folder by which ``tumorscope evaluate`` measures the mean of several runs.

    ``predictions.csv`` holds the mean of the runs' out-of-fold answers, ``folds/N/bundle.onnx`` the ensemble of those
    models that have not seen fold N, ``ensemble.json`` who takes part, and ``bundle.onnx`` the ensemble to deploy where
    all runs have a final fit (or where the fold models are to be deployed).

    Parameters and errors as of :func:`ensemble_of_runs`.

    Returns
    -------
    ModelCard or None
        Of the bundle to deploy, if there is one.
    """
    runs = [open_run(path) for path in paths]
    if len(runs) < 2:
        raise InvalidConfiguration(
            "the run of an ensemble has at least two members; one run is measured as it is, and its fold models become "
            "one bundle by --fold-models --out FILE.onnx"
        )
    if (out / "config.yaml").exists():
        raise InvalidConfiguration(f"{out} holds a training run; choose another --out")
    known = average_out_of_fold(runs)
    parts = {number: [_fold_member(run, number) for run in runs] for number in known.numbers}
    for members in parts.values():
        check_members(members)
    name = out.resolve().name
    for number, members in parts.items():
        announce(f"fold {number}: merging {len(members)} graphs and checking their mean")
        _write(
            out / "folds" / str(number) / "bundle.onnx",
            f"{name}-fold-{number}",
            members,
            _basis_of_fold(known, number, members),
            weight_type=weight_type,
        )
    deployed = fold_models or all(run.bundle.is_file() for run in runs)
    card = None
    if deployed:
        members = _deployed(runs, fold_models=fold_models)
        check_members(members)
        card = _write_deployed(
            out / "bundle.onnx",
            name,
            runs,
            members,
            known,
            fold_models=fold_models,
            weight_type=weight_type,
            announce=announce,
        )
    record = {
        "members": [
            {
                "run": run.path.resolve().name,
                "recipe": run.config.recipe,
                "configuration_sha256": run.config.sha256,
            }
            for run in runs
        ],
        "combination": "mean of logits",
        "bundles": {str(number): [member.sha256 for member in members] for number, members in parts.items()},
    }
    atomic_write(out / "data.json", json.dumps(runs[0].data(), indent=2) + "\n")
    atomic_write(out / ENSEMBLE_NAME, json.dumps(record, indent=2) + "\n")
    # Last, since its presence says that the folder can be measured.
    write_predictions(known.table, out / PREDICTIONS_NAME)
    return card


def ensemble_of_bundles(
    paths: Sequence[Path],
    out: Path,
    calibration: Manifest,
    *,
    weight_type: WeightType = WeightType.FLOAT32,
    announce: Announce,
    progress: Callable[[int, int], None] | None = None,
) -> ModelCard:
    """Write the bundle that answers with the mean of bundles, which say nothing of images they have not seen.

    Parameters
    ----------
    paths
        Bundles, or runs with a final fit.
    out
        The file to write.
    calibration
        Labelled images that no member has seen, by which the ensemble is calibrated.
    weight_type
        In which the file keeps its weights.
    announce
        Told what is done.
    progress
        Called with (done, total) images of the calibration.

    Returns
    -------
    ModelCard
        As written into the bundle.

    Raises
    ------
    TrainedOnError
        If a member was made from an image of the calibration.
    InvalidBundle, InvalidConfiguration
        If the members do not fit together, or an image of the calibration cannot be read.
    """
    members = [_final_member(open_run(path)) if path.is_dir() else open_member(path) for path in paths]
    check_members(members)
    for member in members:
        if member.card.data.held_out_fold is not None:
            raise InvalidBundle(
                f"{member.card.name} is a fold model, made to measure; name its run, with --fold-models"
            )
        refuse_trained_on(calibration, member.card.data.image_sha256_prefixes, member.card.name)
    scales = _limits(members)
    size = members[0].card.input_size
    announce(f"asking the ensemble about {len(calibration)} images to calibrate it")
    table, novelty = _ask(
        merge([each.content for each in members], size, _NEUTRAL, scales), size, calibration, progress
    )
    basis = Basis(
        table=table,
        novelty=novelty,
        calibrated=calibrate(table),
        words=f"mean of {len(members)} bundles, calibrated on images that none of them had seen",
    )
    return _write(out, out.stem, members, basis, weight_type=weight_type)


def _write_deployed(
    out: Path,
    name: str,
    runs: Sequence[RunFolder],
    members: Sequence[EnsembleMember],
    known: OutOfFold,
    *,
    fold_models: bool,
    weight_type: WeightType,
    announce: Announce,
) -> ModelCard:
    announce(f"merging {len(members)} graphs and checking their mean")
    scales = np.zeros((len(runs), len(known.table)))
    folds = np.asarray(known.table.folds)
    for k, run in enumerate(runs):
        for number in known.numbers:
            fitting = _fold_member(run, number) if fold_models else members[k]
            scales[k, folds == number] = fitting.card.thresholds.novelty_limit
    limits: tuple[str, ...] = ()
    if fold_models:
        limits = (
            f"It answers with the mean of {len(members)} models; its figures, its calibration and its limits are "
            f"those of the {len(runs)} of them that had not seen an image.",
        )
    what = "all fold models" if fold_models else "the final fits"
    basis = Basis(
        table=known.table,
        novelty=np.mean(np.stack(known.novelty) / scales, axis=0),
        calibrated=calibrate(known.table),
        words=f"mean of {what} of {len(runs)} cross-fitted runs; calibration and thresholds from what their fold "
        "models say of images they have not seen",
        measured=(measured_out_of_fold(known.table),),
        limits=limits,
    )
    return _write(out, name, members, basis, weight_type=weight_type)


def _basis_of_fold(known: OutOfFold, number: int, members: Sequence[EnsembleMember]) -> Basis:
    """What the other folds' models say of images they have not seen, so that nothing here knows the fold."""
    others = np.flatnonzero(np.asarray(known.table.folds) != number)
    table = known.table.subset(others)
    scales = np.array(_limits(members))[:, None]
    return Basis(
        table=table,
        novelty=np.mean(np.stack(known.novelty)[:, others] / scales, axis=0),
        calibrated=calibrate(table),
        words=f"mean of the models of {len(members)} runs that were fitted on all folds but fold {number}; calibration "
        "and thresholds from what the other folds' models say of images they have not seen",
        held_out_fold=number,
    )


def _write(
    out: Path, name: str, members: Sequence[EnsembleMember], basis: Basis, *, weight_type: WeightType
) -> ModelCard:
    contents, size, scales = (
        [member.content for member in members],
        members[0].card.input_size,
        _limits(members),
    )
    content = merge(contents, size, basis.calibrated.scaling, scales)
    check_mean(content, contents, size, basis.calibrated.scaling, scales)
    content = stored_as(weight_type, content, size)
    card = ensemble_card(
        name,
        members,
        basis,
        heatmap_stride=heatmap_stride(content, size),
        weight_type=weight_type,
        graph_bytes=len(content),
        milliseconds=milliseconds(content, size),
    )
    atomic_write(out, with_card(content, card))
    return card


def _limits(members: Sequence[EnsembleMember]) -> list[float]:
    """What counts as a novelty of 1: each member's own limit, since each measures in a unit of its own."""
    return [max(member.card.thresholds.novelty_limit, float(np.finfo(np.float32).tiny)) for member in members]


def _deployed(runs: Sequence[RunFolder], *, fold_models: bool) -> list[EnsembleMember]:
    if not fold_models:
        return [_final_member(run) for run in runs]
    return [
        _fold_member(run, int(folder.name))
        for run in runs
        for folder in sorted((run.path / "folds").glob("[0-9]*"), key=lambda folder: int(folder.name))
    ]


def _final_member(run: RunFolder) -> EnsembleMember:
    if not run.bundle.is_file():
        raise MissingInput(
            f"{run.path} has no {run.bundle.name}; train its final fit, or let its fold models take part by "
            "--fold-models"
        )
    return open_member(run.bundle)


def _fold_member(run: RunFolder, number: int) -> EnsembleMember:
    path = run.fold_bundle(number)
    if not path.is_file():
        raise MissingInput(
            f"fold {number} of the run {run.path} has no bundle; make it, without training again, by: "
            "tumorscope train --folds --resume, with the options the run was trained with"
        )
    member = open_member(path)
    if member.card.data.held_out_fold != number:
        raise InvalidBundle(f"{path} is not the bundle of a fold model that held fold {number} out")
    return member


def _ask(
    content: bytes, size: int, images: Manifest, progress: Callable[[int, int], None] | None
) -> tuple[PredictionTable, NDArray[np.float32]]:
    session = Session(BundleBytes(content, "the ensemble", shipped=False))
    novelty: list[NDArray[np.float32]] = []

    def answer(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        logits, far = session.run(batch, ("logits", "novelty"))
        novelty.append(far)
        return logits

    scored = score(images, size, answer, progress=progress)
    if scored.failures:
        path, error = scored.failures[0]
        raise InvalidConfiguration(
            f"{len(scored.failures)} images of the calibration cannot be used, the first is {path}: {error}; mend or "
            "remove them"
        )
    return scored.table, np.concatenate(novelty)
