"""Plots as SVG inside the page, drawn by matplotlib without a display.

Owns the colours and how a figure becomes markup: the same figure gives the same bytes, its text is text, its
identifiers carry its name, and its colours are the page's own variables, so that it follows light and dark. The
four series are Okabe and Ito's blue, orange, green and purple (Color Universal Design, 2008), darkened or
lightened for the paper they lie on in ``templates/style.css``; they keep apart with any colour vision and stand for
the classes. The three shades differ in lightness and stand for anything else.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from tumorscope.core.optional import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "INK",
    "LINE",
    "SERIES",
    "SHADES",
    "SOFT",
    "Rate",
    "histogram",
    "inline_svg",
    "new_figure",
    "rates",
    "standalone_svg",
]

# Colours that stand for the page's variables until the figure is markup; none is meant to be seen.
INK, SOFT, LINE = "#0a0b01", "#0a0b02", "#0a0b03"
SERIES = ("#0a0b11", "#0a0b12", "#0a0b13", "#0a0b14")
SHADES = ("#0a0b21", "#0a0b22", "#0a0b23")
_VARIABLES = (
    {INK: "--ink", SOFT: "--soft", LINE: "--line"}
    | {colour: f"--series-{number}" for number, colour in enumerate(SERIES, start=1)}
    | {colour: f"--shade-{number}" for number, colour in enumerate(SHADES, start=1)}
)

_SETTINGS: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": LINE,
    "axes.facecolor": "none",
    "axes.grid": False,
    "axes.labelcolor": SOFT,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": "none",
    "font.family": "DejaVu Sans",  # measured with the font that matplotlib brings, shown in the page's own
    "font.size": 11.0,
    "grid.color": LINE,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "svg.fonttype": "none",
    "svg.hashsalt": "tumorscope",
    "text.color": INK,
    "xtick.color": LINE,
    "xtick.labelcolor": SOFT,
    "ytick.color": LINE,
    "ytick.labelcolor": INK,
    "xtick.major.size": 0.0,
    "ytick.major.size": 0.0,
}
_POINTS_AN_INCH = 72


@dataclass(frozen=True, slots=True)
class Rate:
    """One line of :func:`rates`.

    Parameters
    ----------
    name
        What is measured.
    value
        0 to 1.
    low, high
        The interval, where there is one.
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None


def new_figure(width: float, height: float) -> tuple[Figure, Axes]:
    """Make a figure with one pair of axes in the page's style.

    Parameters
    ----------
    width, height
        In points, which are the page's pixels. Make it at most 420 wide: it shrinks with a narrow screen,
        and its text with it.

    Raises
    ------
    MissingDependency
        If matplotlib is not installed.
    """
    matplotlib = require("matplotlib", extra="data", purpose="drawing a plot")
    figures = require("matplotlib.figure", extra="data", purpose="drawing a plot")
    with matplotlib.rc_context(_SETTINGS):
        figure: Figure = figures.Figure(
            figsize=(width / _POINTS_AN_INCH, height / _POINTS_AN_INCH), layout="constrained"
        )
        return figure, figure.add_subplot()


def inline_svg(figure: Figure, *, name: str, description: str) -> str:
    """Turn a figure into an ``<svg>`` element.

    Parameters
    ----------
    figure
        From :func:`new_figure`.
    name
        Unique in the page; put before every identifier.
    description
        What a reader sees in it, for those who cannot.

    Returns
    -------
    str
        Markup, to be marked safe by the caller.
    """
    matplotlib = require("matplotlib", extra="data", purpose="drawing a plot")
    stream = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))  # neither a date nor a version
    with matplotlib.rc_context(_SETTINGS):
        figure.savefig(stream, format="svg", transparent=True, metadata=nothing)
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
    text = text.replace("xlink:href", "href")
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'(href="|url\()#', rf"\1#{name}-", text)
    text = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", text)
    text = re.sub(r"font-family: [^;\"]*; ?", "", text)
    # Matplotlib's own sheet would hold for the whole page.
    text = re.sub(r"<defs>\s*<style[^>]*>.*?</style>\s*</defs>\s*", "", text, count=1, flags=re.DOTALL)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    box = re.search(r'viewBox="[^"]*"', text)
    width = re.search(r'width="([\d.]+)pt"', text)
    opening = (
        f'<svg class="plot" role="img" aria-label="{html.escape(description)}"'
        f' {box[0] if box else ""} width="{width[1] if width else "400"}">'
    )
    return opening + text[text.index(">") + 1 :].rstrip()


def standalone_svg(markup: str) -> str:
    """Turn what :func:`inline_svg` gave into a file of its own, in the page's colours for light paper.

    Programs that draw SVG often know no variables of a style sheet, so the colours are written out.
    """
    # The colours are resolved in the order of the sheet, whose first block is for light paper.
    sheet = resources.files("tumorscope.reporting").joinpath("templates", "style.css").read_text("utf-8")
    light = dict(re.findall(r"(--[\w-]+): (#[0-9a-f]+)", sheet[: sheet.index("@media")]))
    text = re.sub(r"var\((--[\w-]+)\)", lambda name: light[name[1]], markup)
    opening = '<svg xmlns="http://www.w3.org/2000/svg" font-family="DejaVu Sans, sans-serif" '
    return f"{text.replace('<svg ', opening, 1)}\n"


def rates(lines: Sequence[Rate], *, chance: float, name: str, description: str) -> str:
    """Draw rates from 0 to 1 as dots with intervals, one a line, and a dashed line for chance.

    Parameters
    ----------
    lines
        From top to bottom; the first is the main one.
    chance
        Where the dashed line stands.
    name, description
        As for :func:`inline_svg`.
    """
    figure, axes = new_figure(360, 70 + 32 * len(lines))
    axes.axvline(chance, color=SOFT, linestyle=(0, (4, 3)), linewidth=1.2)
    axes.annotate(
        f"chance {chance:.0%}",
        (chance, 1),
        xycoords=("data", "axes fraction"),
        xytext=(4 if chance < 0.6 else -4, 2),
        textcoords="offset points",
        ha="left" if chance < 0.6 else "right",
        color=SOFT,
    )
    for place, line in enumerate(lines):
        axes.plot([0, 1], [place, place], color=LINE, linewidth=1, zorder=0)
        if line.low is not None and line.high is not None:
            axes.plot([line.low, line.high], [place, place], color=SHADES[0], linewidth=6, alpha=0.35)
        axes.plot(
            line.value, place, "o" if place == 0 else "D", color=SHADES[0], markersize=8 if place == 0 else 6
        )
        axes.annotate(
            f"{line.value:.0%}",
            (max(line.value, line.high or 0), place),
            xytext=(9, 0),
            textcoords="offset points",
            va="center",
            color=INK,
            annotation_clip=False,
        )
    axes.set_yticks(range(len(lines)), [line.name for line in lines])
    axes.set_ylim(len(lines) - 0.5, -0.6)
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
    return inline_svg(figure, name=name, description=description)


def histogram(
    values: Mapping[str, Sequence[float]], *, bins: int = 30, label: str, name: str, description: str
) -> str:
    """Draw how often values occur, the series on top of each other.

    Parameters
    ----------
    values
        At most three series by name; not all empty.
    bins
        How many bars.
    label
        What the values are, written below them.
    name, description
        As for :func:`inline_svg`.
    """
    figure, axes = new_figure(360, 210)
    every = np.concatenate([np.asarray(series, dtype=np.float64) for series in values.values()])
    low, high = float(every.min()), float(every.max())
    if high - low < 1e-3:
        low = high - 1e-3
    edges = np.linspace(low, high, bins + 1)
    below = np.zeros(bins)
    for colour, (title, series) in zip(SHADES, values.items(), strict=False):
        heights = np.histogram(np.asarray(series), edges)[0]
        axes.bar(edges[:-1], heights, np.diff(edges) * 0.9, below, align="edge", color=colour, label=title)
        below += heights
    axes.set_xlabel(label)
    axes.set_ylabel("pairs")
    axes.locator_params(axis="y", nbins=4, integer=True)
    axes.grid(axis="y")
    if len(values) > 1:
        axes.legend(
            loc="upper left",
            bbox_to_anchor=(0, 1.2),
            ncols=len(values),
            handlelength=1,
            frameon=False,
            labelcolor=INK,
            columnspacing=1,
        )
    return inline_svg(figure, name=name, description=description)
