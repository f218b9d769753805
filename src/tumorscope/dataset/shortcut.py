"""The shortcut probe: how well the class is known before anybody looks at the brain.

Where classes come from different sources, file format, size, border and brightness give the source away, and with it
the class; a network can score well on them alone (Geirhos et al., "Shortcut learning in deep neural networks", Nature
Machine Intelligence 2, 2020). Owns the model, its protocol and its interval; what it is fed is made in
:mod:`tumorscope.dataset.audit.appearance`. scikit-learn does the fitting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.labels import CLASS_ORDER
from tumorscope.core.optional import require
from tumorscope.dataset.audit.document import ShortcutFigures

__all__ = ["FOLDS", "LARGEST", "SMALLEST", "probe"]

FOLDS = 5
SMALLEST = 20
"""Fewer slices say nothing."""
LARGEST = 6000
"""More slices narrow the interval below 1.3 points either way, which changes no verdict; a part is drawn."""

_TREES = 20
_SMALLEST_LEAF = 2
_RESAMPLES = 2000
_TAIL = 2.5
_SEED = 20260101
_DIGITS = 4
_PURPOSE = "the shortcut probe"

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Part:
    """The slices that the probe uses: one image of each."""

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]


def probe(
    features: NDArray[np.float32],
    names: Sequence[str],
    labels: NDArray[np.int64],
    groups: NDArray[np.int64],
    slices: NDArray[np.int64],
) -> ShortcutFigures | None:
    """Predict the class from features that hold nothing of the brain, on groups that were left out of the fit.

    Parameters
    ----------
    features
        ``float32 [N, F]``.
    names
        Of the features, F of them.
    labels
        Class positions, ``int64 [N]``.
    groups
        ``int64 [N]``: patients, with all that copies tie together; none is divided.
    slices
        ``int64 [N]``: images of one slice share a number; one of them is used.

    Returns
    -------
    ShortcutFigures or None
        ``None`` where fewer than two classes have two groups each, or there are fewer than 20 slices.

    Raises
    ------
    MissingDependency
        If scikit-learn is not installed.
    """
    part = _draw(features, labels, groups, slices)
    if part is None:
        return None
    members = [len(np.unique(part.groups[part.labels == k])) for k in np.unique(part.labels)]
    folds = min(FOLDS, *members)
    answers = np.empty(len(part.labels), dtype=np.int64)
    shuffled = np.empty((len(names), len(part.labels)), dtype=np.int64)
    rng = np.random.Generator(np.random.Philox(_SEED))
    for train, test in _splits(part, folds):
        model = _fit(part.features[train], part.labels[train])
        answers[test] = _answers(model, part.features[test])
        shuffled[:, test] = _shuffled_answers(model, part.features[test], rng)
    right = answers == part.labels
    low, high = _interval(right, part.groups, rng)
    losses = right.mean() - (shuffled == part.labels).mean(axis=1)
    order = sorted(range(len(names)), key=lambda k: (-losses[k], k))
    return ShortcutFigures(
        images=len(part.labels),
        groups=len(np.unique(part.groups)),
        folds=folds,
        accuracy=_rounded(right.mean()),
        low=_rounded(low),
        high=_rounded(high),
        # Not what the folds' own most frequent classes would get: of classes of one size that is below one in four.
        chance=_rounded(np.bincount(part.labels).max() / len(part.labels)),
        sensitivity={
            CLASS_ORDER[k]: _rounded(right[part.labels == k].mean()) for k in np.unique(part.labels)
        },
        importances={names[k]: _rounded(losses[k]) for k in order},
        protocol=(
            f"{folds}-fold cross-validation over groups that patients and copies tie together, one image a slice, "
            f"{_TREES} extremely randomised trees on {len(names)} features of file, border, margins and grey values; "
            f"95 % percentile bootstrap over groups, {_RESAMPLES:,} resamples"
        ),
    )


def _draw(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    groups: NDArray[np.int64],
    slices: NDArray[np.int64],
) -> _Part | None:
    """One image of each slice and class, of at most so many slices, of classes that can be divided."""
    keys = slices.astype(np.int64) * len(CLASS_ORDER) + labels
    rows = np.sort(np.unique(keys, return_index=True)[1])
    for position in np.unique(labels):
        if len(np.unique(groups[rows][labels[rows] == position])) < 2:
            rows = rows[labels[rows] != position]
    if len(rows) < SMALLEST or len(np.unique(labels[rows])) < 2:
        return None
    if len(rows) > LARGEST:
        rng = np.random.Generator(np.random.Philox(_SEED))
        _, place = np.unique(groups[rows], return_inverse=True)
        turn = rng.permutation(place.max() + 1)[place]
        rows = np.sort(rows[np.argsort(turn, kind="stable")[:LARGEST]])
        # The drawing may have left a class with one group.
        return _draw(features[rows], labels[rows], groups[rows], slices[rows])
    return _Part(features[rows], labels[rows], groups[rows])


def _splits(part: _Part, folds: int) -> Any:
    selection = require("sklearn.model_selection", extra="evaluate", purpose=_PURPOSE)
    splitter = selection.StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=_SEED)
    return splitter.split(part.labels, part.labels, part.groups)


def _fit(features: NDArray[np.float32], labels: NDArray[np.int64]) -> Any:
    ensemble = require("sklearn.ensemble", extra="evaluate", purpose=_PURPOSE)
    model = ensemble.ExtraTreesClassifier(_TREES, min_samples_leaf=_SMALLEST_LEAF, random_state=_SEED)
    return model.fit(features, labels)


def _answers(model: Any, features: NDArray[np.float32]) -> NDArray[np.int64]:
    answers: NDArray[np.int64] = model.classes_[model.predict_proba(features).argmax(axis=1)]
    return answers


def _shuffled_answers(
    model: Any, features: NDArray[np.float32], rng: np.random.Generator
) -> NDArray[np.int64]:
    """``int64 [F, M]``: answers with one feature at a time shuffled (Breiman, Machine Learning 45, 2001)."""
    count, width = features.shape
    many = np.tile(features, (width, 1, 1))
    for k in range(width):
        many[k, :, k] = rng.permutation(many[k, :, k])
    return _answers(model, many.reshape(-1, width)).reshape(width, count)


def _interval(
    right: NDArray[np.bool_], groups: NDArray[np.int64], rng: np.random.Generator
) -> tuple[float, float]:
    """Percentile bootstrap of the share of right answers over whole groups."""
    _, place = np.unique(groups, return_inverse=True)
    sums = np.stack([np.bincount(place, right), np.bincount(place)], axis=1).astype(np.float64)
    drawn: list[Floats] = []
    for _ in range(_RESAMPLES):
        counts = np.bincount(rng.integers(0, len(sums), len(sums)), minlength=len(sums))
        drawn.append(counts @ sums)
    hits, images = np.stack(drawn).T
    low, high = np.percentile(hits / images, [_TAIL, 100.0 - _TAIL])
    value = float(right.mean())
    return min(float(low), value), max(float(high), value)


def _rounded(value: float | np.floating[Any]) -> float:
    return round(float(value), _DIGITS) + 0.0  # no -0.0
