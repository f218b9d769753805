"""The plots of an evaluation: reliability, ROC and precision-recall curves, and stress ladders.

Owns how these are drawn, in the style and colours of :mod:`tumorscope.reporting.plots`. Knows nothing of where
the numbers come from. What is a dot with an interval on a row is drawn by the templates, where its text can wrap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tumorscope.reporting.plots import INK, LINE, SERIES, SHADES, SOFT, inline_svg, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Point", "ladder", "precision_recall", "reliability", "roc"]

_PERCENT = ([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
_DASHED = (0, (4, 3))
_STYLES = ("solid", (0, (6, 2)), (0, (2, 1.5)), (0, (6, 2, 1.5, 2)))


@dataclass(frozen=True, slots=True)
class Point:
    """A measured place: ``x`` with ``y`` and the interval of ``y``."""

    x: float
    y: float
    low: float
    high: float


def reliability(points: Sequence[Point], *, name: str, description: str) -> str:
    """Draw how often answers were right against how sure they were; on the diagonal the two agree.

    Parameters
    ----------
    points
        One a bin: mean confidence and accuracy, both 0 to 1.
    name, description
        As for :func:`~tumorscope.reporting.plots.inline_svg`.
    """
    figure, axes = new_figure(360, 330)
    # Confidence of four classes starts at a quarter; leave the room to what was said.
    low = min([0.5, *(point.x for point in points), *(point.low for point in points)])
    low = max(0.0, low - 0.05)
    axes.plot([low, 1], [low, 1], color=SOFT, linestyle=_DASHED, linewidth=1.2)
    for point in points:
        axes.plot([point.x] * 2, [point.low, point.high], color=SHADES[0], linewidth=5, alpha=0.35)
    axes.plot([point.x for point in points], [point.y for point in points], color=SHADES[1], linewidth=1.2)
    axes.plot(
        [point.x for point in points], [point.y for point in points], "o", color=SHADES[0], markersize=6
    )
    axes.set_xlim(low, 1.015)
    axes.set_ylim(low, 1.015)
    axes.set_xticks(*_PERCENT)
    axes.set_yticks(*_PERCENT)
    axes.set_xlim(low, 1.015)
    axes.set_ylim(low, 1.015)
    axes.grid(color=LINE)
    axes.set_xlabel("confidence in the answer")
    axes.set_ylabel("share of right answers")
    return inline_svg(figure, name=name, description=description)


Lines = Mapping[str, tuple[Sequence[float], Sequence[float]]]
_Drawstyle = Literal["default", "steps-pre"]
_Corner = Literal["lower left", "lower right"]


def roc(lines: Lines, *, name: str, description: str) -> str:
    """Draw ROC curves, one a class, told apart by colour and by dashes.

    Parameters
    ----------
    lines
        At most four by name: false positive rates and sensitivities, 0 to 1.
    name, description
        As for :func:`~tumorscope.reporting.plots.inline_svg`.
    """
    figure, axes = new_figure(360, 360)
    axes.plot([0, 1], [0, 1], color=SOFT, linestyle=_DASHED, linewidth=1.2)
    _draw_classes(axes, lines, drawstyle="default", legend="lower right")
    axes.set_xlabel("false alarms (1 - specificity)")
    axes.set_ylabel("sensitivity")
    return inline_svg(figure, name=name, description=description)


def precision_recall(lines: Lines, *, name: str, description: str) -> str:
    """Draw precision-recall curves like :func:`roc`, as steps: recalls and the precision that holds up to each."""
    figure, axes = new_figure(360, 360)
    _draw_classes(axes, lines, drawstyle="steps-pre", legend="lower left")
    axes.set_xlabel("sensitivity (recall)")
    axes.set_ylabel("PPV (precision)")
    return inline_svg(figure, name=name, description=description)


def _draw_classes(axes: Axes, lines: Lines, *, drawstyle: _Drawstyle, legend: _Corner) -> None:
    for colour, style, (title, (x, y)) in zip(SERIES, _STYLES, lines.items(), strict=False):
        axes.plot(x, y, color=colour, linestyle=style, linewidth=2.2, label=title, drawstyle=drawstyle)
    axes.set_xticks(*_PERCENT)
    axes.set_yticks(*_PERCENT)
    axes.set_xlim(-0.015, 1.015)
    axes.set_ylim(-0.015, 1.015)
    axes.grid(color=LINE)
    axes.legend(loc=legend, frameon=False, labelcolor=INK, handlelength=2.6)


def ladder(points: Sequence[Point], *, ticks: Sequence[str], name: str, description: str) -> str:
    """Draw a small plot of a figure that changes step by step; the first step is the dashed line.

    Parameters
    ----------
    points
        The steps in their order; ``x`` is not used, steps stand side by side.
    ticks
        What each step is called, short.
    name, description
        As for :func:`~tumorscope.reporting.plots.inline_svg`.
    """
    figure, axes = new_figure(240, 150)
    places = range(len(points))
    axes.axhline(points[0].y, color=SOFT, linestyle=_DASHED, linewidth=1)
    axes.fill_between(
        places,
        [point.low for point in points],
        [point.high for point in points],
        color=SHADES[0],
        alpha=0.2,
        linewidth=0,
    )
    axes.plot(places, [point.y for point in points], "o-", color=SHADES[0], markersize=5, linewidth=1.8)
    axes.set_ylim(0, 1.03)
    axes.set_yticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])
    axes.set_xticks(places, ticks)
    axes.set_xlim(-0.2, len(points) - 0.8)
    axes.grid(axis="y", color=LINE)
    return inline_svg(figure, name=name, description=description)
