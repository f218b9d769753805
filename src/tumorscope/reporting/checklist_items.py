"""The items of a reporting checklist, and what an answer to one is.

Owns the records: an item has its official number and a function from everything that is known to an answer. Knows
neither the items of a particular checklist nor how one is written down.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from tumorscope.core.card import ModelCard
from tumorscope.dataset.audit.document import Audit
from tumorscope.evaluation.report import Parts
from tumorscope.reporting.evaluated import Evaluated

__all__ = ["Answer", "Checklist", "Item", "Known", "State", "authors", "filled", "not_applicable"]


class State(StrEnum):
    """Who has answered an item."""

    FILLED = "filled"
    PARTLY = "partly filled"
    AUTHORS = "to be filled by the authors"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True, slots=True)
class Known:
    """Everything that answers may be taken from.

    Parameters
    ----------
    card
        The bundle's card.
    evaluated
        An evaluation of it, ``None`` where there is none.
    parts
        What was measured beyond its headline.
    audit
        The audit of the data set, ``None`` where none was made.
    """

    card: ModelCard
    evaluated: Evaluated | None
    parts: Parts
    audit: Audit | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said to one item.

    Parameters
    ----------
    state
        Who answered it.
    text
        The answer, or why the item does not apply.
    source
        Where the answer comes from.
    left
        What is left to the authors.
    """

    state: State
    text: str = ""
    source: str = ""
    left: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """One item: its official number, the part of the paper it belongs to, what it asks for in our words."""

    number: str
    part: str
    words: str
    answer: Callable[[Known], Answer]


@dataclass(frozen=True, slots=True)
class Checklist:
    """A checklist: its name, where it was published, and its items in their order."""

    name: str
    paper: str
    items: tuple[Item, ...]


def filled(text: str, source: str, left: str = "") -> Answer:
    """An answer that the software knows, wholly or but for what is ``left``."""
    return Answer(State.PARTLY if left else State.FILLED, text, source, left)


def authors(left: str) -> Answer:
    """An answer that only the authors know."""
    return Answer(State.AUTHORS, left=left)


def not_applicable(reason: str) -> Answer:
    """An item that this kind of study does not have, with the reason."""
    return Answer(State.NOT_APPLICABLE, reason)
