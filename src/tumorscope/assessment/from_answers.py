"""The parts of an evaluation that answers alone can give: no image is opened.

Owns which strata are made of a manifest's columns, and the list of mistakes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.labels import CLASS_ORDER
from tumorscope.dataset.manifest import Manifest
from tumorscope.evaluation.coverage import coverage_levels
from tumorscope.evaluation.curves import class_curves
from tumorscope.evaluation.metrics import softmax
from tumorscope.evaluation.predictions import PredictionTable
from tumorscope.evaluation.reliability import calibration_part
from tumorscope.evaluation.report import Mistake, Parts
from tumorscope.evaluation.strata import UNKNOWN, By, image_sizes, measure_strata, tumour_sizes

__all__ = ["mistakes_of", "parts_of_answers"]

_MISTAKES = 60


def parts_of_answers(table: PredictionTable, images: Manifest | None = None) -> tuple[Parts, tuple[str, ...]]:
    """Curves, calibration, coverage, strata and mistakes.

    Parameters
    ----------
    table
        The answers. Calibration and coverage need folds: they are fitted on other folds than the ones measured.
    images
        The manifest of the same images, for strata; matched by content. Strata of styles that the answers know need
        none.

    Returns
    -------
    tuple
        The parts, and what a reader must know beside them.
    """
    folds = table.folds is not None and len(np.unique(table.folds)) > 1
    calibration = calibration_part(table) if folds else None
    columns = _columns(table, images) if images is not None and table.hashes else {}
    if table.styles is not None:
        columns["contrast-style"] = _styles(table.styles, columns.get("contrast-style"))
    strata = measure_strata(table, columns) if columns else None
    parts = Parts(
        strata=() if strata is None else strata.measured,
        curves=class_curves(table),
        calibration=calibration,
        coverage=() if calibration is None else coverage_levels(table, method=calibration.method),
        mistakes=mistakes_of(table),
    )
    return parts, () if strata is None else strata.notes


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
