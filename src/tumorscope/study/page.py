"""The comparison as a page.

Owns which pieces stand where; how they look is ``templates/study.html`` and the style sheet of every page. Every number
is in ``comparison.json``, from which alone the page is made.
"""

from __future__ import annotations

from dataclasses import dataclass

from tumorscope.core.labels import CLASS_ORDER, Diagnosis
from tumorscope.core.version import __version__
from tumorscope.dataset.audit.document import Verdict
from tumorscope.reporting.evaluation_cards import ConfusionCell, ConfusionRow, Mark, Number, Scale, share
from tumorscope.reporting.figure_words import digits_of
from tumorscope.reporting.page import percent, render, spoken
from tumorscope.reporting.writing import Table
from tumorscope.study.document import Comparison, Name, Result, Row
from tumorscope.study.markdown import COUNTED, HOW_TO_READ, data_line
from tumorscope.study.plots import accuracy_bars, accuracy_by_latency, training_curves
from tumorscope.study.tables import (
    class_table,
    cost_table,
    figure_table,
    glance_table,
    leaks_of,
    not_run,
    reasons,
    rows_measured,
    test_table,
)

__all__ = ["comparison_page"]


@dataclass(frozen=True, slots=True)
class _Matrix:
    """The confusion of one model."""

    name: str
    rows: tuple[ConfusionRow, ...]


@dataclass(frozen=True, slots=True)
class _Dots:
    """The accuracy of one model as a dot with its interval."""

    name: str
    in_part: str
    number: Number
    mark: Mark | None


@dataclass(frozen=True, slots=True)
class _Protocol:
    """A section of the page."""

    name: Name
    meaning: str
    leaks: str
    figures: Table
    dots: tuple[_Dots, ...]
    scale: Scale
    theirs: bool
    classes: Table
    matrices: tuple[_Matrix, ...]
    plot: str
    reasons: list[tuple[str, list[str]]]


def comparison_page(comparison: Comparison) -> str:
    """Write the page.

    Returns
    -------
    str
        One HTML file, to be written as UTF-8; it asks for no other file and no network. The same comparison gives the
        same bytes.

    Raises
    ------
    MissingDependency
        If Jinja2 or matplotlib is not installed.
    """
    bars = accuracy_bars(comparison)
    curves = [(row.name, plot.svg) for row in comparison.rows if (plot := training_curves(row)) is not None]
    return render(
        "study.html",
        version=__version__,
        comparison=comparison,
        lead=data_line(comparison),
        models=[row.name for row in comparison.rows if row.ran],
        classes=[(label, comparison.data.images_by_class.get(label.value, 0)) for label in CLASS_ORDER],
        glance=glance_table(comparison),
        bars="" if bars is None else bars.svg,
        failed=_failed(comparison),
        missing=not_run(comparison),
        protocols=[_protocol(comparison, name) for name in comparison.protocols],
        costs=cost_table(comparison),
        counted=COUNTED,
        tests=[table for name in comparison.protocols if (table := test_table(comparison, name)).rows],
        curves=curves,
        reading=HOW_TO_READ,
        notes=_notes(comparison),
        commands=[
            (f"{row.name}, {result.protocol}", result.measured.command)
            for row in comparison.rows
            for result in row.results
            if result.measured is not None
        ],
        Verdict=Verdict,
    )


def _protocol(comparison: Comparison, name: Name) -> _Protocol:
    measured = rows_measured(comparison, name)
    plot = accuracy_by_latency(comparison, name)
    dots = tuple(_dots(row, result) for row, result in measured if result.figure("accuracy") is not None)
    lows = [dot.number.low for dot in dots] + [dot.mark.value for dot in dots if dot.mark is not None]
    return _Protocol(
        name=name,
        meaning=comparison.protocols[name],
        leaks=leaks_of(comparison, name),
        figures=figure_table(comparison, name),
        dots=dots,
        scale=Scale.around(lows) if lows else Scale(0.0, 1.0),
        theirs=any(dot.mark is not None for dot in dots),
        classes=class_table(comparison, name),
        matrices=tuple(_Matrix(row.name, _confusion(result)) for row, result in measured),
        plot="" if plot is None else plot.svg,
        reasons=reasons(comparison, name),
    )


def _dots(row: Row, result: Result) -> _Dots:
    accuracy = result.figure("accuracy")
    if accuracy is None:
        raise ValueError(f"{row.name} has no accuracy")
    mark = None
    if result.protocol == "official" and row.published is not None:
        mark = Mark(
            "promise", row.published.accuracy, f"original study, theirs: {percent(row.published.accuracy, 2)}"
        )
    return _Dots(row.name, result.in_part, share(accuracy), mark)


def _confusion(result: Result) -> tuple[ConfusionRow, ...]:
    if result.measured is None:
        return ()
    matrix = result.measured.confusion
    digits = digits_of(cell for row in matrix for cell in row)
    return tuple(
        _row_of(label, row, place, digits)
        for place, (label, row) in enumerate(zip(CLASS_ORDER, matrix, strict=False))
    )


def _row_of(label: Diagnosis, row: tuple[float, ...], place: int, digits: int) -> ConfusionRow:
    whole = sum(row)
    cells = tuple(
        ConfusionCell(
            f"{cell:,.{digits}f}",
            cell / whole if whole else None,
            round(100 * cell / whole) if whole else 0,
            at == place,
        )
        for at, cell in enumerate(row)
    )
    return ConfusionRow(label, f"{whole:,.{digits}f}", cells)


def _failed(comparison: Comparison) -> list[tuple[str, str, list[str]]]:
    """Row, reason, and the protocols that it fails under."""
    found: dict[tuple[str, str], list[str]] = {}
    for row, result in comparison.failed():
        found.setdefault((row.name, result.reason), []).append(result.protocol)
    return [(name, reason, protocols) for (name, reason), protocols in found.items()]


def _notes(comparison: Comparison) -> list[str]:
    """Those of the whole, then those of single results, each once with whom it is about."""
    about: dict[str, dict[str, list[str]]] = {}
    for row in comparison.rows:
        for result in row.results:
            for note in result.notes:
                about.setdefault(note, {}).setdefault(result.protocol, []).append(row.name)
    single = [
        f"{note} ({'; '.join(f'{protocol}: {spoken(names)}' for protocol, names in whose.items())})"
        for note, whose in about.items()
        if note not in comparison.notes
    ]
    return [*comparison.notes, *single]
