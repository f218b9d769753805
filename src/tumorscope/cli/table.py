"""Answers as a table for people.

Owns the columns and their widths. Written by hand, since a library of tables would take longer to import than
an answer takes to make. Knows nothing of where the lines go, but for the width, the colours and whether block
characters can be shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tumorscope.cli.text import printable, shortened
from tumorscope.core.prediction import NOTICE, Prediction, SeriesPrediction, Verdict

__all__ = ["Table"]

_ANSWER, _PERCENT, _VERDICT, _SET = 16, len("  100.0 %"), 12, 18
_NARROW_BAR, _WIDE_BAR, _WIDE_TERMINAL = 5, 12, 100
_NARROWEST, _WIDEST = 16, 60
_COLOURS = {Verdict.ANSWERED: "32", Verdict.UNCERTAIN: "33", Verdict.REJECTED: "31"}


@dataclass(frozen=True, slots=True)
class Table:
    """The layout of one table.

    Parameters
    ----------
    width
        Columns of the terminal.
    colour
        Whether to use ANSI colours.
    blocks
        Whether block characters can be shown; ``#`` and ``.`` take their place.
    """

    width: int = 100
    colour: bool = False
    blocks: bool = True

    @property
    def _names(self) -> int:
        fixed = _ANSWER + self._bar_width + _PERCENT + _VERDICT + _SET + 4 * 2
        return min(max(self.width - fixed, _NARROWEST), _WIDEST)

    @property
    def _bar_width(self) -> int:
        return _WIDE_BAR if self.width >= _WIDE_TERMINAL else _NARROW_BAR

    def heading(self) -> Iterator[str]:
        """The line above the answers."""
        yield self._row("file", "answer", "probability", "verdict", "could be")

    def rows(self, answer: Prediction | SeriesPrediction) -> Iterator[str]:
        """The line of one answer."""
        bar = self._bar(float(max(answer.probabilities)))
        if isinstance(answer, SeriesPrediction):
            first, last = (position + 1 for position in answer.window)
            which = (
                f"slices {first}-{last} of the series" if first != last else f"slice {first} of the series"
            )
            name = f"{answer.path or 'series'} (series)"
            yield self._row(name, answer.diagnosis.label, bar, "experimental", which, marks="1")
            return
        origin = answer.origin
        name = origin.path or "array"
        if origin.frames > 1:
            name = f"{name} [{origin.frame + 1}]"
        members = ", ".join(key.value for key in answer.prediction_set)
        code = _COLOURS[answer.verdict]
        yield self._row(name, answer.diagnosis.label, bar, answer.verdict.value, members, marks=code)

    def footing(self, answered: int, answer: Prediction | None) -> Iterator[str]:
        """What stands once below the answers: what a column means, the model, the notice."""
        if answered and answer is not None:
            yield ""
            share = f"{answer.coverage * 100:g} %"
            yield f"Could be: a set that holds the truth for {share} of slices like those of its calibration."
            yield f"Model: {printable(answer.model)}"
        yield NOTICE

    def _bar(self, probability: float) -> str:
        filled = round(probability * self._bar_width)
        full, empty = ("█", "░") if self.blocks else ("#", ".")
        return f"{full * filled}{empty * (self._bar_width - filled)} {probability * 100:6.1f} %"

    def _row(self, name: str, *cells: str, marks: str = "") -> str:
        answer, bar, verdict, members = cells
        name = shortened(printable(name), self._names).ljust(self._names)
        verdict = verdict.ljust(_VERDICT)
        if self.colour and marks:
            verdict = f"\x1b[{marks}m{verdict}\x1b[0m"
        bar = bar.ljust(self._bar_width + _PERCENT)
        return "  ".join((name, answer.ljust(_ANSWER), bar, verdict, members)).rstrip()
