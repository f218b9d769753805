"""The plots of a comparison.

Owns which there are: accuracy against latency, accuracy by protocol with intervals, and training curves. Drawn in the
style of :mod:`tumorscope.reporting.plots`; the same markup is put into the page and, with the colours of light paper,
into files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from tumorscope.core.card import Figure
from tumorscope.reporting.page import percent
from tumorscope.reporting.plots import INK, LINE, SERIES, SHADES, inline_svg, new_figure, standalone_svg
from tumorscope.study.document import Comparison, Curve, Name, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Plot", "accuracy_bars", "accuracy_by_latency", "plot_files", "training_curves"]

_COLOUR: dict[str, str] = {"official": SHADES[2], "patient-wise": SHADES[1], "leak-free": SHADES[0]}
_DASHED = (0, (4, 3))


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot as markup; ``name`` is that of its file without the ending."""

    name: str
    svg: str


def plot_files(comparison: Comparison) -> dict[str, str]:
    """Every plot as a file of its own, by name."""
    return {f"{plot.name}.svg": standalone_svg(plot.svg) for plot in _all(comparison)}


def accuracy_by_latency(comparison: Comparison, protocol: Name) -> Plot | None:
    """Draw accuracy with its interval against the latency of one image; ``None`` where no row has both.

    Parameters
    ----------
    comparison
        The whole.
    protocol
        Whose accuracy.
    """
    points = [
        (row.name, row.model.latency.median_ms, accuracy)
        for row in comparison.rows
        if row.model is not None
        and row.model.latency is not None
        and (accuracy := _accuracy(row, protocol)) is not None
    ]
    if not points:
        return None
    figure, axes = new_figure(400, 290)
    times = [time for _, time, _ in points]
    # Labels stand to the right of their points, or to the left in the right half.
    low, high = min(times) / 1.6, max(times) * 1.6
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    floor = _floor(accuracy.low for _, _, accuracy in points)
    middle = (low * high) ** 0.5
    heights = _apart([accuracy.value for _, _, accuracy in points], 0.062 * (1.01 - floor))
    for (name, time, accuracy), height in zip(points, heights, strict=True):
        axes.plot([time] * 2, [accuracy.low, accuracy.high], color=SHADES[0], linewidth=5, alpha=0.35)
        axes.plot(time, accuracy.value, "o", color=SHADES[0], markersize=7)
        is_left = time <= middle
        axes.annotate(
            name,
            (time, height),
            xytext=(9 if is_left else -9, 0),
            textcoords="offset points",
            ha="left" if is_left else "right",
            va="center",
            color=INK,
        )
    axes.set_ylim(floor, 1.01)
    ticks = [tick for tick in (0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1) if tick >= floor]
    if len(ticks) > 6:
        ticks = ticks[::2] if ticks[::2][-1] == 1 else ticks[1::2]
    axes.set_yticks(ticks, [percent(tick, 0) for tick in ticks])
    marks = _decades(low, high)
    axes.set_xticks(marks, [f"{mark:g}" for mark in marks], minor=False)
    axes.set_xticks([], minor=True)
    axes.grid(color=LINE)
    axes.set_xlabel("milliseconds for one image, on the processor")
    axes.set_ylabel("accuracy")
    told = "; ".join(f"{name} {time:.3g} ms, {percent(figure.value)}" for name, time, figure in points)
    return Plot(
        f"accuracy-latency-{protocol}",
        inline_svg(
            figure,
            name=f"latency-{protocol}",
            description=f"Accuracy under {protocol} against latency: {told}",
        ),
    )


def accuracy_bars(comparison: Comparison) -> Plot | None:
    """Draw the accuracy of every row under every protocol as bars with intervals, the study's as open diamonds."""
    rows = [row for row in comparison.rows if any(_accuracy(row, name) for name in comparison.protocols)]
    if not rows:
        return None
    protocols = [name for name in comparison.protocols if any(_accuracy(row, name) for row in rows)]
    thick = 0.8 / len(protocols)
    figure, axes = new_figure(400, 78 + len(rows) * (20 + 24 * len(protocols)))
    told = []
    for place, row in enumerate(rows):
        for number, name in enumerate(protocols):
            accuracy = _accuracy(row, name)
            if accuracy is None:
                continue
            at = place - 0.4 + thick * (number + 0.5)
            axes.barh(at, accuracy.value, 0.82 * thick, color=_COLOUR[name])
            axes.plot([accuracy.low, accuracy.high], [at, at], color=INK, linewidth=1.4)
            axes.annotate(
                percent(accuracy.value),
                (accuracy.high, at),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                color=INK,
                annotation_clip=False,
            )
            told.append(f"{row.name} {name} {percent(accuracy.value)}")
            if name == "official" and row.published is not None:
                axes.plot(
                    row.published.accuracy,
                    at,
                    "D",
                    markersize=7,
                    markerfacecolor="none",
                    markeredgecolor=SERIES[1],
                    markeredgewidth=2,
                )
    axes.set_yticks(range(len(rows)), [_wrapped(row.name) for row in rows])
    axes.set_ylim(len(rows) - 0.45, -0.55)
    axes.set_xlim(0, 1.16)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
    axes.grid(axis="x", color=LINE)
    return Plot(
        "accuracy",
        inline_svg(figure, name="accuracy", description=f"Accuracy with intervals: {', '.join(told)}"),
    )


def training_curves(row: Row) -> Plot | None:
    """Draw loss by epoch of every fit of a row: dashed while learning, solid on held-out images."""
    curves = [curve for curve in row.curves if any(value is not None for value in curve.held_out_loss)]
    if not curves:
        return None
    figure, axes = new_figure(360, 240)
    highest = 0.0
    for curve in curves:
        colour = SERIES[0] if curve.part == "official" else SERIES[1]
        _line(axes, curve, curve.loss, colour, _DASHED)
        _line(axes, curve, curve.held_out_loss, colour, "solid")
        seen = [value for value in (*curve.loss, *curve.held_out_loss) if value is not None]
        highest = max(highest, *seen)
    last = max(max(curve.epochs) for curve in curves)
    axes.set_xlim(0.5, last + 0.5)
    axes.set_xticks(_epoch_ticks(last))
    axes.set_ylim(0, min(highest, 3.0) * 1.05)
    axes.grid(color=LINE)
    axes.set_xlabel("epoch")
    axes.set_ylabel("loss (nats)")
    ends = ", ".join(
        f"{curve.fit} {curve.held_out_loss[-1]:.3f}"
        for curve in curves
        if curve.held_out_loss[-1] is not None
    )
    name = f"curves-{_identifier(row.name)}"
    return Plot(
        name, inline_svg(figure, name=name, description=f"Loss of {row.name} by epoch; at the end {ends}")
    )


def _all(comparison: Comparison) -> Iterator[Plot]:
    found = [
        accuracy_bars(comparison),
        *(accuracy_by_latency(comparison, name) for name in comparison.protocols),
        *(training_curves(row) for row in comparison.rows),
    ]
    return (plot for plot in found if plot is not None)


def _accuracy(row: Row, protocol: Name) -> Figure | None:
    result = row.result(protocol)
    return None if result is None else result.figure("accuracy")


def _line(
    axes: Axes,
    curve: Curve,
    values: Sequence[float | None],
    colour: str,
    style: str | tuple[int, tuple[int, int]],
) -> None:
    known = [(epoch, value) for epoch, value in zip(curve.epochs, values, strict=True) if value is not None]
    if known:
        epochs, losses = zip(*known, strict=True)
        marker = "o" if len(known) == 1 else ""
        axes.plot(
            epochs,
            losses,
            color=colour,
            linestyle=style,
            linewidth=1.8,
            marker=marker,
            markersize=4,
            alpha=0.85,
        )


def _floor(lows: Iterator[float]) -> float:
    """The tenth below the least value, so that small differences can be seen."""
    return max(0.0, float(np.floor(min([*lows, 0.9]) * 10) / 10) - 0.02)


def _apart(heights: Sequence[float], least: float) -> list[float]:
    """Heights of labels, moved apart where they would lie on each other."""
    order = sorted(range(len(heights)), key=lambda at: -heights[at])
    placed = list(heights)
    for above, below in pairwise(order):
        placed[below] = min(placed[below], placed[above] - least)
    return placed


def _decades(low: float, high: float) -> list[float]:
    """Round numbers between two ends of a logarithmic axis."""
    every = [base * 10.0**power for power in range(-3, 6) for base in (1, 2, 5)]
    inside = [mark for mark in every if low <= mark <= high]
    return (
        inside
        if len(inside) <= 5
        else [mark for mark in inside if f"{mark:e}".startswith("1")] or inside[::2]
    )


def _epoch_ticks(last: int) -> list[int]:
    step = max(1, round(last / 6))
    return [1, *range(1 + step, last + 1, step)] if step > 1 else list(range(1, last + 1))


def _wrapped(name: str) -> str:
    """A long name in two lines."""
    head, dash, tail = name.partition("-")
    return f"{head}{dash}\n{tail}" if len(name) > 13 and dash else name


def _identifier(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name)
