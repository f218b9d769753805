"""ROC and precision-recall curves of each class against the others, short enough to be kept and drawn.

Owns the points and their thinning. Knows neither intervals (those of the areas are in
:mod:`tumorscope.evaluation.intervals`) nor how a curve is drawn.

Images are sorted by the log-odds of the class, as for its AUROC, and copies of a slice count once together. Between two
points a ROC curve is straight; a precision-recall curve is not (Davis and Goadrich, ICML 2006) and is meant as steps,
as the average precision sums it: a precision holds back to the recall before it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.labels import CLASS_ORDER
from tumorscope.evaluation.predictions import PredictionTable
from tumorscope.evaluation.ranking import log_odds
from tumorscope.evaluation.report import CurveOfClass

__all__ = ["POINTS", "class_curves", "precision_recall_points", "roc_points"]

POINTS = 100
"""How many points a curve has at most."""

_DIGITS = 6  # of a coordinate; a plot shows three

Floats = NDArray[np.float64]


def class_curves(table: PredictionTable, points: int = POINTS) -> tuple[CurveOfClass, ...]:
    """Both curves of every class that some images have and others have not.

    Parameters
    ----------
    table
        The answers; raw logits are ranked, as for AUROC.
    points
        How many a curve keeps at most, at least 2.
    """
    weights = table.weights
    found = []
    for k, key in enumerate(CLASS_ORDER):
        truth = table.labels == k
        if truth.all() or not truth.any():
            continue
        scores = log_odds(table.logits, k)
        false_alarms, sensitivity = _thinned(*roc_points(scores, truth, weights), points)
        recall, precision = _thinned(*precision_recall_points(scores, truth, weights), points)
        found.append(
            CurveOfClass(
                key=key.value,
                share=float(weights[truth].sum() / weights.sum()),
                false_positive_rate=_listed(false_alarms),
                sensitivity=_listed(sensitivity),
                recall=_listed(recall),
                precision=_listed(precision),
            )
        )
    return tuple(found)


def roc_points(scores: NDArray[Any], truth: NDArray[np.bool_], weights: Floats) -> tuple[Floats, Floats]:
    """False positive rate and sensitivity ``float64 [K]``, both rising from 0 to 1, one point a distinct score.

    Parameters
    ----------
    scores
        ``[N]``, higher for images that are more of the class.
    truth
        ``bool [N]``; some are True and some False.
    weights
        ``float64 [N]``, above 0.
    """
    hits, misses = _mass_above(scores, truth, weights)
    return np.append(0.0, misses / misses[-1]), np.append(0.0, hits / hits[-1])


def precision_recall_points(
    scores: NDArray[Any], truth: NDArray[np.bool_], weights: Floats
) -> tuple[Floats, Floats]:
    """Recall and precision ``float64 [K]``, recall rising from 0 to 1; the first precision stands twice.

    Where every image of the class is found the curve ends: lower thresholds only cost precision. Parameters are those
    of :func:`roc_points`.
    """
    hits, misses = _mass_above(scores, truth, weights)
    # Weights such as 1/3 leave rounding errors: the last image of the class tells where all are found, not the sum.
    complete = int(np.searchsorted(hits, hits[-1] * (1.0 - 1e-12))) + 1
    recall = hits[:complete] / hits[complete - 1]
    precision = hits[:complete] / (hits + misses)[:complete]
    return np.append(0.0, recall), np.append(precision[0], precision)


def _mass_above(scores: NDArray[Any], truth: NDArray[np.bool_], weights: Floats) -> tuple[Floats, Floats]:
    """Weight of the class and of the others at or above each distinct score, from the highest score down."""
    _, ascending = np.unique(scores, return_inverse=True)
    level = ascending.max() - ascending
    return (
        np.bincount(level, weights * truth).cumsum(),
        np.bincount(level, weights * ~truth).cumsum(),
    )


def _thinned(x: Floats, y: Floats, points: int) -> tuple[Floats, Floats]:
    """At most so many of the points, evenly along the curve, with both ends.

    Points that are kept are points of the curve; one that is left out is, each way, no further from one that is kept
    than the curve's length (along the axes) divided by ``points - 1``.
    """
    corners = _corners(x, y)
    x, y = x[corners], y[corners]
    if len(x) <= points:
        return x, y
    along = np.append(0.0, (np.abs(np.diff(x)) + np.abs(np.diff(y))).cumsum())
    kept = np.unique(np.searchsorted(along, np.linspace(0.0, along[-1], points)).clip(max=len(x) - 1))
    return x[kept], y[kept]


def _corners(x: Floats, y: Floats) -> NDArray[np.bool_]:
    """Both ends and every point where the curve turns: those between lie on a horizontal or vertical line."""
    across, up = np.diff(x) == 0, np.diff(y) == 0
    between = (across[:-1] & across[1:]) | (up[:-1] & up[1:])
    return np.concatenate([[True], ~between, [True]])


def _listed(values: Floats) -> tuple[float, ...]:
    return tuple(round(float(value), _DIGITS) for value in np.clip(values, 0.0, 1.0))
