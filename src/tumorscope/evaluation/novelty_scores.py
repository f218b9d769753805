"""How well foreign images are told from brain slices of unseen patients, by the bundle's score and by others.

Owns five scores that can be made of a bundle's outputs, to hold its own against: Mahalanobis distance (Lee et al.,
NeurIPS 2018), nearest neighbours (Sun et al., ICML 2022), energy (Liu et al., NeurIPS 2020), ReAct (Sun, Guo and Li,
NeurIPS 2021) and the residual of the embedding (Wang et al., CVPR 2022). And the part of an evaluation that reports
them. More is stranger in all of them. Knows no model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.card import Figure
from tumorscope.core.errors import InvalidManifest
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.evaluation.intervals import SEED, figure_of, has_no_width, mean_figure, share_figure
from tumorscope.evaluation.report import NoveltyPart

__all__ = [
    "BRAIN",
    "BUNDLE_SCORE",
    "DIRECTIONS",
    "Scores",
    "auroc",
    "energy",
    "mahalanobis",
    "measure_novelty",
    "nearest_neighbour",
    "react",
    "residual",
]

Floats = NDArray[np.float64]

BUNDLE_SCORE = "look-residual"
"""The score that a bundle of this version keeps."""

BRAIN = "brain"
"""The kind that is not foreign."""
DIRECTIONS = 64
"""Of the embedding, that Mahalanobis and residual use; with no more dimensions than that nothing is left over."""

_CLIPPED_ABOVE = 90.0
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
    basis = directions[:, ::-1][:, :DIRECTIONS]
    away = np.asarray(asked, dtype=np.float64) - mean
    return np.asarray(np.linalg.norm(away - (away @ basis) @ basis.T, axis=1))


def react(
    logits: NDArray[np.floating],
    embedding: NDArray[np.floating],
    learnt: NDArray[np.floating],
    head: NDArray[np.floating],
) -> Floats:
    """Energy of the logits once features are clipped at the 90th percentile of those of training images.

    The pooled deep features are clipped, as in the paper; the linear head reads them, so that what clipping takes
    away is subtracted from the logits. What a head reads besides (here features at stride 16, which are no output of
    a bundle and are no activations but sums, of either sign) stays as it is.

    Parameters
    ----------
    logits
        ``[N, 4]``, before calibration.
    embedding
        ``[N, d]``, of the same images.
    learnt
        ``[M, d]``, of training images.
    head
        ``[4, d]``, the weights by which the embedding enters the logits.
    """
    asked = np.asarray(embedding, dtype=np.float64)
    clipped_away = np.maximum(asked - np.percentile(learnt, _CLIPPED_ABOVE), 0)
    return energy(np.asarray(logits, dtype=np.float64) - clipped_away @ np.asarray(head, dtype=np.float64).T)


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """One score of all images. Only scores of the same model are ever compared.

    Parameters
    ----------
    brain
        ``float64 [N]``, brain slices that the model which answered has not seen.
    foreign
        By kind, ``float64 [K, F]``: one row a model, NaN where it was not asked; ``[F]`` where there is one model.
    """

    brain: Floats
    foreign: Mapping[str, Floats]


def measure_novelty(
    scores: Mapping[str, Scores],
    groups: NDArray[np.str_],
    weights: Floats,
    *,
    answered: NDArray[np.int64] | None = None,
    kept: str = BUNDLE_SCORE,
    limit: float = 1.0,
    promised: float | None = None,
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
    answered
        ``int64 [N]``: the row of ``foreign`` whose model answered for each brain slice; ``None`` for one model.
    kept
        Name of the score that the bundle keeps.
    limit
        Of that score; above it an image is rejected.
    promised
        False rejection that the limit was chosen for.
    resamples
        Of the bootstrap.

    Raises
    ------
    InvalidManifest
        If there is no brain slice or no foreign image of a kind.
    """
    own = scores[kept]
    of = {kind: np.atleast_2d(values) for kind, values in own.foreign.items()}
    wrongly = mean_figure((own.brain > limit).astype(np.float64), weights, groups, share=True)
    return NoveltyPart(
        score=kept,
        auroc={
            name: {
                kind: auroc(one.brain, values, groups, weights, answered=answered, resamples=resamples)
                for kind, values in one.foreign.items()
            }
            for name, one in scores.items()
        },
        rejected={BRAIN: wrongly.value}
        | {kind: float((values[~np.isnan(values)] > limit).mean()) for kind, values in of.items()},
        images={BRAIN: len(own.brain)} | {kind: values.shape[1] for kind, values in of.items()},
        false_rejection=wrongly,
        promised_false_rejection=promised,
    )


def auroc(
    brain: Floats,
    foreign: Floats,
    groups: NDArray[np.str_],
    weights: Floats,
    *,
    answered: NDArray[np.int64] | None = None,
    resamples: int = _RESAMPLES,
) -> Figure:
    """Chance that a foreign image scores above a brain slice, ties half, with its clustered 95 % interval.

    A pair counts only where one model scored both. A resample draws groups of brain slices, and foreign images with
    all their scores; where none differs the interval is the exact one (:mod:`tumorscope.evaluation.intervals`).

    Parameters
    ----------
    brain, foreign
        As in :class:`Scores`.
    groups, weights, answered, resamples
        As in :func:`measure_novelty`.

    Raises
    ------
    InvalidManifest
        If either side is empty, or no model scored an image of both.
    """
    rows = np.zeros(len(brain), dtype=np.int64) if answered is None else answered
    table = np.atleast_2d(foreign)
    asked = ~np.isnan(table)
    if len(brain) == 0 or table.shape[1] == 0 or not asked[rows].any():
        raise InvalidManifest(
            "an AUROC of novelty needs brain slices and foreign images; one of them is missing"
        )
    # How much weight of each group lies below each foreign image, of how much: a resample is then two sums.
    names, position = np.unique(groups, return_inverse=True)
    wins, pairs = np.zeros((2, len(names), table.shape[1]))
    for row in np.unique(rows):
        members = np.flatnonzero(rows == row)
        mass = weights[members, None] * asked[row]
        np.add.at(wins, position[members], _below(brain[members], table[row]) * mass)
        np.add.at(pairs, position[members], mass)
    rng = np.random.Generator(np.random.Philox(SEED))
    drawn = np.full(resamples, np.nan)
    for turn in range(resamples):
        of_groups = np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names))
        of_foreign = np.bincount(rng.integers(0, table.shape[1], table.shape[1]), minlength=table.shape[1])
        counted = of_groups @ pairs @ of_foreign
        if counted > 0:  # of few images a resample may hold none that one model was asked about
            drawn[turn] = (of_groups @ wins @ of_foreign) / counted
    value = float(wins.sum() / pairs.sum())
    found = figure_of(value, drawn)
    # Every foreign image above every slice: so many pairs of a group and an image are independent.
    return share_figure(value, min(len(names), table.shape[1])) if has_no_width(found) else found


def _below(brain: Floats, foreign: Floats) -> Floats:
    return np.asarray(
        (brain[:, None] < foreign[None]) + 0.5 * (brain[:, None] == foreign[None]), dtype=np.float64
    )


def _whitening(covariance: Floats) -> Floats:
    variance, directions = np.linalg.eigh(covariance)
    kept = np.argsort(variance)[::-1][:DIRECTIONS]
    return np.asarray(directions[:, kept] / np.sqrt(variance[kept] + _SHRINKAGE * variance[kept].mean()))


def _unit(values: NDArray[np.floating]) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    return np.asarray(array / np.maximum(np.linalg.norm(array, axis=1, keepdims=True), 1e-12))
