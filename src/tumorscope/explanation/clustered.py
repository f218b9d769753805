"""The mean of a number an image, with an interval that knows that images of one patient are alike.

Owns the group bootstrap of a weighted mean, with the level, the number of resamples and the seed of
:mod:`tumorscope.evaluation.intervals`, which does the same for rates of answers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.card import Figure
from tumorscope.evaluation.intervals import LEVEL, RESAMPLES, SEED

__all__ = ["mean_by_group"]

_CHUNK = 1_000_000  # draws held at once


def mean_by_group(
    values: NDArray[np.float64], weights: NDArray[np.float64], groups: NDArray[np.str_]
) -> Figure:
    """Weighted mean with a percentile interval over groups drawn with replacement.

    Parameters
    ----------
    values
        ``float64 [N]``, at least one.
    weights
        ``float64 [N]``, positive: 1/n for each of n images of one slice.
    groups
        ``str [N]``.

    Returns
    -------
    Figure
        The same table gives the same interval. With one group the interval is the value: nothing is known of others.
    """
    _, position = np.unique(groups, return_inverse=True)
    tops, bottoms = np.bincount(position, weights * values), np.bincount(position, weights)
    count = len(bottoms)
    rng = np.random.Generator(np.random.Philox(SEED))
    at_once = max(1, _CHUNK // count)
    means = []
    for first in range(0, RESAMPLES, at_once):
        drawn = rng.integers(0, count, (min(at_once, RESAMPLES - first), count))
        means.append(tops[drawn].sum(axis=1) / bottoms[drawn].sum(axis=1))
    tail = 50.0 * (1.0 - LEVEL)
    low, high = np.percentile(np.concatenate(means), [tail, 100.0 - tail])
    value = float(tops.sum() / bottoms.sum())
    return Figure(value=value, low=min(float(low), value), high=max(float(high), value))
