"""Whether prediction sets hold the truth as often as they promise, on patients that set no quantile.

Owns the cross-fitted measurement, and that of the quantiles which a bundle brings. The rule of the sets and the way
quantiles are found are those of :mod:`tumorscope.evaluation.conformal`.

For each fold, where there are any, the calibration and the quantiles come from the other folds only, in the way a
bundle's do: the probabilities behind the quantiles are calibrated by folds other than their own as well.

**What is counted.** The promise is made to a slice of a new patient, so coverage is the mean over a class's groups of
the covered share of each group's slices: one draw a group, as when the quantiles were set. Counting slices instead
would let a patient with many of them decide.

**Which interval.** The exact binomial one of one draw a group. A bootstrap over groups holds the quantiles fixed and
has little or no width where nearly all groups are covered, so it excludes the promised level in data sets that keep
the promise (a test simulates it): with fifty groups, the quantiles alone scatter coverage by about
``sqrt(level * (1 - level) / groups)``, three points at 95 %. The size of sets is a matter of slices as every other
figure is, with the bootstrap over groups.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import InvalidManifest
from tumorscope.core.labels import CLASS_ORDER, Diagnosis
from tumorscope.evaluation.calibration import Method, cross_fitted_logits, fit_scaling
from tumorscope.evaluation.conformal import (
    class_conditional_quantiles,
    draw_weights,
    prediction_sets,
    supports,
)
from tumorscope.evaluation.intervals import RESAMPLES, SEED, mean_figure, share_figure
from tumorscope.evaluation.metrics import softmax
from tumorscope.evaluation.predictions import PredictionTable
from tumorscope.evaluation.report import CoverageOfClass, CoverageOfLevel

__all__ = [
    "COVERAGE_LEVELS",
    "coverage_levels",
    "coverage_of_quantiles",
    "coverage_of_sets",
    "cross_fitted_sets",
]

COVERAGE_LEVELS = (0.80, 0.90, 0.95, 0.99)


def coverage_levels(
    table: PredictionTable,
    *,
    method: Method = "temperature",
    levels: Sequence[float] = COVERAGE_LEVELS,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> tuple[CoverageOfLevel, ...]:
    """Coverage and size of cross-fitted prediction sets at several promised coverages.

    Parameters
    ----------
    table
        Out-of-fold answers.
    method
        The calibration in front of the sets.
    levels
        Promised coverages, in (0, 1).
    resamples, seed
        Of the interval of the mean size.

    Raises
    ------
    InvalidManifest
        If there are fewer than two folds.
    InvalidConfiguration
        If a level is out of range.
    """
    all_sets = cross_fitted_sets(table, levels, method=method)
    return tuple(
        coverage_of_sets(table, sets, level, resamples=resamples, seed=seed)
        for level, sets in zip(levels, all_sets, strict=True)
    )


def coverage_of_quantiles(
    table: PredictionTable,
    probabilities: NDArray[Any],
    quantiles: Mapping[float, Sequence[float]],
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> tuple[CoverageOfLevel, ...]:
    """Coverage and size of the prediction sets that a bundle serves.

    Parameters
    ----------
    table
        Images that the bundle has not seen.
    probabilities
        Its own, calibrated, ``[N, 4]``.
    quantiles
        Four for each promised coverage, in class order. A class whose quantile is 1 is in every set, and is marked:
        the bundle had too few groups of it for the level.
    resamples, seed
        Of the interval of the mean size.
    """
    found = []
    for level, of_classes in sorted(quantiles.items()):
        own = np.array(of_classes, dtype=np.float64)
        part = coverage_of_sets(
            table, prediction_sets(probabilities, own), level, resamples=resamples, seed=seed
        )
        classes = {
            name: of_class.model_copy(update={"supported": bool(own[Diagnosis(name).position] < 1.0)})
            for name, of_class in part.classes.items()
        }
        found.append(part.model_copy(update={"constants": "model", "classes": classes}))
    return tuple(found)


def cross_fitted_sets(
    table: PredictionTable, levels: Sequence[float], *, method: Method = "temperature"
) -> tuple[NDArray[np.bool_], ...]:
    """For each level the classes that each image's set holds, ``bool [N, 4]``, by what the other folds know.

    Raises
    ------
    InvalidManifest
        If there are fewer than two folds.
    """
    folds = table.folds
    if folds is None or len(np.unique(folds)) < 2:
        raise InvalidManifest("prediction sets are measured on out-of-fold answers from at least two folds")
    weights = table.weights
    all_sets = tuple(np.zeros((len(table), len(CLASS_ORDER)), dtype=bool) for _ in levels)
    for number in np.unique(folds):
        here, others = folds == number, folds != number
        labels, logits = table.labels[others], table.logits[others]
        answered = softmax(fit_scaling(method, logits, labels, weights[others]).apply(table.logits[here]))
        known = softmax(_calibrated(method, logits, labels, weights[others], folds[others]))
        draws = draw_weights(labels, table.groups[others], weights[others])
        for level, sets in zip(levels, all_sets, strict=True):
            sets[here] = prediction_sets(answered, class_conditional_quantiles(known, labels, draws, level))
    return all_sets


def coverage_of_sets(
    table: PredictionTable,
    sets: NDArray[np.bool_],
    level: float,
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> CoverageOfLevel:
    """How often sets ``bool [N, 4]`` hold the truth, by class, and how large they are.

    Where the table has folds, a class is supported if the groups outside each fold suffice for the level. A class
    without images is left out.
    """
    weights = table.weights
    draws = draw_weights(table.labels, table.groups, weights)
    covered = sets[np.arange(len(table)), table.labels]
    classes = {}
    for k, key in enumerate(CLASS_ORDER):
        rows = table.labels == k
        if not rows.any():
            continue
        groups = len(np.unique(table.groups[rows]))
        share = float(np.average(covered[rows], weights=draws[rows]))
        classes[key.value] = CoverageOfClass(
            covered=share_figure(min(share, 1.0), groups),
            groups=groups,
            supported=supports(_fewest_groups(table, rows), level),
        )
    sizes = sets.sum(axis=1)
    share_of = np.bincount(sizes, weights, minlength=len(CLASS_ORDER) + 1) / weights.sum()
    return CoverageOfLevel(
        level=level,
        classes=classes,
        mean_size=mean_figure(sizes, weights, table.groups, resamples=resamples, seed=seed),
        sizes={str(size): float(share) for size, share in enumerate(share_of)},
    )


def _calibrated(
    method: Method,
    logits: NDArray[np.float64],
    labels: NDArray[np.int64],
    weights: NDArray[np.float64],
    folds: NDArray[np.int64],
) -> NDArray[np.float64]:
    if len(np.unique(folds)) < 2:  # of two folds one is left: it must calibrate itself
        return fit_scaling(method, logits, labels, weights).apply(logits)
    return cross_fitted_logits(method, logits, labels, weights, folds)


def _fewest_groups(table: PredictionTable, rows: NDArray[np.bool_]) -> int:
    """The groups of a class that the quantiles of any fold rest on; all of them where there are no folds."""
    if table.folds is None:
        return len(np.unique(table.groups[rows]))
    return min(
        len(np.unique(table.groups[rows & (table.folds != number)])) for number in np.unique(table.folds)
    )
