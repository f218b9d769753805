"""The parts of an evaluation that answers alone can give: no image is opened.

Owns which strata are made of a manifest's columns, and the list of mistakes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.card import ModelCard
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.dataset.manifest import Manifest
from tumorscope.evaluation.calibration import method_of, scaling_of
from tumorscope.evaluation.coverage import coverage_levels, coverage_of_quantiles
from tumorscope.evaluation.curves import class_curves
from tumorscope.evaluation.metrics import softmax
from tumorscope.evaluation.predictions import PredictionTable
from tumorscope.evaluation.reliability import calibration_part, given_calibration_part
from tumorscope.evaluation.report import CalibrationPart, CoverageOfLevel, Mistake, Parts
from tumorscope.evaluation.strata import UNKNOWN, By, image_sizes, measure_strata, tumour_sizes
from tumorscope.evaluation.support import FEWEST

__all__ = ["mistakes_of", "parts_of_answers"]

_MISTAKES = 60


def parts_of_answers(
    table: PredictionTable, images: Manifest | None = None, card: ModelCard | None = None
) -> tuple[Parts, tuple[str, ...]]:
    """Curves, calibration, coverage, strata and mistakes.

    Parameters
    ----------
    table
        The answers. Where they have folds, calibration and sets are fitted on other folds than the ones measured.
    images
        The manifest of the same images, for strata; matched by content. Strata of styles that the answers know need
        none.
    card
        Of the bundle that gave answers without folds: its own calibration and sets are measured. Without one the
        probabilities are measured as they were given, and there are no sets.

    Returns
    -------
    tuple
        The parts, and what a reader must know beside them.
    """
    calibration, coverage, notes = _promises(table, card)
    columns = _columns(table, images) if images is not None and table.hashes else {}
    if table.styles is not None:
        columns["contrast-style"] = _styles(table.styles, columns.get("contrast-style"))
    strata = measure_strata(table, columns) if columns else None
    parts = Parts(
        strata=() if strata is None else strata.measured,
        curves=class_curves(table),
        calibration=calibration,
        coverage=coverage,
        mistakes=mistakes_of(table),
    )
    return parts, (*notes, *(() if strata is None else strata.notes))


def _promises(
    table: PredictionTable, card: ModelCard | None
) -> tuple[CalibrationPart | None, tuple[CoverageOfLevel, ...], tuple[str, ...]]:
    """What the probabilities and the prediction sets promise, measured; and whose constants these are."""
    if table.folds is not None and len(np.unique(table.folds)) > 1:
        calibration = calibration_part(table)
        return calibration, coverage_levels(table, method=calibration.method), ()
    if table.group_count < FEWEST:
        return None, (), ("Calibration and prediction sets were not measured: all images are of one group.",)
    if card is None:
        return (
            given_calibration_part(table, table.logits, method="none", constants="none"),
            (),
            (
                "Calibration is that of the probabilities as they were given. Prediction sets were not measured: the "
                "answers come without quantiles, and without folds none can be fitted on other images.",
            ),
        )
    calibrated = scaling_of(card).apply(table.logits)
    method = method_of(card)
    quantiles = {float(level): own for level, own in card.thresholds.conformal.items()}
    return (
        given_calibration_part(table, calibrated, method=method, constants="model"),
        coverage_of_quantiles(table, softmax(calibrated), quantiles),
        (
            f"Calibration ({method}) and prediction sets are the model's own, fixed when it was made: nothing was "
            "fitted on these images.",
        ),
    )


def mistakes_of(table: PredictionTable, limit: int = _MISTAKES) -> tuple[Mistake, ...]:
    """The wrong answers, one a slice, the most confident first; empty where the answers do not name their images."""
    if not len(table.paths):
        return ()
    probabilities = softmax(table.logits)
    said = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(said != table.labels)
    order = wrong[np.argsort(-probabilities[wrong, said[wrong]], kind="stable")]
    seen: set[str] = set()
    found: list[Mistake] = []
    for row in order.tolist():
        slice_id = str(table.slice_ids[row])
        if slice_id in seen or len(found) == limit:
            continue
        seen.add(slice_id)
        found.append(
            Mistake(
                path=table.paths[row],
                label=CLASS_ORDER[table.labels[row]].value,
                answer=CLASS_ORDER[said[row]].value,
                probability=float(probabilities[row, said[row]]),
                label_probability=float(probabilities[row, table.labels[row]]),
            )
        )
    return tuple(found)


def _columns(table: PredictionTable, images: Manifest) -> dict[By, np.ndarray]:
    """For each property the stratum of each image of the table; images that the manifest lacks have none."""
    by_hash = {row.sha256: row for row in images}
    rows = [by_hash.get(digest) for digest in table.hashes]
    areas = [np.nan if row is None or row.box is None else row.box.width * row.box.height for row in rows]
    columns: dict[By, np.ndarray] = {
        "source": np.array(["" if row is None or row.source == "unknown" else row.source for row in rows]),
        "image-size": image_sizes(
            np.array([row.width or 0 if row else 0 for row in rows]),
            np.array([row.height or 0 if row else 0 for row in rows]),
        ),
        "tumour-size": tumour_sizes(np.array(areas), table.slice_ids),
        "contrast-style": np.array([UNKNOWN if row is None else row.style or UNKNOWN for row in rows]),
    }
    return columns


def _styles(of_answers: NDArray[np.str_], of_images: NDArray[np.str_] | None) -> NDArray[np.str_]:
    """Styles that the answers were made under; those of the manifest where they have none."""
    return of_answers if of_images is None else np.where(of_answers == UNKNOWN, of_images, of_answers)
