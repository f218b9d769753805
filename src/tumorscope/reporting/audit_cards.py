"""What the template of an audit's page is filled with.

Owns the records between an audit and its page: a card, a row, a bar each. Knows neither how they are chosen nor how
they look.
"""

from __future__ import annotations

from dataclasses import dataclass

from tumorscope.core.labels import Diagnosis
from tumorscope.dataset.audit.document import ShortcutFigures, Verdict
from tumorscope.dataset.copies.pair import CopyKind
from tumorscope.reporting.gallery import Shown

__all__ = [
    "Badge",
    "ClassShare",
    "ConflictCard",
    "CopiesOfKind",
    "FeatureBar",
    "LeakRow",
    "PairCard",
    "ShortcutView",
    "SuspectCard",
    "TableRow",
    "TableView",
    "Tile",
    "UnlikeCard",
]


@dataclass(frozen=True, slots=True)
class Tile:
    """One image: where it lies, how it looks, what it is said to show."""

    path: str
    picture: str | None
    label: Diagnosis


@dataclass(frozen=True, slots=True)
class Badge:
    """What makes a pair serious, in words."""

    words: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class PairCard:
    """Two images that are one picture."""

    first: Tile
    second: Tile
    relation: str
    score: str
    badges: tuple[Badge, ...]


@dataclass(frozen=True, slots=True)
class CopiesOfKind:
    """All pairs of one kind of copy."""

    key: CopyKind
    short: str
    title: str
    words: str
    pairs: int
    classes: int
    splits: int
    folds: int
    groups: int
    cards: Shown[PairCard]


@dataclass(frozen=True, slots=True)
class ConflictCard:
    """Images that are one picture under several classes; ``source`` where the source says so."""

    tiles: Shown[Tile]
    source: Diagnosis | None
    found_by: str


@dataclass(frozen=True, slots=True)
class LeakRow:
    """A patient or group on several sides."""

    split: str
    by: str
    sides: tuple[tuple[str, int], ...]
    example: str


@dataclass(frozen=True, slots=True)
class SuspectCard:
    """An image whose class is doubted."""

    tile: Tile
    suggested: Diagnosis
    quality: float


@dataclass(frozen=True, slots=True)
class UnlikeCard:
    """An image that novelty rejects."""

    tile: Tile
    novelty: float
    limit: float


@dataclass(frozen=True, slots=True)
class ClassShare:
    """A class and its part of a whole."""

    label: Diagnosis
    images: int
    share: float


@dataclass(frozen=True, slots=True)
class FeatureBar:
    """A feature of the probe; ``width`` is 0 to 1 of the longest bar."""

    name: str
    loss: float
    width: float


@dataclass(frozen=True, slots=True)
class ShortcutView:
    """The probe, in figures, a sentence, a plot and bars of the features that cost ``least`` or more."""

    figures: ShortcutFigures
    sentence: str
    plot: str
    found: bool
    least: float
    features: tuple[FeatureBar, ...]


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row of a cross table."""

    name: str
    shares: tuple[ClassShare, ...]
    images: int


@dataclass(frozen=True, slots=True)
class TableView:
    """A cross table: rows that are shown, rows that are folded, and how many there are more."""

    key: str
    title: str
    name: str
    classes: tuple[Diagnosis, ...]
    shown: tuple[TableRow, ...]
    folded: tuple[TableRow, ...]
    more: int
