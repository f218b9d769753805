"""Reporting checklists, filled as far as the software knows the answers and no further.

Owns how a filled checklist is written down. An answer names where it comes from; what only the authors know is left to
them; an item that does not apply says why. Knows neither the items nor how they are answered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from tumorscope.core.card import ModelCard
from tumorscope.core.prediction import NOTICE
from tumorscope.dataset.audit.document import Audit
from tumorscope.evaluation.report import Parts
from tumorscope.reporting.checklist_claim import CLAIM
from tumorscope.reporting.checklist_items import Answer, Checklist, Known, State
from tumorscope.reporting.checklist_tripod import TRIPOD
from tumorscope.reporting.evaluated import read_document
from tumorscope.reporting.page import spoken
from tumorscope.reporting.writing import Paper, Section, Table, markdown

__all__ = ["checklist_markdown", "claim_markdown", "tripod_markdown"]


def claim_markdown(
    card: ModelCard,
    document: Mapping[str, Any] | None = None,
    parts: Parts | None = None,
    audit: Audit | None = None,
) -> str:
    """Fill CLAIM 2024; see :func:`checklist_markdown`."""
    return checklist_markdown(CLAIM, card, document, parts, audit)


def tripod_markdown(
    card: ModelCard,
    document: Mapping[str, Any] | None = None,
    parts: Parts | None = None,
    audit: Audit | None = None,
) -> str:
    """Fill TRIPOD+AI; see :func:`checklist_markdown`."""
    return checklist_markdown(TRIPOD, card, document, parts, audit)


def checklist_markdown(
    checklist: Checklist,
    card: ModelCard,
    document: Mapping[str, Any] | None = None,
    parts: Parts | None = None,
    audit: Audit | None = None,
) -> str:
    """Fill a checklist.

    Parameters
    ----------
    checklist
        :data:`~tumorscope.reporting.checklist_claim.CLAIM` or
        :data:`~tumorscope.reporting.checklist_tripod.TRIPOD`.
    card
        Of the bundle that the study is about.
    document
        ``evaluation.json`` of it.
    parts
        What was measured beyond; for ``None`` those that the document holds, if any.
    audit
        ``audit.json`` of the data set.

    Returns
    -------
    str
        Markdown with every item of the checklist once.

    Raises
    ------
    InvalidConfiguration
        If the document is not one of an evaluation.
    """
    evaluated = None if document is None else read_document(document)
    held = evaluated.parts if evaluated is not None else None
    known = Known(card, evaluated, parts or held or Parts(), audit)
    return markdown(_paper(checklist, known))


def _paper(checklist: Checklist, known: Known) -> Paper:
    answers = {item.number: item.answer(known) for item in checklist.items}
    states = Counter(answer.state for answer in answers.values())
    stamp = ""
    if known.evaluated is not None and known.evaluated.leaky:
        stamp = f"Leaky split: {known.evaluated.leaky} on two sides of it. Figures below are too good to be quoted."
    return Paper(
        title=f"{checklist.name}: {known.card.name} {known.card.version}",
        lead=(
            f"Items of {checklist.paper}, in our own words with their official numbers; quote the items from there. "
            f"Of {len(checklist.items)}: {spoken(f'{states[state]} {state.value}' for state in State)}."
        ),
        stamp=stamp,
        sections=tuple(_sections(checklist, answers)),
        foot=(
            "Generated from the card of the bundle, its evaluation and the audit of its data; what stands here was not "
            "checked by a person.",
            NOTICE,
        ),
    )


def _sections(checklist: Checklist, answers: Mapping[str, Answer]) -> Iterator[Section]:
    for number, (part, items) in enumerate(groupby(checklist.items, key=lambda item: item.part)):
        rows = tuple((item.number, item.words, *_cells(answers[item.number])) for item in items)
        head = ("item", "what it asks for", "state", "answer", "from")
        yield Section(f"part-{number + 1}", part, (Table("", head, rows),))


def _cells(answer: Answer) -> tuple[str, str, str]:
    to_do = f"Authors: {answer.left}" if answer.left else ""
    return answer.state.value, f"{answer.text} {to_do}".strip(), answer.source
