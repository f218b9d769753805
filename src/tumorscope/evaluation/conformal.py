"""Prediction sets with promised coverage for each class.

Owns the quantiles that a bundle carries. A class *k* is in the set when ``1 - p[k] <= quantile[k]`` (least
ambiguous sets with class-conditional coverage: Sadinle, Lei and Wasserman, JASA 114, 2019). Slices of one
patient are not independent, so a patient counts as one draw, its slices sharing the weight (hierarchical
conformal prediction: Lee, Barber and Willett, arXiv 2306.06342): a random slice of a new patient is covered
as promised, whatever the number of patients.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.core.labels import CLASS_ORDER

__all__ = ["class_conditional_quantiles", "draw_weights", "prediction_sets", "supports"]

_STEPS = 1e6  # quantiles are rounded up to it: serving compares in 32 bits


def draw_weights(
    labels: NDArray[np.int64], groups: NDArray[np.str_], weights: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Weights that sum to 1 over the images that a group has of a class: a group counts once, ``float64 [N]``.

    Parameters
    ----------
    labels, groups
        ``[N]``.
    weights
        How the images of a group share its draw, ``float64 [N]`` above 0, such as 1/n for n copies of a slice;
        equally where left out.
    """
    _, group = np.unique(groups, return_inverse=True)
    _, position = np.unique(group * len(CLASS_ORDER) + labels, return_inverse=True)
    shares = np.ones(len(labels)) if weights is None else np.asarray(weights, dtype=np.float64)
    return np.asarray(shares / np.bincount(position, shares)[position])


def class_conditional_quantiles(
    probabilities: NDArray[Any], labels: NDArray[np.int64], weights: NDArray[np.float64], coverage: float
) -> NDArray[np.float64]:
    """The largest ``1 - p`` of the true class that still belongs in the set.

    Parameters
    ----------
    probabilities
        Calibrated, ``[N, 4]`` in [0, 1], for images that the model did not learn from.
    labels
        ``int64 [N]``.
    weights
        ``float64 [N]``: :func:`draw_weights`, so that they sum over a class to its number of groups.
    coverage
        Promised share of sets that hold the truth, in (0, 1).

    Returns
    -------
    numpy.ndarray
        ``float64 [4]`` in [0, 1]. It is 1, which always includes the class, where the groups are too few:
        with *n* groups of a class a coverage above ``n / (n + 1)`` cannot be promised.

    Raises
    ------
    InvalidConfiguration
        If ``coverage`` is not inside (0, 1).
    """
    if not 0 < coverage < 1:
        raise InvalidConfiguration(f"the coverage is {coverage:g}; a number between 0 and 1 is needed")
    quantiles = np.ones(len(CLASS_ORDER))
    for k in range(len(CLASS_ORDER)):
        rows = labels == k
        scores, mass = 1.0 - np.asarray(probabilities)[rows, k].astype(np.float64), weights[rows]
        # The new patient is one more draw, and might lie above all others.
        needed = (mass.sum() + 1.0) * coverage
        order = np.argsort(scores, kind="stable")
        reached = np.flatnonzero(np.cumsum(mass[order]) >= needed - 1e-9)
        if len(reached):
            quantiles[k] = min(1.0, np.ceil(scores[order][reached[0]] * _STEPS) / _STEPS)
    return quantiles


def prediction_sets(probabilities: NDArray[Any], quantiles: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which classes an answer names, ``bool [N, 4]``: the rule that is served, so no set is empty.

    Parameters
    ----------
    probabilities
        Calibrated, ``[N, 4]``.
    quantiles
        ``float64 [4]``, or ``[N, 4]`` where each image has its own.
    """
    wide = np.asarray(probabilities, dtype=np.float64)
    chosen = 1.0 - wide <= quantiles
    chosen[np.arange(len(wide)), wide.argmax(axis=1)] = True
    return np.asarray(chosen)


def supports(groups: int, coverage: float) -> bool:
    """Whether so many groups of a class can promise a coverage: *n* support up to ``n / (n + 1)``."""
    return groups >= (groups + 1.0) * coverage - 1e-9
