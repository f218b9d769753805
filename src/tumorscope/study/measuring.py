"""One model under one protocol, by the same code as ``tumorscope evaluate``.

Owns which of its answers a protocol takes. Free of torch.
"""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np

from tumorscope.assessment.from_bundle import measure_bundle
from tumorscope.assessment.from_run import measure_run
from tumorscope.assessment.measurement import Measurement, images_by_class
from tumorscope.core.errors import InvalidManifest, MissingInput
from tumorscope.dataset.class_names import ClassNames
from tumorscope.dataset.leaks import refuse_leaks
from tumorscope.dataset.manifest import Manifest
from tumorscope.evaluation.predictions import PREDICTIONS_NAME, PredictionTable, read_predictions
from tumorscope.evaluation.protocol import Protocol, measure
from tumorscope.evaluation.synthetic import sources_of_run, synthetic_notes
from tumorscope.inference.classifier import load
from tumorscope.study.document import Result
from tumorscope.study.kept import KeptResults, digest_of_file
from tumorscope.study.progress import Count
from tumorscope.study.request import NAMES

__all__ = ["measure_folds", "measure_official"]

Measured = tuple[Result, PredictionTable | None]


def measure_official(
    row: str, path: Path, protocol: Protocol, *, data: Path, split: str, kept: KeptResults, progress: Count
) -> Measured:
    """Ask a model that learnt from the official Training part, under ``official`` or ``leak-free``.

    Parameters
    ----------
    row
        Whose it is.
    path
        The run's folder, or its bundle.
    protocol
        Which.
    data
        The manifest.
    split
        Digest of the data with its official split.
    kept
        Where results are looked for and put.
    progress
        Called with (done, total) images.

    Raises
    ------
    TumorscopeError
        If the bundle cannot be read, or was trained on the test images.
    """
    bundle = path if path.is_file() else path / "bundle.onnx"
    if not bundle.is_file():
        raise MissingInput(f"{path} has no bundle; finish it by: tumorscope train --resume")
    key = (digest_of_file(bundle), split, protocol.value)
    found = kept.find(row, protocol.value, key)
    words = ["tumorscope", "evaluate", "--model", bundle.as_posix(), "--protocol", protocol.value]
    command = shlex.join([*words, "--data", data.as_posix()])
    if found is not None:
        return _again(found, path, command)
    measurement = measure_bundle(
        load(bundle),
        bundle,
        data,
        protocol,
        command,
        class_names=ClassNames(),
        kept=kept.answers_so_far(row, protocol.value),
        progress=progress,
    )
    result = _result(measurement, protocol, path)
    kept.store(row, protocol.value, key, result, measurement.table)
    return result, measurement.table


def measure_folds(
    row: str, run: Path, manifest: Manifest, *, of_folds: int, kept: KeptResults, allow_leaks: bool
) -> Measured:
    """Measure the out-of-fold answers of a run; of one with a single fold those for this fold.

    Parameters
    ----------
    row
        Whose it is.
    run
        Its folder.
    manifest
        The images of the study; the answers must be about none but these.
    of_folds
        How many folds the data has.
    kept
        Where results are looked for and put.
    allow_leaks
        Whether folds may leak.

    Raises
    ------
    InvalidManifest
        If an answer is about another image.
    TumorscopeError
        If there are no answers, or the folds leak and may not.
    """
    protocol = Protocol.PATIENT_WISE
    answers = run / PREDICTIONS_NAME
    table = read_predictions(run)
    elsewhere = len(set(table.hashes) - {image.sha256 for image in manifest})
    if elsewhere:
        raise InvalidManifest(
            f"{elsewhere:,} of {len(table):,} answers of the run {run} are about images that --data does not have; "
            "compare runs on the same images"
        )
    words = ["tumorscope", "evaluate", "--model", run.as_posix(), "--protocol", protocol.value]
    command = shlex.join([*words, *(["--allow-leaks"] if allow_leaks else [])])
    key = (digest_of_file(answers), str(of_folds), str(allow_leaks))
    found = kept.find(row, protocol.value, key, answers)
    if found is not None:
        return _again(found, run, command)
    folds = [] if table.folds is None else np.unique(table.folds).tolist()
    if len(folds) == 1:
        measurement = _one_fold(run, table, folds[0], command, allow_leaks=allow_leaks)
    else:
        measurement = measure_run(run, protocol, command, allow_leaks=allow_leaks)
    result = _result(measurement, protocol, run).model_copy(
        update={"trained_folds": len(folds), "of_folds": max(of_folds, len(folds))}
    )
    kept.store(row, protocol.value, key, result, None)
    return result, table


def _one_fold(
    run: Path, table: PredictionTable, fold: int, command: str, *, allow_leaks: bool
) -> Measurement:
    """Figures of one fold; its calibration would have to come from others, so there is no calibrated loss."""
    if not allow_leaks:
        refuse_leaks(table.leaks, "folds", "--folds K")
    return Measurement(
        measured=measure(table, Protocol.PATIENT_WISE, command, leaks=table.leaks),
        model=run.name,
        images_by_class=images_by_class(table.labels),
        table=table,
        notes=(
            *synthetic_notes(sources_of_run(run)),
            f"Only fold {fold} was held out: 'tumorscope evaluate' measures this run once a second one is trained.",
        ),
        run=run,
    )


def _result(measurement: Measurement, protocol: Protocol, path: Path) -> Result:
    document = measurement.document()
    notes = list(document["notes"])
    if measurement.failures:
        notes.append(f"{len(measurement.failures):,} images could not be read and are in no figure.")
    estimable = bool(measurement.measured.figures)
    few = [note for note in notes if note.startswith("Not estimable")]
    return Result(
        protocol=NAMES[protocol],
        state="measured" if estimable else "not estimable",
        reason="" if estimable else (few or notes or [""])[0].removeprefix("Not estimable: ").rstrip("."),
        run=path.as_posix(),
        measured=measurement.measured,
        images_by_class=dict(measurement.images_by_class),
        notes=tuple(notes),
    )


def _again(found: Measured, path: Path, command: str) -> Measured:
    """The same under the names of today: a folder may have been moved since."""
    result, table = found
    measured = result.measured
    return result.model_copy(
        update={
            "run": path.as_posix(),
            "measured": None if measured is None else measured.model_copy(update={"command": command}),
        }
    ), table
