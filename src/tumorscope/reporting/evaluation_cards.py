"""What the template of an evaluation's page is filled with.

Owns the records between an evaluation and its page, and how a number becomes text there: shares in per cent with one
digit, everything else with three digits. Knows neither which numbers are chosen nor how they look.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from tumorscope.core.card import Figure
from tumorscope.core.labels import Diagnosis
from tumorscope.reporting.gallery import Shown
from tumorscope.reporting.page import percent

__all__ = [
    "ClassRow",
    "ConfusionCell",
    "ConfusionRow",
    "CoverageRow",
    "CoverageView",
    "DotRow",
    "DotTable",
    "FigureRow",
    "LadderView",
    "Mark",
    "MistakeCard",
    "MistakeView",
    "NoveltyRow",
    "Number",
    "PointingRow",
    "Scale",
    "SetSize",
    "decimal",
    "scale_of",
    "share",
]


@dataclass(frozen=True, slots=True)
class Number:
    """A figure as the page shows it; ``text`` and ``interval`` are ready to be read."""

    value: float
    low: float
    high: float
    text: str
    interval: str


def share(figure: Figure) -> Number:
    """A rate in per cent."""
    low, high = f"{figure.low * 100:.1f}", percent(figure.high)
    return Number(figure.value, figure.low, figure.high, percent(figure.value), f"{low} to {high}")


def decimal(figure: Figure) -> Number:
    """Anything else, with three digits."""
    return Number(
        figure.value,
        figure.low,
        figure.high,
        f"{figure.value:.3f}",
        f"{figure.low:.3f} to {figure.high:.3f}",
    )


@dataclass(frozen=True, slots=True)
class Scale:
    """A piece of the number line from ``low`` to ``high``."""

    low: float
    high: float

    @classmethod
    def around(cls, values: Iterable[float], *, step: float = 0.1) -> Scale:
        """From the step below the least value to 1, so that small differences can be seen; values are 0 to 1."""
        least = min([*values, 1 - step])
        return cls(max(0.0, math.floor(round(least / step, 6)) * step), 1.0)

    def at(self, value: float) -> float:
        """Where a value lies, in per cent of the length, two digits."""
        along = (value - self.low) / (self.high - self.low)
        return round(100 * min(1.0, max(0.0, along)), 2)

    @property
    def ticks(self) -> tuple[str, str]:
        """The two ends in words."""
        return percent(self.low, 0), percent(self.high, 0)


@dataclass(frozen=True, slots=True)
class Mark:
    """A line across a row of dots: ``kind`` says which, ``words`` what it stands for."""

    kind: str
    value: float
    words: str


@dataclass(frozen=True, slots=True)
class FigureRow:
    """One figure of the whole."""

    key: str
    name: str
    number: Number


@dataclass(frozen=True, slots=True)
class ClassRow:
    """The figures of one class; ``None`` where one is undefined."""

    label: Diagnosis
    images: int
    numbers: tuple[Number | None, ...]


@dataclass(frozen=True, slots=True)
class ConfusionCell:
    """So many slices of a class were answered so; ``share`` is of the row, ``tint`` 0 to 100."""

    slices: str
    share: float | None
    tint: int
    right: bool


@dataclass(frozen=True, slots=True)
class ConfusionRow:
    """What was said of the slices of one class."""

    label: Diagnosis
    slices: str
    cells: tuple[ConfusionCell, ...]


@dataclass(frozen=True, slots=True)
class CoverageRow:
    """How often the sets of one class hold the truth."""

    label: Diagnosis
    groups: int
    number: Number
    supported: bool


@dataclass(frozen=True, slots=True)
class SetSize:
    """The share of sets with so many classes."""

    classes: str
    share: float


@dataclass(frozen=True, slots=True)
class CoverageView:
    """Prediction sets at one promised coverage."""

    level: str
    rows: tuple[CoverageRow, ...]
    scale: Scale
    mark: Mark
    mean_size: Number
    sizes: tuple[SetSize, ...]


@dataclass(frozen=True, slots=True)
class DotRow:
    """One row of a dot-and-interval plot, with further numbers behind it."""

    name: str
    images: int
    groups: int
    number: Number | None
    others: tuple[Number | None, ...]


@dataclass(frozen=True, slots=True)
class DotTable:
    """A dot-and-interval plot."""

    key: str
    title: str
    name: str
    rows: tuple[DotRow, ...]
    others: tuple[Diagnosis, ...]
    scale: Scale
    mark: Mark | None


def scale_of(rows: Iterable[DotRow], *further: float) -> Scale:
    """A scale on which every interval of the rows, and ``further`` values, can be seen."""
    return Scale.around([*(row.number.low for row in rows if row.number is not None), *further])


@dataclass(frozen=True, slots=True)
class LadderView:
    """One stress ladder; ``drop`` in words."""

    kind: str
    family: str
    drop: str
    value: float
    plot: str


@dataclass(frozen=True, slots=True)
class NoveltyRow:
    """One kind of image: AUROC by score, and the share that is rejected; ``kept`` is the AUROC of the score in use."""

    kind: str
    images: int | None
    rejected: float | None
    numbers: tuple[Number | None, ...]
    kept: Number | None
    is_made: bool


@dataclass(frozen=True, slots=True)
class PointingRow:
    """The pointing game of one class or size."""

    name: str
    images: int
    groups: int
    pointing: Number
    energy: Number
    bound: float
    chance: float
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class MistakeCard:
    """A wrong answer with its picture and the evidence for what was said."""

    path: str
    label: Diagnosis
    answer: Diagnosis
    probability: float
    label_probability: float
    picture: str | None
    evidence: str | None


@dataclass(frozen=True, slots=True)
class MistakeView:
    """The worst errors; ``with_pictures`` says whether one of them has a picture, ``with_evidence`` a heat-map."""

    cards: Shown[MistakeCard]
    with_pictures: bool
    with_evidence: bool

    @property
    def can_be_shown(self) -> bool:
        """Whether a reader can tell which images they are."""
        return self.with_pictures or any(card.path for card in self.cards.items)
