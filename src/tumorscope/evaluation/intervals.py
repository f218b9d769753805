"""How far a figure can be trusted: bootstrap intervals over groups.

Owns the resampling. Slices of one patient are alike, so whole groups are drawn with replacement (cluster
bootstrap: Field and Welsh, J. R. Statist. Soc. B 69, 2007) and the interval is read off the percentiles. What is a sum
over images is first reduced to the sums of each group, so a resample is one row of a matrix product; what depends on
an order of images is weighted by how often the group of each was drawn (:mod:`tumorscope.evaluation.ranking`).

**Where all groups agree.** If every answer is right, so is every resample, and the bootstrap of a share returns an
interval of no width, which promises what a few dozen groups cannot show. There, and only there, the interval is the
exact binomial one (:func:`share_figure`) of as many draws as groups bear on the share: those with an image of the class
for a sensitivity, of the others for a specificity, with that answer for a PPV. The same rule holds for strata, changed
images, shortcuts and pointing, so one number has one interval. Averages over classes (balanced accuracy, macro-F1)
take the mean of their classes' exact intervals, which is wider than it need be: not all classes are at their limit at
once. An AUROC of 1 is the share of rightly ordered pairs of a group of the class and one of the others; as many pairs
as the fewer of the two are independent, and so many draws it counts as. An average precision takes the same number,
which is no exact statement. Losses, calibration errors and sizes of sets are no shares and keep the bootstrap.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.card import Figure
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.core.optional import require
from tumorscope.evaluation.metrics import rates
from tumorscope.evaluation.predictions import PredictionTable
from tumorscope.evaluation.ranking import MACRO_AUROC, ranking
from tumorscope.evaluation.support import groups_behind

__all__ = [
    "LEVEL",
    "METHOD",
    "RESAMPLES",
    "SEED",
    "figure_of",
    "figures",
    "group_positions",
    "has_no_width",
    "mean_figure",
    "rate_figures",
    "resampled_counts",
    "share_figure",
]

LEVEL = 0.95
METHOD = (
    "percentile bootstrap over groups (of shares on which all groups agree: exact binomial, one draw a group)"
)
"""What an evaluation says of its intervals."""

RESAMPLES = 2000
SEED = 20260101

Floats = NDArray[np.float64]

_CHUNK = 2_000_000  # cells of the matrix of counts held at once
_NO_WIDTH = 1e-9  # sums of weights such as 1/3 leave rounding errors behind
# Means over the classes, and the figure of one class whose groups stand behind its part of the mean.
_AVERAGES = {"balanced_accuracy": "sensitivity", "macro_f1": "sensitivity", MACRO_AUROC: "auroc"}


def figures(
    table: PredictionTable,
    losses: Mapping[str, Floats],
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> dict[str, Figure]:
    """Every rate, rank statistic and mean loss with its 95 % interval.

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
        Figures by name: rates, then ``auroc_CLASS``, ``ap_CLASS`` and ``macro_auroc``, then losses. One that is
        undefined on this table (a class without images) is left out.
    """
    found = rate_figures(table, losses, resamples=resamples, seed=seed)
    mean_losses = {name: found.pop(name) for name in losses if name in found}
    return found | _rank_figures(table, resamples, seed) | mean_losses


def rate_figures(
    table: PredictionTable,
    losses: Mapping[str, Floats],
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> dict[str, Figure]:
    """Like :func:`figures` without the rank statistics: what follows from the confusion matrix, and mean losses."""
    sums = _group_sums(table, losses)
    value = _figures_of(sums.sum(axis=0), tuple(losses))
    counts = resampled_counts(len(sums), resamples, seed)
    spread = _figures_of(np.concatenate([drawn @ sums for drawn in counts]), tuple(losses))
    found = {
        name: figure_of(float(figure), spread[name]) for name, figure in value.items() if not np.isnan(figure)
    }
    return _with_width({name: found[name] for name in found if name not in losses}, table) | {
        name: found[name] for name in losses if name in found
    }


def mean_figure(
    values: NDArray[Any],
    weights: Floats,
    groups: NDArray[np.str_],
    *,
    share: bool = False,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Figure:
    """The weighted mean of something measured on each image, with its 95 % interval over groups.

    Parameters
    ----------
    values, weights
        ``[N]``; weights at least 0, not all 0.
    groups
        ``str [N]``.
    share
        Whether the values are in [0, 1] and their mean is a share: where all groups agree it has the exact interval.
    resamples, seed
        Of the bootstrap.
    """
    position, number = group_positions(groups)
    sums = np.stack(
        [np.bincount(position, weights * values, number), np.bincount(position, weights, number)], axis=1
    )
    drawn = np.concatenate([counts @ sums for counts in resampled_counts(number, resamples, seed)])
    missing = np.full(len(drawn), np.nan)
    spread = np.divide(drawn[:, 0], drawn[:, 1], out=missing, where=drawn[:, 1] > 0)
    found = figure_of(float(sums[:, 0].sum() / sums[:, 1].sum()), spread)
    if share and has_no_width(found):
        return share_figure(min(found.value, 1.0), int((sums[:, 1] > 0).sum()))
    return found


def figure_of(value: float, spread: Floats) -> Figure:
    """A value with the percentiles of its resamples ``float64 [R]``; NaN ones, where it was undefined, are left out."""
    if np.isnan(spread).all():
        return Figure(value=value, low=value, high=value)
    tail = 50.0 * (1.0 - LEVEL)
    low, high = np.nanpercentile(spread, [tail, 100.0 - tail])
    # A resample may lose a class and the percentiles then miss the value: keep it inside.
    return Figure(value=value, low=min(float(low), value), high=max(float(high), value))


def share_figure(share: float, groups: int) -> Figure:
    """A share near 0 or 1 with the exact binomial interval of one draw a group (Clopper and Pearson, Biometrika 1934).

    A mean of one number in [0, 1] a group varies at most as much as that many
    draws of yes or no, so this interval is wide enough however alike the slices of a group are.

    Parameters
    ----------
    share
        In [0, 1].
    groups
        On how many groups it rests, at least 1.
    """
    stats = require("scipy.stats", extra="evaluate", purpose="computing intervals of shares")
    tail = (1.0 - LEVEL) / 2.0
    hits = share * groups
    # Not a whole number of hits where groups are covered in part; the beta quantiles do not ask for one.
    low = float(stats.beta.ppf(tail, hits, groups - hits + 1.0)) if hits > 1e-9 else 0.0
    high = float(stats.beta.ppf(1.0 - tail, hits + 1.0, groups - hits)) if groups - hits > 1e-9 else 1.0
    return Figure(value=share, low=min(low, share), high=max(high, share))


def has_no_width(figure: Figure) -> bool:
    """Whether no resample differed: the bootstrap found nothing to vary."""
    return figure.high - figure.low < _NO_WIDTH


def group_positions(groups: NDArray[np.str_]) -> tuple[NDArray[np.int64], int]:
    """``int64 [N]`` numbers of the groups in sorted order, and how many there are."""
    names, position = np.unique(groups, return_inverse=True)
    return np.asarray(position, dtype=np.int64), len(names)


def resampled_counts(groups: int, resamples: int, seed: int) -> Iterator[Floats]:
    """How often each group is in each resample: parts ``float64 [r, G]`` whose rows are ``resamples`` together.

    The same numbers give the same draws, so figures of the same groups are resampled alike.
    """
    rng = np.random.Generator(np.random.Philox(seed))
    at_once = max(1, _CHUNK // groups)
    for first in range(0, resamples, at_once):
        rows = min(at_once, resamples - first)
        drawn = rng.integers(0, groups, (rows, groups)) + groups * np.arange(rows)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=rows * groups).reshape(rows, groups)
        yield counts.astype(np.float64)


def _rank_figures(table: PredictionTable, resamples: int, seed: int) -> dict[str, Figure]:
    position, groups = group_positions(table.groups)
    found = ranking(table.labels, table.logits, table.weights)
    if not found.values:
        return {}
    parts = [found.resampled(counts, position) for counts in resampled_counts(groups, resamples, seed)]
    return _with_width(
        {
            name: figure_of(value, np.concatenate([part[name] for part in parts]))
            for name, value in found.values.items()
        },
        table,
    )


def _with_width(shares: Mapping[str, Figure], table: PredictionTable) -> dict[str, Figure]:
    """Shares of the table by name, those on which all groups agree with the exact interval."""
    found = dict(shares)
    agreed = [name for name, figure in shares.items() if has_no_width(figure)]
    if not agreed:  # the usual case, and counting groups takes a while
        return found
    behind = groups_behind(table)
    for name in agreed:
        value = shares[name].value
        if name in _AVERAGES:
            of_class = [behind.get(f"{_AVERAGES[name]}_{key.value}", 0) for key in CLASS_ORDER]
            each = [share_figure(value, groups) for groups in of_class if groups]
            found[name] = Figure(
                value=value,
                low=min(float(np.mean([one.low for one in each])), value),
                high=max(float(np.mean([one.high for one in each])), value),
            )
        else:
            found[name] = share_figure(value, behind.get(name, table.group_count))
    return found


def _group_sums(table: PredictionTable, losses: Mapping[str, Floats]) -> Floats:
    """``float64 [G, 16 + L]``: weighted confusion matrix and loss sums of each group, by name."""
    position, groups = group_positions(table.groups)
    weights = table.weights
    cells = table.labels * 4 + table.logits.argmax(axis=1)
    sums = np.empty((groups, 16 + len(losses)))
    sums[:, :16] = np.bincount(position * 16 + cells, weights, minlength=16 * groups).reshape(-1, 16)
    for column, loss in enumerate(losses.values(), start=16):
        sums[:, column] = np.bincount(position, weights * loss, minlength=groups)
    return sums


def _figures_of(sums: Floats, losses: tuple[str, ...]) -> dict[str, Floats]:
    matrix = sums[..., :16].reshape(*sums.shape[:-1], 4, 4)
    total = matrix.sum(axis=(-2, -1))
    named = rates(matrix)
    return named | {name: sums[..., 16 + k] / total for k, name in enumerate(losses)}
