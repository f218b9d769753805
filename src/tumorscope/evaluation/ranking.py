"""How well each class is put above the others: one-vs-rest AUROC and average precision.

Owns these two figures and their fast recomputation under many weightings. scikit-learn computes the values; for the
thousands of weightings of a bootstrap the images are sorted once and only their weights change. Knows neither groups'
names nor how resamples are drawn.

The score of a class is its log-odds, ``logit[k] - logsumexp(other logits)``: it orders images exactly as the class's
probability does, and does not saturate at 1 where a network is very sure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.labels import CLASS_ORDER
from tumorscope.core.optional import require

__all__ = ["MACRO_AUROC", "Ranking", "log_odds", "ranking"]

Floats = NDArray[np.float64]

MACRO_AUROC = "macro_auroc"
"""The mean of the AUROC of the classes, each against the others."""

_CELLS = 500_000  # of the matrix levels x resamples held at once


@dataclass(frozen=True, slots=True, eq=False)
class _Order:
    """Images from the highest score of one class to the lowest, as levels whose images rank alike."""

    level: NDArray[np.int64]
    """The level of each image, ``int64 [N]``, 0 the highest."""
    positive: NDArray[np.bool_]
    """Whether each image is of the class, ``bool [N]``."""


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """AUROC and average precision of the classes that can be ranked.

    Parameters
    ----------
    values
        ``auroc_CLASS`` and ``ap_CLASS`` by name, and ``macro_auroc``, the mean over the classes; a class that no image
        or every image has is absent.
    weights
        Of the images, ``float64 [N]``.
    orders
        The images sorted by each class's score.
    """

    values: dict[str, float]
    weights: Floats
    orders: dict[str, _Order]

    def resampled(self, counts: Floats, position: NDArray[np.int64]) -> dict[str, Floats]:
        """The same figures under other weights.

        Parameters
        ----------
        counts
            ``float64 [R, G]``: how often each group was drawn.
        position
            ``int64 [N]``: the group of each image.

        Returns
        -------
        dict
            ``float64 [R]`` by the names of :attr:`values`; NaN where a draw lost the class or all others.
        """
        found = {name: np.full(len(counts), np.nan) for name in self.values}
        sparse = require("scipy.sparse", extra="evaluate", purpose="computing intervals of AUROC")
        for key, order in self.orders.items():
            levels = int(order.level.max()) + 1
            shape = (levels, counts.shape[1])
            # Mass of each group on each level, of the class and of the others.
            hits, misses = (
                sparse.csr_array((self.weights[rows], (order.level[rows], position[rows])), shape=shape)
                for rows in (order.positive, ~order.positive)
            )
            at_once = max(1, _CELLS // levels)
            for first in range(0, len(counts), at_once):
                part = slice(first, first + at_once)
                drawn = np.ascontiguousarray(counts[part].T)
                found[f"auroc_{key}"][part], found[f"ap_{key}"][part] = _areas(hits @ drawn, misses @ drawn)
        if self.orders:
            found[MACRO_AUROC] = np.mean([found[f"auroc_{key}"] for key in self.orders], axis=0)
        return found


def log_odds(logits: NDArray[Any], k: int) -> Floats:
    """``float64 [N]``: the log of ``p[k] / (1 - p[k])`` of logits ``[N, 4]``."""
    wide = np.asarray(logits, dtype=np.float64)
    others = np.delete(wide, k, axis=1)
    highest = others.max(axis=1)
    return np.asarray(wide[:, k] - highest - np.log(np.exp(others - highest[:, None]).sum(axis=1)))


def ranking(labels: NDArray[np.int64], logits: NDArray[Any], weights: Floats) -> Ranking:
    """Rank the images by each class.

    Parameters
    ----------
    labels
        ``int64 [N]``.
    logits
        ``[N, 4]``; raw or calibrated by one temperature, which does change the order between images a little.
    weights
        ``float64 [N]``, above 0.
    """
    values: dict[str, float] = {}
    orders: dict[str, _Order] = {}
    for k, key in enumerate(CLASS_ORDER):
        truth = labels == k
        if truth.all() or not truth.any():
            continue
        reference = require("sklearn.metrics", extra="evaluate", purpose="computing AUROC")
        scores = log_odds(logits, k)
        values[f"auroc_{key.value}"] = float(reference.roc_auc_score(truth, scores, sample_weight=weights))
        values[f"ap_{key.value}"] = float(
            reference.average_precision_score(truth, scores, sample_weight=weights)
        )
        orders[key.value] = _Order(_levels(scores, truth), truth)
    if orders:
        values[MACRO_AUROC] = float(np.mean([values[f"auroc_{key}"] for key in orders]))
    return Ranking(values, weights, orders)


def _levels(scores: Floats, truth: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Levels from the highest score down; neighbouring ones without an image of the class are one.

    Between two images of the class neither figure asks how the others are ordered.
    """
    _, ascending = np.unique(scores, return_inverse=True)
    distinct = ascending.max() - ascending
    with_class = np.bincount(distinct, truth) > 0
    begins = with_class | np.append(True, with_class[:-1])
    return np.asarray((np.cumsum(begins) - 1)[distinct], dtype=np.int64)


def _areas(hits: Floats, misses: Floats) -> tuple[Floats, Floats]:
    """AUROC and average precision ``float64 [R]`` of the mass of the class and of the others ``float64 [L, R]``."""
    hits_so_far = hits.cumsum(axis=0)
    all_so_far = hits_so_far + misses.cumsum(axis=0)
    positives = hits_so_far[-1]
    negatives = misses.sum(axis=0)
    # A pair is won by the image of the class where it is above, half of it where both have the same score.
    won = ((hits_so_far - 0.5 * hits) * misses).sum(axis=0)
    precision = np.divide(hits_so_far, all_so_far, out=np.zeros_like(hits), where=all_so_far > 0)
    summed = (hits * precision).sum(axis=0)
    missing = np.full(len(positives), np.nan)
    auroc = np.divide(won, positives * negatives, out=missing.copy(), where=(positives > 0) & (negatives > 0))
    return auroc, np.divide(summed, positives, out=missing, where=positives > 0)
