"""The check for suspected label errors, by confident learning.

Owns the verdict; cleanlab does the estimate (Northcutt, Jiang and Chuang, "Confident learning", JAIR 70, 2021). It
needs probabilities of a model that has not seen the images: one that has learnt a wrong label by heart agrees with it.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.labels import CLASS_ORDER
from tumorscope.core.optional import require
from tumorscope.dataset.audit.chance import RARE, so_many_by_chance
from tumorscope.dataset.audit.document import Check, SuspectedLabel, Verdict
from tumorscope.dataset.audit.model import Answers
from tumorscope.dataset.audit.words import counted, percent
from tumorscope.dataset.manifest import Manifest

__all__ = ["USUAL_SHARE", "label_check", "suspects"]

USUAL_SHARE = 0.033
"""Mean share of wrong labels in the test sets of ten much used benchmarks (Northcutt, Athalye and Mueller, NeurIPS
Datasets and Benchmarks 2021); more than usual, and more than chance makes of that share, is a problem."""

_KEY, _TITLE = "label-errors", "Suspected label errors"
_PURPOSE = "the search for label errors"
_DIGITS = 4


def label_check(manifest: Manifest, answers: Answers | None) -> tuple[Check, tuple[SuspectedLabel, ...]]:
    """Find images whose class the model's answers contradict more than chance explains.

    Parameters
    ----------
    manifest
        The readable images.
    answers
        Probabilities for them; ``None`` where no model was given.

    Returns
    -------
    tuple
        The check, and the images with the most doubtful first.

    Raises
    ------
    MissingDependency
        If cleanlab is not installed.
    """
    if answers is None:
        return _not_run(
            "No model was given; give the folder of a run made with 'tumorscope train --folds', a bundle, or the word "
            "'shipped' as --model."
        )
    labels = manifest.labels()
    rows = np.flatnonzero(~np.isnan(answers.probabilities).any(axis=1))
    if len(np.unique(labels[rows])) < 2:
        return _not_run("The images with an answer are all of one class; confident learning needs two.")
    places, quality = suspects(labels[rows], answers.probabilities[rows])
    found = tuple(
        SuspectedLabel(
            path=manifest.display_path(manifest.records[row]),
            label=CLASS_ORDER[labels[row]],
            suggested=CLASS_ORDER[int(_others(answers.probabilities[row], labels[row]).argmax())],
            quality=round(float(score), _DIGITS),
        )
        for row, score in zip(rows[places], quality, strict=True)
    )
    found = tuple(sorted(found, key=lambda entry: (entry.quality, entry.path)))
    seen = int(answers.seen[rows].sum())
    many = len(found) > USUAL_SHARE * len(rows) and (
        so_many_by_chance(len(found), len(rows), USUAL_SHARE) < RARE
    )
    # Of a model that was made from the images too few suspects are found, so their lack is no good sign either.
    clean = Verdict.NOTICE if seen else Verdict.GOOD
    found_verdict = Verdict.PROBLEM if many else Verdict.NOTICE
    return (
        Check(
            key=_KEY,
            title=_TITLE,
            verdict=found_verdict if found else clean,
            sentence=_sentence(len(found), len(rows), len(manifest), answers.name, seen),
            count=len(found),
        ),
        found,
    )


def suspects(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Confident learning.

    Parameters
    ----------
    labels
        Class positions, ``int64 [N]``, at least two different ones.
    probabilities
        ``float64 [N, 4]``.

    Returns
    -------
    tuple
        Positions of the suspects, ``int64 [M]``, and the probability of their own label, ``float64 [M]``.
    """
    filters = require("cleanlab.filter", extra="data", purpose=_PURPOSE)
    present, renamed = np.unique(labels, return_inverse=True)
    # Classes without an image are no alternative that could be estimated.
    shares = probabilities[:, present]
    total = shares.sum(axis=1, keepdims=True)
    shares = np.where(total > 0, shares / np.where(total > 0, total, 1.0), 1.0 / len(present))
    with warnings.catch_warnings():
        # Small classes make cleanlab warn that it may miss some; the sentence says "suspected".
        warnings.filterwarnings("ignore", category=UserWarning, module=r"cleanlab(\.|$)")
        mask = filters.find_label_issues(renamed, shares, filter_by="confident_learning", n_jobs=1)
    places: NDArray[np.int64] = np.flatnonzero(mask)
    return places, shares[places, renamed[places]]


def _others(probabilities: NDArray[np.float64], label: np.int64) -> NDArray[np.float64]:
    others = probabilities.copy()
    others[label] = -1.0
    return others


def _sentence(found: int, answered: int, images: int, name: str, seen: int) -> str:
    text = f"{found:,} of {counted(answered, 'image')} ({percent(found, answered)}) may have a wrong class, by {name}"
    if answered < images:
        text += f"; {images - answered:,} have no answer there"
    if seen:
        text += (
            f"; it was made from {seen:,} of these images and may have learnt wrong labels by heart, so out-of-fold "
            "answers of a run find more"
        )
    return f"{text}."


def _not_run(sentence: str) -> tuple[Check, tuple[SuspectedLabel, ...]]:
    return Check(key=_KEY, title=_TITLE, verdict=Verdict.NOT_RUN, sentence=sentence), ()
