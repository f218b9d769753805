"""The slow parts of an evaluation: those that ask the model again, about images that were changed, or others.

Owns which passes there are and how an interrupted one goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from enum import StrEnum
from pathlib import Path

from tumorscope.assessment.examinee import Examinee
from tumorscope.assessment.foreign_images import MADE, Foreign, foreign_of_folder, made_foreign
from tumorscope.assessment.kept_parts import KeptParts
from tumorscope.assessment.novelty_pass import ask_for_novelty
from tumorscope.core.errors import InvalidManifest
from tumorscope.evaluation.cases import draw_balanced
from tumorscope.evaluation.report import Parts
from tumorscope.evaluation.resting_on import support_of
from tumorscope.evaluation.shortcut_test import ask_for_shortcuts
from tumorscope.evaluation.stress import LadderFile, stress
from tumorscope.explanation.checked import check_explanations

__all__ = ["Pass", "run_passes"]

_NO_BOXES = (
    "The heat-maps were not checked: none of the images has a tumour box; a manifest with the columns box_cx, box_cy, "
    "box_w, box_h is needed."
)
LADDERS_NAME = "stress-ladders.json"
ANSWERS_NAME = "novelty-answers.json"
Begin = Callable[[str], Callable[[int, int], None]]


class Pass(StrEnum):
    """A slow part that may be asked for."""

    STRESS = "stress"
    SHORTCUT = "shortcut"
    EXPLANATION = "explanation"
    NOVELTY = "novelty"


def run_passes(
    parts: Parts,
    examinee: Examinee,
    passes: Collection[Pass],
    *,
    folder: Path,
    limit: int,
    begin: Begin,
    foreign: Path | None = None,
) -> tuple[Parts, tuple[str, ...]]:
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
        Where finished stress ladders and answers about novelty are kept, so that the same call after an interruption
        goes on.
    limit
        Images that stress, shortcut test and novelty use at most, and the curves of the explanation.
    begin
        Called with the title of each pass; returns what is called with (done, total).
    foreign
        Folder of images that are no brain MRI, for the novelty beside those that are made.

    Returns
    -------
    tuple
        The parts with those asked for, and what a reader must know beside them.
    """
    notes: list[str] = []
    if Pass.NOVELTY in passes:
        # First: a folder that cannot be used is said before the long work.
        parts = _with_novelty(parts, examinee, foreign, notes, folder=folder, limit=limit, begin=begin)
    boxes = [row.box for row in examinee.images]
    kept_parts = KeptParts(folder, (*examinee.key, examinee.images.digest, boxes, limit))
    if kept_parts.finished.explanation is not None and Pass.EXPLANATION in passes:
        parts = parts.model_copy(update={"explanation": kept_parts.finished.explanation})
    elif Pass.EXPLANATION in passes and not any(boxes):
        notes.append(_NO_BOXES)
    elif Pass.EXPLANATION in passes:
        parts = _with_explanation(parts, examinee, kept_parts, notes, limit=limit, begin=begin)
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
        drawn = draw_balanced(examinee.cases, limit)  # the images that stress draws
        found = {"stress": ladders, "stress_support": support_of(examinee.cases, drawn)}
        parts = parts.model_copy(update=found)
    return parts, tuple(notes)


def _with_explanation(
    parts: Parts, examinee: Examinee, kept: KeptParts, notes: list[str], *, limit: int, begin: Begin
) -> Parts:
    try:
        explanation, failures = check_explanations(
            examinee.beside_shuffled(), curve_images=min(limit, 100), progress=begin("heat-maps")
        )
    except InvalidManifest as error:  # boxes that cannot be used cost no other part
        notes.append(f"The heat-maps were not checked: {error}")
        return parts
    notes += [f"A heat-map pass could not read {path}: {error}" for path, error in failures]
    if not failures:  # else what could not be read is to be tried and told again
        kept.store(explanation)
    return parts.model_copy(update={"explanation": explanation})


def _with_novelty(
    parts: Parts,
    examinee: Examinee,
    folder_of_foreign: Path | None,
    notes: list[str],
    *,
    folder: Path,
    limit: int,
    begin: Begin,
) -> Parts:
    given: dict[str, Foreign] = {}
    if folder_of_foreign is not None:
        brain = frozenset(row.sha256 for row in examinee.images)
        given, failures = foreign_of_folder(folder_of_foreign, examinee.size, limit=limit, brain=brain)
        notes += [f"A foreign image could not be read, {path}: {error}" for path, error in failures]
    made = made_foreign(examinee.cases, examinee.size, count=min(MADE, limit))
    novelty, unread = ask_for_novelty(
        examinee, {**given, **made}, limit=limit, kept=folder / ANSWERS_NAME, progress=begin("novelty")
    )
    notes += [f"The novelty pass could not read {path}: {reason}" for path, reason in unread.items()]
    if len(examinee.models) == 1:
        notes.append(
            "Novelty scores that need training images (Mahalanobis, nearest neighbour, residual of the embedding, "
            "ReAct) are left out: they are at hand only where the fold models of a run are measured."
        )
    return parts.model_copy(update={"novelty": novelty})
