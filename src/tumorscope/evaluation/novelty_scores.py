"""How well foreign images are told from brain slices of unseen patients, by the bundle's score and by others.

Owns four scores that can be made of any bundle's outputs, to hold its own against: Mahalanobis distance (Lee et al.,
NeurIPS 2018), nearest neighbours (Sun et al., ICML 2022), energy (Liu et al., NeurIPS 2020) and the residual of the
embedding (Wang et al., CVPR 2022). And the part of an evaluation that reports them. More is stranger in all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.card import Figure
from tumorscope.core.errors import InvalidManifest
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.evaluation.intervals import LEVEL, SEED
from tumorscope.evaluation.report import NoveltyPart

__all__ = [
    "BUNDLE_SCORE",
    "Scores",
    "auroc",
    "energy",
    "mahalanobis",
    "measure_novelty",
    "nearest_neighbour",
    "residual",
]

Floats = NDArray[np.float64]

BUNDLE_SCORE = "look-residual"
"""The score that a bundle of this version keeps."""

BRAIN = "brain"
_DIRECTIONS = 64
_SHRINKAGE = 0.05
_RESAMPLES = 500


def energy(logits: NDArray[np.floating]) -> Floats:
    """Minus the logarithm of the summed exponentials of the logits ``[N, 4]``."""
    values = np.asarray(logits, dtype=np.float64)
    top = values.max(axis=1)
    return np.asarray(-(top + np.log(np.exp(values - top[:, None]).sum(axis=1))))


def mahalanobis(
    learnt: NDArray[np.floating], labels: NDArray[np.int64], asked: NDArray[np.floating]
) -> Floats:
    """Distance to the nearest class mean on the 64 whitened directions in which images of one class vary.

    Parameters
    ----------
    learnt
        ``[M, d]``, embeddings of training images.
    labels
        ``int64 [M]``, their classes.
    asked
        ``[N, d]``.
    """
    data = np.asarray(learnt, dtype=np.float64)
    present = [k for k in range(len(CLASS_ORDER)) if (labels == k).any()]
    centres = np.stack([data[labels == k].mean(axis=0) for k in present])
    within = data - centres[np.searchsorted(present, labels)]
    projection = _whitening(within.T @ within / len(data))
    away = (np.asarray(asked, dtype=np.float64)[:, None] - centres[None]) @ projection
    return np.asarray(np.sqrt((away**2).sum(axis=2).min(axis=1)))


def nearest_neighbour(learnt: NDArray[np.floating], asked: NDArray[np.floating]) -> Floats:
    """Distance of each unit embedding ``[N, d]`` to the nearest of the training images ``[M, d]``."""
    own, others = _unit(asked), _unit(learnt)
    return np.asarray(np.sqrt(np.maximum(2 - 2 * (own @ others.T).max(axis=1), 0)))


def residual(learnt: NDArray[np.floating], asked: NDArray[np.floating]) -> Floats:
    """Length of ``asked`` (``[N, d]``, less the mean) outside the 64 main directions of ``learnt`` (``[M, d]``)."""
    data = np.asarray(learnt, dtype=np.float64)
    mean = data.mean(axis=0)
    _, directions = np.linalg.eigh((data - mean).T @ (data - mean))
    basis = directions[:, ::-1][:, :_DIRECTIONS]
    away = np.asarray(asked, dtype=np.float64) - mean
    return np.asarray(np.linalg.norm(away - (away @ basis) @ basis.T, axis=1))


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """One score of all images, comparable between the models that answered.

    Parameters
    ----------
    brain
        ``float64 [N]``, brain slices that the model which answered has not seen.
    foreign
        By kind, ``float64 [F]``.
    """

    brain: Floats
    foreign: Mapping[str, Floats]


def measure_novelty(
    scores: Mapping[str, Scores],
    groups: NDArray[np.str_],
    weights: Floats,
    *,
    kept: str = BUNDLE_SCORE,
    limit: float = 1.0,
    resamples: int = _RESAMPLES,
) -> NoveltyPart:
    """Report scores side by side.

    Parameters
    ----------
    scores
        By name; the one that the bundle keeps divided by the limit of the model that answered.
    groups
        ``str [N]`` of the brain slices: intervals resample whole groups, and each foreign image.
    weights
        ``float64 [N]``, 1/n for each of n copies.
    kept
        Name of the score that the bundle keeps.
    limit
        Of that score; above it an image is rejected.
    resamples
        Of the bootstrap.

    Raises
    ------
    InvalidManifest
        If there is no brain slice or no foreign image of a kind.
    """
    own = scores[kept]
    rejected = {BRAIN: float(weights @ (own.brain > limit) / weights.sum())}
    rejected |= {kind: float((values > limit).mean()) for kind, values in own.foreign.items()}
    return NoveltyPart(
        score=kept,
        auroc={
            name: {
                kind: auroc(one.brain, values, groups, weights, resamples=resamples)
                for kind, values in one.foreign.items()
            }
            for name, one in scores.items()
        },
        rejected=rejected,
        images={BRAIN: len(own.brain)} | {kind: len(values) for kind, values in own.foreign.items()},
    )


def auroc(
    brain: Floats, foreign: Floats, groups: NDArray[np.str_], weights: Floats, *, resamples: int = _RESAMPLES
) -> Figure:
    """Chance that a foreign image scores above a brain slice, ties half, with its clustered 95 % interval.

    Raises
    ------
    InvalidManifest
        If either side is empty.
    """
    if len(brain) == 0 or len(foreign) == 0:
        raise InvalidManifest(
            "an AUROC of novelty needs brain slices and foreign images; one of them is missing"
        )
    # How much weight of each group lies below each foreign image: a resample is then two sums.
    below = _below(brain, foreign)
    names, position = np.unique(groups, return_inverse=True)
    mass = np.bincount(position, weights, minlength=len(names))
    wins = np.zeros((len(names), len(foreign)))
    np.add.at(wins, position, below * weights[:, None])
    rng = np.random.Generator(np.random.Philox(SEED))
    drawn = np.empty(resamples)
    for row in range(resamples):
        of_groups = np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names))
        of_foreign = np.bincount(rng.integers(0, len(foreign), len(foreign)), minlength=len(foreign))
        drawn[row] = (of_groups @ wins @ of_foreign) / ((of_groups @ mass) * len(foreign))
    value = float(wins.sum() / (mass.sum() * len(foreign)))
    tail = 50.0 * (1.0 - LEVEL)
    low, high = np.percentile(drawn, [tail, 100.0 - tail])
    return Figure(value=value, low=min(float(low), value), high=max(float(high), value))


def _below(brain: Floats, foreign: Floats) -> Floats:
    return np.asarray(
        (brain[:, None] < foreign[None]) + 0.5 * (brain[:, None] == foreign[None]), dtype=np.float64
    )


def _whitening(covariance: Floats) -> Floats:
    variance, directions = np.linalg.eigh(covariance)
    kept = np.argsort(variance)[::-1][:_DIRECTIONS]
    return np.asarray(directions[:, kept] / np.sqrt(variance[kept] + _SHRINKAGE * variance[kept].mean()))


def _unit(values: NDArray[np.floating]) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    return np.asarray(array / np.maximum(np.linalg.norm(array, axis=1, keepdims=True), 1e-12))
