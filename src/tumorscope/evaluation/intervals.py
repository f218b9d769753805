"""How far a figure can be trusted: bootstrap intervals over groups.

Owns the resampling. Slices of one patient are alike, so whole groups are drawn with replacement (cluster
bootstrap: Field and Welsh, J. R. Statist. Soc. B 69, 2007) and the interval is read off the percentiles. Each
group is first reduced to its sums, so a resample is one row of a matrix product.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.card import Figure
from tumorscope.evaluation.metrics import rates
from tumorscope.evaluation.predictions import PredictionTable

__all__ = ["LEVEL", "RESAMPLES", "SEED", "figures"]

LEVEL = 0.95
RESAMPLES = 2000
SEED = 20260101

Floats = NDArray[np.float64]

_CHUNK = 2_000_000  # cells of the matrix of counts held at once


def figures(
    table: PredictionTable,
    losses: Mapping[str, Floats],
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> dict[str, Figure]:
    """Every rate and mean loss with its 95 % interval.

    Parameters
    ----------
    table
        Truth, answers and groups; images of one slice count as one.
    losses
        Named losses of each image, ``float64 [N]``; their weighted means are reported under these names.
    resamples
        Bootstrap resamples, at least 1.
    seed
        Of the resampling; the same table gives the same interval.

    Returns
    -------
    dict
        Figures by name; one that is undefined on this table (a class without images) is left out.
    """
    sums = _group_sums(table, losses)
    value = _figures_of(sums.sum(axis=0), tuple(losses))
    drawn = _resampled(sums, resamples, seed)
    spread = _figures_of(drawn, tuple(losses))
    tail = 50.0 * (1.0 - LEVEL)
    found = {}
    for name, figure in value.items():
        if np.isnan(figure):
            continue
        low, high = np.nanpercentile(spread[name], [tail, 100.0 - tail])
        # A resample may lose a class and the percentiles then miss the value: keep it inside.
        found[name] = Figure(
            value=float(figure), low=min(float(low), float(figure)), high=max(float(high), float(figure))
        )
    return found


def _group_sums(table: PredictionTable, losses: Mapping[str, Floats]) -> Floats:
    """``float64 [G, 16 + L]``: weighted confusion matrix and loss sums of each group, by name."""
    groups, position = np.unique(table.groups, return_inverse=True)
    weights = table.weights
    cells = table.labels * 4 + table.logits.argmax(axis=1)
    sums = np.empty((len(groups), 16 + len(losses)))
    sums[:, :16] = np.bincount(position * 16 + cells, weights, minlength=16 * len(groups)).reshape(-1, 16)
    for column, loss in enumerate(losses.values(), start=16):
        sums[:, column] = np.bincount(position, weights * loss, minlength=len(groups))
    return sums


def _resampled(sums: Floats, resamples: int, seed: int) -> Floats:
    """``float64 [R, 16 + L]``: the sums over groups drawn with replacement."""
    rng = np.random.Generator(np.random.Philox(seed))
    groups = len(sums)
    at_once = max(1, _CHUNK // groups)
    parts = []
    for first in range(0, resamples, at_once):
        rows = min(at_once, resamples - first)
        drawn = rng.integers(0, groups, (rows, groups)) + groups * np.arange(rows)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=rows * groups).reshape(rows, groups)
        parts.append(counts.astype(np.float64) @ sums)
    return np.concatenate(parts)


def _figures_of(sums: Floats, losses: tuple[str, ...]) -> dict[str, Floats]:
    matrix = sums[..., :16].reshape(*sums.shape[:-1], 4, 4)
    total = matrix.sum(axis=(-2, -1))
    named = rates(matrix)
    return named | {name: sums[..., 16 + k] / total for k, name in enumerate(losses)}
