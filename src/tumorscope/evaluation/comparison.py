"""Two classifiers on the same images: which is better, and could that be chance?

Owns the pairing of two tables and the tests of their difference. Knows nothing of where the answers come from. Whether
a difference was looked for among many is the caller's to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.card import Figure
from tumorscope.core.errors import InvalidManifest
from tumorscope.core.optional import require
from tumorscope.evaluation.intervals import RESAMPLES, SEED, figure_of, group_positions, resampled_counts
from tumorscope.evaluation.metrics import losses, rates
from tumorscope.evaluation.predictions import PredictionTable

__all__ = [
    "EXACT_BELOW",
    "Comparison",
    "Difference",
    "McNemar",
    "clustered_mcnemar",
    "compare",
    "mcnemar",
]

Floats = NDArray[np.float64]

EXACT_BELOW = 25
"""With fewer answers on which the two differ McNemar's test is the exact binomial one."""


@dataclass(frozen=True, slots=True)
class McNemar:
    """A test that two classifiers are right equally often.

    Parameters
    ----------
    only_first, only_second
        How much only the first, or only the second, was right about: images, or weight of slices where clustered.
    statistic
        Chi-squared with one degree of freedom; ``None`` for the exact test.
    p
        Two-sided.
    method
        Of which kind it is.
    """

    only_first: float
    only_second: float
    statistic: float | None
    p: float
    method: Literal["exact", "chi-squared", "clustered"]


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure of the second classifier less that of the first.

    Parameters
    ----------
    difference
        With its 95 % interval over groups, drawn for both alike.
    p
        Two-sided, from the same resamples: twice the smaller share on one side of 0, at least ``2 / (resamples + 1)``.
    """

    difference: Figure
    p: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two classifiers' answers to the same images say of them.

    Parameters
    ----------
    images, slices, groups
        What it rests on.
    mcnemar
        On one image a slice, as if slices of one patient were independent: the usual test, too sure of itself here.
    mcnemar_clustered
        On all images, copies sharing a slice's weight, groups as the units: the one to quote.
    differences
        Of ``accuracy``, ``macro_f1`` and ``loss`` (raw logits), second less first.
    """

    images: int
    slices: int
    groups: int
    mcnemar: McNemar
    mcnemar_clustered: McNemar
    differences: dict[str, Difference]


def compare(
    first: PredictionTable, second: PredictionTable, *, resamples: int = RESAMPLES, seed: int = SEED
) -> Comparison:
    """Compare two classifiers on the same images.

    Parameters
    ----------
    first, second
        Answers to the same images in any order, matched by SHA-256 where both tables have them, else by path. Copies
        are those of the first table; images that either table has in one group are in one.
    resamples, seed
        Of the bootstrap.

    Raises
    ------
    InvalidManifest
        If the tables are of different images, name them by different keys, or disagree on a label.
    """
    order_of_first, order_of_second = _pairing(first, second)
    labels = first.labels[order_of_first]
    if (labels != second.labels[order_of_second]).any():
        count = int((labels != second.labels[order_of_second]).sum())
        raise InvalidManifest(
            f"the two tables of predictions give {count} of {len(labels)} images different labels; compare models "
            "on the same labels"
        )
    logits = first.logits[order_of_first], second.logits[order_of_second]
    slice_ids, weights = first.slice_ids[order_of_first], first.weights[order_of_first]
    position, groups = _joined(first.groups[order_of_first], second.groups[order_of_second])
    right = tuple(scores.argmax(axis=1) == labels for scores in logits)
    # Rows are in the order of their keys, so this picks the same copies whatever the order of the tables.
    _, one_a_slice = np.unique(slice_ids, return_index=True)
    return Comparison(
        images=len(labels),
        slices=len(one_a_slice),
        groups=groups,
        mcnemar=mcnemar(right[0][one_a_slice], right[1][one_a_slice]),
        mcnemar_clustered=clustered_mcnemar(right[0], right[1], weights, position),
        differences=_differences(
            [_sums(labels, scores, weights, position) for scores in logits], resamples, seed
        ),
    )


def mcnemar(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> McNemar:
    """McNemar's test (Psychometrika 12, 1947) on independent pairs of right and wrong, ``bool [N]`` each.

    Exact below :data:`EXACT_BELOW` pairs that differ, else chi-squared without continuity correction.
    """
    stats = require("scipy.stats", extra="evaluate", purpose="comparing two models")
    only_first, only_second = int((first & ~second).sum()), int((~first & second).sum())
    differing = only_first + only_second
    if differing == 0:
        return McNemar(0.0, 0.0, None, 1.0, "exact")
    if differing < EXACT_BELOW:
        p = float(stats.binomtest(only_first, differing, 0.5).pvalue)
        return McNemar(float(only_first), float(only_second), None, p, "exact")
    statistic = (only_first - only_second) ** 2 / differing
    p = float(stats.chi2.sf(statistic, 1))
    return McNemar(float(only_first), float(only_second), float(statistic), p, "chi-squared")


def clustered_mcnemar(
    first: NDArray[np.bool_], second: NDArray[np.bool_], weights: Floats, position: NDArray[np.int64]
) -> McNemar:
    """McNemar's test with groups as the independent units.

    With *b* and *c* of a group what only one of the two was right about, the statistic is
    ``(K - 1) / K * sum(b - c)**2 / sum((b - c)**2)`` over the *K* groups (Yang, Sun and Hardin, Biometrical Journal 52,
    2010: the modified Obuchowski test).

    Parameters
    ----------
    first, second
        Right or wrong, ``bool [N]`` each.
    weights
        ``float64 [N]``; 1/n for n copies.
    position
        Number of each image's group, ``int64 [N]``.
    """
    stats = require("scipy.stats", extra="evaluate", purpose="comparing two models")
    b = np.bincount(position, weights * (first & ~second))
    c = np.bincount(position, weights * (~first & second))
    groups, apart = len(b), ((b - c) ** 2).sum()
    # Weights such as 1/3 leave rounding errors where a group's b and c are equal.
    balanced = apart <= 1e-18
    statistic = 0.0 if balanced else float((groups - 1) / groups * (b - c).sum() ** 2 / apart)
    p = float(stats.chi2.sf(statistic, 1))
    return McNemar(float(b.sum()), float(c.sum()), statistic, p, "clustered")


def _pairing(first: PredictionTable, second: PredictionTable) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of both tables in the same order of images."""
    kind, keys = _keys(first, second)
    if len(first) == len(second):
        orders = [
            np.array(
                sorted(range(len(table)), key=lambda row: (key[row], _text(table.paths, row))), dtype=np.int64
            )
            for table, key in zip((first, second), keys, strict=True)
        ]
        if all(keys[0][i] == keys[1][j] for i, j in zip(orders[0].tolist(), orders[1].tolist(), strict=True)):
            return orders[0], orders[1]
    common = len(set(keys[0]) & set(keys[1]))
    raise InvalidManifest(
        f"the two tables are of different images: {len(first)} and {len(second)} of them, {common} in both by their "
        f"{kind}; only answers to the same images can be compared"
    )


def _keys(first: PredictionTable, second: PredictionTable) -> tuple[str, tuple[Sequence[str], Sequence[str]]]:
    if _complete(first.hashes) and _complete(second.hashes):
        return "SHA-256", (first.hashes, second.hashes)
    if _complete(first.paths) and _complete(second.paths):
        return "paths", (first.paths, second.paths)
    raise InvalidManifest(
        "the images of the two tables cannot be matched: give both tables the column sha256, or both the column path"
    )


def _complete(column: Sequence[str]) -> bool:
    return len(column) > 0 and all(column)


def _text(column: Sequence[str], row: int) -> str:
    return column[row] if len(column) else ""


def _joined(first: NDArray[np.str_], second: NDArray[np.str_]) -> tuple[NDArray[np.int64], int]:
    """Groups of images that either table keeps together: their numbers, ``int64 [N]``, and how many."""
    sparse = require("scipy.sparse", extra="evaluate", purpose="comparing two models")
    graph = require("scipy.sparse.csgraph", extra="evaluate", purpose="comparing two models")
    (one, ones), (two, twos) = group_positions(first), group_positions(second)
    edges = sparse.coo_array((np.ones(len(one)), (one, ones + two)), shape=(ones + twos, ones + twos))
    count, component = graph.connected_components(edges, directed=False)
    return np.asarray(component[one], dtype=np.int64), int(count)


def _differences(sums: list[Floats], resamples: int, seed: int) -> dict[str, Difference]:
    """From the sums of each group of the first and the second."""
    whole = [_figures(part.sum(axis=0)) for part in sums]
    parts = [
        [_figures(drawn @ part) for part in sums] for drawn in resampled_counts(len(sums[0]), resamples, seed)
    ]
    found = {}
    for name in whole[0]:
        spread = np.concatenate([second[name] - first[name] for first, second in parts])
        value = float(whole[1][name] - whole[0][name])
        found[name] = Difference(figure_of(value, spread), _two_sided(spread))
    return found


def _sums(labels: NDArray[np.int64], logits: Floats, weights: Floats, position: NDArray[np.int64]) -> Floats:
    """``float64 [G, 17]``: the confusion matrix and the loss of each group."""
    groups = int(position.max()) + 1
    cells = position * 16 + labels * 4 + logits.argmax(axis=1)
    matrix = np.bincount(cells, weights, minlength=16 * groups).reshape(groups, 16)
    loss = np.bincount(position, weights * losses(logits, labels), minlength=groups)
    return np.column_stack([matrix, loss])


def _figures(sums: Floats) -> dict[str, Floats]:
    matrix = sums[..., :16].reshape(*sums.shape[:-1], 4, 4)
    named = rates(matrix)
    return {
        "accuracy": named["accuracy"],
        "macro_f1": named["macro_f1"],
        "loss": np.asarray(sums[..., 16] / matrix.sum(axis=(-2, -1))),
    }


def _two_sided(spread: Floats) -> float:
    """Twice the share of resamples on the rarer side of 0, the observed one counted in (Davison and Hinkley, 1997)."""
    smaller = min(int((spread <= 0).sum()), int((spread >= 0).sum()))
    return min(1.0, 2.0 * (smaller + 1) / (len(spread) + 1))
