"""Whether a probability of 90 % is right nine times in ten: calibration error, Brier score, reliability diagram.

Owns these measures, and the choice between calibrations by what they do on folds that they were not fitted on. Knows
neither how a calibration is fitted nor how a diagram is drawn.

The calibration error is the equal-mass estimate with 15 bins of the highest probability (Nguyen and O'Connor, EMNLP
2015; Guo et al., ICML 2017): images are sorted by confidence and cut into bins of equal weight, and the weighted mean
of ``|accuracy - confidence|`` over bins is taken. Noise inside bins only ever adds to it, and adds again in each
resample of a bootstrap, so neither the figure nor its interval flatters.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.card import Figure
from tumorscope.core.errors import InvalidManifest
from tumorscope.core.optional import require
from tumorscope.evaluation.calibration import METHODS, Method, cross_fitted_logits, least_loss
from tumorscope.evaluation.intervals import (
    RESAMPLES,
    SEED,
    figure_of,
    group_positions,
    mean_figure,
    resampled_counts,
    share_figure,
)
from tumorscope.evaluation.metrics import losses, softmax
from tumorscope.evaluation.predictions import PredictionTable
from tumorscope.evaluation.report import BinOfReliability, CalibrationPart
from tumorscope.evaluation.resting_on import support_of

__all__ = [
    "BINS",
    "brier_scores",
    "calibration_error",
    "calibration_part",
    "given_calibration_part",
    "reliability_bins",
]

BINS = 15

Floats = NDArray[np.float64]


def calibration_part(
    table: PredictionTable, *, method: Method | None = None, resamples: int = RESAMPLES, seed: int = SEED
) -> CalibrationPart:
    """Everything there is to say of the probabilities of out-of-fold answers.

    Parameters
    ----------
    table
        With folds: what calibrates an image was fitted on the other folds.
    method
        What to report as calibrated; ``None`` takes the one with the smallest cross-fitted loss, of
        equal ones the simplest. Choosing among three by the measured loss
        flatters by far less than the intervals are wide.
    resamples, seed
        Of the intervals.

    Raises
    ------
    InvalidManifest
        If there are fewer than two folds.
    """
    if table.folds is None:
        raise InvalidManifest("calibration is measured on out-of-fold answers; these have no folds")
    weights = table.weights
    calibrated = {
        name: cross_fitted_logits(name, table.logits, table.labels, weights, table.folds) for name in METHODS
    }
    loss = {
        name: mean_figure(losses(logits, table.labels), weights, table.groups, resamples=resamples, seed=seed)
        for name, logits in calibrated.items()
    }
    chosen = least_loss({name: loss[name].value for name in METHODS}) if method is None else method
    probabilities = {name: softmax(logits) for name, logits in calibrated.items()}
    ece = {
        name: calibration_error(values, table, resamples=resamples, seed=seed)
        for name, values in probabilities.items()
    }
    brier = {
        name: mean_figure(
            brier_scores(probabilities[name], table.labels),
            weights,
            table.groups,
            resamples=resamples,
            seed=seed,
        )
        for name in {chosen, "none"}
    }
    return CalibrationPart(
        method=chosen,
        ece=ece[chosen],
        ece_raw=ece["none"],
        brier=brier[chosen],
        brier_raw=brier["none"],
        bins=reliability_bins(probabilities[chosen], table),
        loss_by_method=dict(loss),
        ece_by_method=dict(ece),
        support=support_of(table, np.arange(len(table))),
    )


def given_calibration_part(
    table: PredictionTable,
    calibrated: NDArray[Any],
    *,
    method: Method,
    constants: Literal["model", "none"],
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> CalibrationPart:
    """The same of probabilities that need no fitting: those of a bundle, or of any software.

    Parameters
    ----------
    table
        Images that the model has not seen.
    calibrated
        Logits ``[N, 4]`` whose softmax are the probabilities that are served.
    method, constants
        What was done to the raw logits, and whose doing it was.
    resamples, seed
        Of the intervals.

    Returns
    -------
    CalibrationPart
        Without a comparison of methods: none was chosen here.
    """

    def measured(logits: NDArray[Any]) -> tuple[Figure, Figure]:
        probabilities = softmax(logits)
        scores = brier_scores(probabilities, table.labels)
        brier = mean_figure(scores, table.weights, table.groups, resamples=resamples, seed=seed)
        return calibration_error(probabilities, table, resamples=resamples, seed=seed), brier

    ece, brier = measured(calibrated)
    ece_raw, brier_raw = (ece, brier) if method == "none" else measured(table.logits)
    return CalibrationPart(
        constants=constants,
        method=method,
        ece=ece,
        ece_raw=ece_raw,
        brier=brier,
        brier_raw=brier_raw,
        bins=reliability_bins(softmax(calibrated), table),
        support=support_of(table, np.arange(len(table))),
    )


def brier_scores(probabilities: NDArray[Any], labels: NDArray[np.int64]) -> Floats:
    """Squared distance of ``[N, 4]`` to the truth, ``float64 [N]`` in [0, 2] (Brier, Mon. Weather Rev. 78, 1950)."""
    wide = np.asarray(probabilities, dtype=np.float64)
    return np.asarray(((wide - np.eye(wide.shape[1])[labels]) ** 2).sum(axis=1))


def calibration_error(
    probabilities: NDArray[Any],
    table: PredictionTable,
    *,
    bins: int = BINS,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Figure:
    """Equal-mass expected calibration error of the highest probability, with its interval over groups.

    Parameters
    ----------
    probabilities
        ``[N, 4]`` of the table's images.
    table
        Truth, groups and copies; copies of a slice count once.
    bins
        Images of equal confidence are never divided, so there may be fewer bins than this.
    """
    levels = _Levels(probabilities, table)
    value = float(levels.error(np.ones((1, levels.groups)), bins)[0])
    spread = [levels.error(counts, bins) for counts in resampled_counts(levels.groups, resamples, seed)]
    return figure_of(value, np.concatenate(spread))


def reliability_bins(
    probabilities: NDArray[Any], table: PredictionTable, *, bins: int = BINS
) -> tuple[BinOfReliability, ...]:
    """The points of a reliability diagram, from the least to the most confident bin.

    Parameters are those of :func:`calibration_error`. The interval of a bin's accuracy counts each of its groups once
    (:func:`~tumorscope.evaluation.intervals.share_figure`).
    """
    confidence, right = _confidence(probabilities, table.labels)
    weights = table.weights
    _, level = np.unique(confidence, return_inverse=True)
    mass = np.asarray(np.bincount(level, weights), dtype=np.float64)
    chosen = _bin_of(mass[:, None], bins)[:, 0][level]
    found = []
    for number in np.unique(chosen):
        here = chosen == number
        share = float(np.average(right[here], weights=weights[here]))
        accuracy = share_figure(min(share, 1.0), len(np.unique(table.groups[here])))
        found.append(
            BinOfReliability(
                images=int(here.sum()),
                confidence=float(np.average(confidence[here], weights=weights[here])),
                accuracy=accuracy.value,
                low=accuracy.low,
                high=accuracy.high,
            )
        )
    return tuple(found)


class _Levels:
    """The images as levels of equal confidence, for errors under many weightings of the groups."""

    def __init__(self, probabilities: NDArray[Any], table: PredictionTable) -> None:
        confidence, right = _confidence(probabilities, table.labels)
        self._confidence, self._level = np.unique(confidence, return_inverse=True)
        self._position, self.groups = group_positions(table.groups)
        self._right = right
        self._weights = table.weights

    def error(self, counts: Floats, bins: int) -> Floats:
        """``float64 [R]`` under ``float64 [R, G]``."""
        sparse = require("scipy.sparse", extra="evaluate", purpose="computing intervals of calibration")
        shape = (len(self._confidence), self.groups)
        where = (self._level, self._position)
        drawn = np.ascontiguousarray(counts.T)
        mass = sparse.csr_array((self._weights, where), shape=shape) @ drawn
        hits = sparse.csr_array((self._weights * self._right, where), shape=shape) @ drawn
        gap = hits - self._confidence[:, None] * mass
        chosen = _bin_of(mass, bins)
        resamples = mass.shape[1]
        cell = chosen + bins * np.arange(resamples)
        summed = np.bincount(cell.ravel(), gap.ravel(), minlength=bins * resamples).reshape(resamples, bins)
        return np.asarray(np.abs(summed).sum(axis=1) / mass.sum(axis=0))


def _confidence(probabilities: NDArray[Any], labels: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """The highest probability of each image, and 1 where its class is the truth."""
    wide = np.asarray(probabilities, dtype=np.float64)
    return wide.max(axis=1), (wide.argmax(axis=1) == labels).astype(np.float64)


def _bin_of(mass: Floats, bins: int) -> NDArray[np.int64]:
    """The bin of each level, ``int64 [L, R]`` of mass ``float64 [L, R]`` in rising confidence.

    A level belongs where its middle lies.
    """
    middle = mass.cumsum(axis=0) - 0.5 * mass
    # Sums such as 1/3 + 1/3 + 1/3 must not fall over an edge.
    share = middle / mass.sum(axis=0) * bins + 1e-9
    return np.asarray(np.minimum(share.astype(np.int64), bins - 1))
