"""The slow parts of an evaluation: those that ask the model again, about images that were changed.

Owns which passes there are and how an interrupted one goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from enum import StrEnum
from pathlib import Path

from tumorscope.assessment.examinee import Examinee
from tumorscope.assessment.kept_parts import KeptParts
from tumorscope.core.errors import TumorscopeError
from tumorscope.evaluation.report import Parts
from tumorscope.evaluation.shortcut_test import ask_for_shortcuts
from tumorscope.evaluation.stress import LadderFile, stress
from tumorscope.explanation.checked import check_explanations

__all__ = ["Pass", "run_passes"]

LADDERS_NAME = "stress-ladders.json"
Begin = Callable[[str], Callable[[int, int], None]]
Failures = tuple[tuple[str, TumorscopeError], ...]


class Pass(StrEnum):
    """A slow part that may be asked for."""

    STRESS = "stress"
    SHORTCUT = "shortcut"
    EXPLANATION = "explanation"


def run_passes(
    parts: Parts,
    examinee: Examinee,
    passes: Collection[Pass],
    *,
    folder: Path,
    limit: int,
    begin: Begin,
) -> tuple[Parts, Failures]:
    """Add slow parts to an evaluation.

    Parameters
    ----------
    parts
        What was measured already.
    examinee
        Whom to ask.
    passes
        Which parts to add.
    folder
        Where finished stress ladders are kept, so that the same call after an interruption goes on.
    limit
        Images that stress and shortcut test use at most, and the curves of the explanation.
    begin
        Called with the title of each pass; returns what is called with (done, total).

    Returns
    -------
    tuple
        The parts with those asked for, and images that could not be read with the reason for each.
    """
    failures: Failures = ()
    boxes = [row.box for row in examinee.images]
    kept_parts = KeptParts(folder, (*examinee.key, examinee.images.digest, boxes, limit))
    if kept_parts.finished.explanation is not None and Pass.EXPLANATION in passes:
        parts = parts.model_copy(update={"explanation": kept_parts.finished.explanation})
    elif Pass.EXPLANATION in passes:
        explanation, failures = check_explanations(
            examinee.beside_shuffled(), curve_images=min(limit, 100), progress=begin("heat-maps")
        )
        parts = parts.model_copy(update={"explanation": explanation})
        if not failures:  # else what could not be read is to be tried and told again
            kept_parts.store(explanation)
    if Pass.SHORTCUT in passes:
        shortcut = kept_parts.finished.shortcut or ask_for_shortcuts(
            examinee.cases, examinee.answer, examinee.size, limit=limit, progress=begin("shortcuts")
        )
        kept_parts.store(shortcut)
        parts = parts.model_copy(update={"shortcut": shortcut})
    if Pass.STRESS in passes:
        kept = LadderFile(folder / LADDERS_NAME, (*examinee.key, examinee.images.digest, limit))
        ladders = stress(
            examinee.cases,
            examinee.answer,
            examinee.size,
            limit=limit,
            finished=kept.finished,
            store=kept.store,
            progress=begin("stress"),
        )
        parts = parts.model_copy(update={"stress": ladders})
    return parts, failures
