"""The page of an evaluation: what a model is worth, for a person to read.

Owns what is shown of ``evaluation.json`` and its parts, in which order and in which words; how it looks is
``templates/evaluation.html``. No figure is shown without its protocol, and a split that leaks is stamped on top of
everything. A part that was not measured is said to be so. Knows no patient.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from tumorscope.core.card import Figure
from tumorscope.core.labels import Diagnosis
from tumorscope.core.version import __version__
from tumorscope.dataset.audit.document import Verdict
from tumorscope.evaluation.report import Parts
from tumorscope.reporting.evaluated import Evaluated, read_document
from tumorscope.reporting.evaluation_answers import (
    before_after,
    calibration_methods,
    coverage_view,
    curve_plots,
    reliability_plot,
    strata_tables,
)
from tumorscope.reporting.evaluation_cards import (
    ClassRow,
    ConfusionCell,
    ConfusionRow,
    DotRow,
    DotTable,
    FigureRow,
    Mark,
    Number,
    Scale,
    decimal,
    scale_of,
    share,
)
from tumorscope.reporting.evaluation_mistakes import mistake_view
from tumorscope.reporting.evaluation_passes import (
    explanation_rows,
    novelty_means,
    novelty_rows,
    novelty_scale,
    pointing_rows,
    shortcut_rows,
    stress_ladders,
)
from tumorscope.reporting.evaluation_verdicts import verdicts
from tumorscope.reporting.figure_words import CLASS_FIGURES, FIGURE_NAMES, digits_of, is_rate, split_name
from tumorscope.reporting.gallery import Picture, first_of
from tumorscope.reporting.page import percent, render
from tumorscope.reporting.verdict_lines import ANCHORS, AUROC_GOOD, LINES, NOT_MEASURED, missing, resting_on

__all__ = ["evaluation_page"]

_RANK = (Verdict.PROBLEM, Verdict.NOTICE, Verdict.NOT_RUN, Verdict.GOOD)
_FAILURES = 60


def evaluation_page(
    document: Mapping[str, Any],
    parts: Parts | None,
    picture: Picture,
    *,
    evidence: Picture | None = None,
    pictures: int = 24,
    version: str = __version__,
) -> str:
    """Write the page of an evaluation.

    Parameters
    ----------
    document
        As :func:`tumorscope.evaluation.document.document` makes it.
    parts
        Everything beyond the headline; for ``None`` those that the document holds under ``parts``, if any.
    picture
        Gives the pixels ``uint8 [h, w]`` for a path of a mistake, ``None`` if it cannot be read.
    evidence
        Gives the same image with the heat-map of the answer laid over it, ``uint8 [h, w, 3]``; ``None`` where there
        are no heat-maps.
    pictures
        How many mistakes are shown at most.
    version
        Of Tumorscope, said at the foot of the page.

    Returns
    -------
    str
        One HTML file, to be written as UTF-8; it asks for no other file and no network. The same arguments give the
        same bytes.

    Raises
    ------
    InvalidConfiguration
        If the document is not one of an evaluation.
    MissingDependency
        If Jinja2 or matplotlib is not installed.
    """
    evaluated = read_document(document)
    measured = parts or evaluated.parts or Parts()
    checks = verdicts(evaluated, measured)
    counts = Counter(check.verdict for check in checks)
    accuracy = evaluated.accuracy()
    rows_of_novelty = novelty_rows(measured.novelty)
    return render(
        "evaluation.html",
        version=version,
        evaluated=evaluated,
        overall=[(verdict, counts[verdict]) for verdict in _RANK if counts[verdict]],
        checks=[
            (check, ANCHORS.get(check.key, check.key))
            for check in sorted(checks, key=lambda check: _RANK.index(check.verdict))
        ],
        said={check.key: check for check in checks},
        missing=tuple(missing(measured)),
        unmeasured=NOT_MEASURED,
        headline=None if accuracy is None else share(accuracy),
        classes=_mix(evaluated),
        figures=_figures(evaluated),
        kinds=_kinds(evaluated),
        by_class=_by_class(evaluated),
        sensitivities=_sensitivities(evaluated),
        confusion=_confusion(evaluated),
        wrong=_slices(_wrong(evaluated)) if evaluated.confusion else "",
        curves=curve_plots(measured.curves, evaluated.of_class),
        calibration=measured.calibration,
        reliability=reliability_plot(measured.calibration),
        ece=before_after(measured.calibration),
        methods=calibration_methods(measured.calibration),
        coverage=[coverage_view(level) for level in measured.coverage],
        strata=strata_tables(measured.strata, accuracy),
        stress=stress_ladders(measured.stress),
        rests_on=resting_on(measured.stress_support) if measured.stress else "",
        shortcut=shortcut_rows(measured.shortcut),
        novelty=measured.novelty,
        novelty_rows=rows_of_novelty,
        novelty_means=novelty_means(measured.novelty),
        novelty_scale=novelty_scale(rows_of_novelty),
        novelty_mark=Mark("promise", AUROC_GOOD, f"target, {AUROC_GOOD}"),
        pointing=pointing_rows(measured.explanation),
        pointing_scale=Scale(0.0, 1.0),
        grid=None if measured.explanation is None else measured.explanation.grid,
        explanation=explanation_rows(measured.explanation),
        mistakes=mistake_view(measured.mistakes, picture, evidence, pictures),
        failures=first_of(evaluated.failures, _FAILURES),
        lines=LINES,
        Verdict=Verdict,
    )


def _mix(evaluated: Evaluated) -> list[tuple[Diagnosis, int, float]]:
    whole = sum(evaluated.images_by_class.values())
    found = ((label, evaluated.images_by_class.get(label.value, 0)) for label in evaluated.class_order)
    return [(label, images, images / whole if whole else 0.0) for label, images in found]


def _number(name: str, figure: Figure) -> Number:
    return share(figure) if is_rate(name) else decimal(figure)


def _figures(evaluated: Evaluated) -> list[FigureRow]:
    whole = [name for name in evaluated.figures if split_name(name)[1] is None]
    order = list(FIGURE_NAMES)
    ordered = sorted(whole, key=lambda name: order.index(name) if name in order else len(order))
    return [
        FigureRow(
            name, FIGURE_NAMES.get(name, name.replace("_", " ")), _number(name, evaluated.figures[name])
        )
        for name in ordered
    ]


def _kinds(evaluated: Evaluated) -> list[tuple[str, str]]:
    """The figures that classes have, known ones first."""
    present = dict.fromkeys(kind for kind, label in map(split_name, evaluated.figures) if label is not None)
    known = [kind for kind in CLASS_FIGURES if kind in present]
    further = [kind for kind in present if kind not in CLASS_FIGURES]
    return [(kind, FIGURE_NAMES.get(kind, kind.replace("_", " "))) for kind in (*known, *further)]


def _by_class(evaluated: Evaluated) -> list[ClassRow]:
    rows = []
    for label in evaluated.class_order:
        found = [(kind, evaluated.of_class(kind, label)) for kind, _ in _kinds(evaluated)]
        numbers = tuple(None if figure is None else _number(kind, figure) for kind, figure in found)
        rows.append(ClassRow(label, evaluated.images_by_class.get(label.value, 0), numbers))
    return rows


def _sensitivities(evaluated: Evaluated) -> DotTable:
    found = [(label, evaluated.of_class("sensitivity", label)) for label in evaluated.class_order]
    mean = evaluated.figures.get("balanced_accuracy")
    rows = tuple(
        DotRow(label.value, 0, 0, None if figure is None else share(figure), ()) for label, figure in found
    )
    return DotTable(
        "sensitivity",
        "Sensitivity",
        "class",
        rows,
        (),
        scale_of(rows),
        None
        if mean is None
        else Mark("reference", mean.value, f"mean of the classes, {percent(mean.value)}"),
    )


def _slices(cell: float) -> str:
    """Copies of a slice share its weight, so a number may hold a part of one."""
    return f"{cell:,.{digits_of([cell])}f}"


def _confusion(evaluated: Evaluated) -> list[ConfusionRow]:
    """None where no figure is given: without labels, or with too few groups."""
    if not evaluated.confusion:
        return []
    rows = []
    digits = digits_of(cell for row in evaluated.confusion for cell in row)
    for label, row in zip(evaluated.class_order, evaluated.confusion, strict=True):
        whole = sum(row)
        cells = []
        for answer, cell in zip(evaluated.class_order, row, strict=True):
            part = cell / whole if whole else None
            cells.append(
                ConfusionCell(f"{cell:,.{digits}f}", part, round(100 * (part or 0)), label is answer)
            )
        rows.append(ConfusionRow(label, f"{whole:,.{digits}f}", tuple(cells)))
    return rows


def _wrong(evaluated: Evaluated) -> float:
    """Slices beside the diagonal."""
    right = sum(row[place] for place, row in enumerate(evaluated.confusion))
    return sum(map(sum, evaluated.confusion)) - right
