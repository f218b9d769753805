"""What the page of an evaluation shows of the answers alone: curves, calibration, prediction sets and strata.

Owns which rows, in which order, in which words. Knows neither the headline nor how anything looks, and nothing of what
needs the model again (:mod:`tumorscope.reporting.evaluation_passes`).
"""

from __future__ import annotations

from collections.abc import Callable

from tumorscope.core.card import Figure
from tumorscope.core.labels import CLASS_ORDER, Diagnosis
from tumorscope.evaluation.report import CalibrationPart, CoverageOfLevel, CurveOfClass, Stratum
from tumorscope.reporting.evaluation_cards import (
    CoverageRow,
    CoverageView,
    DotRow,
    DotTable,
    Mark,
    Number,
    Scale,
    SetSize,
    decimal,
    scale_of,
    share,
)
from tumorscope.reporting.evaluation_plots import Point, precision_recall, reliability, roc
from tumorscope.reporting.page import percent

__all__ = [
    "before_after",
    "calibration_methods",
    "coverage_view",
    "curve_plots",
    "reliability_plot",
    "strata_tables",
]

_BY = {
    "source": "By source",
    "plane": "By plane",
    "contrast-style": "By contrast style",
    "tumour-size": "By tumour size",
    "image-size": "By image size",
}


def reliability_plot(part: CalibrationPart | None) -> str:
    """The reliability diagram; empty where there are no bins."""
    if part is None or not part.bins:
        return ""
    points = [Point(found.confidence, found.accuracy, found.low, found.high) for found in part.bins]
    said = "; ".join(f"{point.x:.0%} sure, {point.y:.0%} right" for point in points)
    return reliability(points, name="reliability", description=f"Reliability diagram: {said}.")


def curve_plots(
    curves: tuple[CurveOfClass, ...], figure_of: Callable[[str, Diagnosis], Figure | None]
) -> tuple[str, str] | None:
    """The ROC and the precision-recall curves, with the area under each as ``figure_of("auroc" or "ap", class)``."""
    if not curves:
        return None
    named = {
        kind: [_with_area(curve, figure_of(kind, Diagnosis(curve.key))) for curve in curves]
        for kind in ("auroc", "ap")
    }
    guessing = "; ".join(f"{Diagnosis(curve.key).label} {curve.share:.0%}" for curve in curves)
    return (
        roc(
            {
                title: (curve.false_positive_rate, curve.sensitivity)
                for title, curve in zip(named["auroc"], curves, strict=True)
            },
            name="roc",
            description=f"ROC curves of each class against the others; area under it: {'; '.join(named['auroc'])}.",
        ),
        precision_recall(
            {
                title: (curve.recall, curve.precision)
                for title, curve in zip(named["ap"], curves, strict=True)
            },
            name="precision-recall",
            description="Precision-recall curves of each class against the others; average precision: "
            f"{'; '.join(named['ap'])}. Guessing gets: {guessing}.",
        ),
    )


def _with_area(curve: CurveOfClass, area: Figure | None) -> str:
    label = Diagnosis(curve.key).label
    return label if area is None else f"{label}, {area.value:.3f}"


def before_after(part: CalibrationPart | None) -> list[tuple[str, Number, Number]]:
    """The errors of the probabilities, raw and calibrated."""
    if part is None:
        return []
    return [
        ("ECE", decimal(part.ece_raw), decimal(part.ece)),
        ("Brier score", decimal(part.brier_raw), decimal(part.brier)),
    ]


def calibration_methods(part: CalibrationPart | None) -> list[tuple[str, Number | None, Number | None]]:
    """Each method that was tried: loss, by which one is chosen, and ECE."""
    if part is None:
        return []
    tried = dict.fromkeys([*part.loss_by_method, *part.ece_by_method])
    found = ((name, part.loss_by_method.get(name), part.ece_by_method.get(name)) for name in tried)
    return [
        (name, None if loss is None else decimal(loss), None if ece is None else decimal(ece))
        for name, loss, ece in found
    ]


def coverage_view(level: CoverageOfLevel) -> CoverageView:
    """Prediction sets at one promised coverage, by class."""
    rows = tuple(
        CoverageRow(label, found.groups, share(found.covered), found.supported)
        for label in CLASS_ORDER
        if (found := level.classes.get(label.value)) is not None
    )
    promise = _whole_percent(level.level)
    return CoverageView(
        level=promise,
        rows=rows,
        scale=Scale.around([*(row.number.low for row in rows), level.level - 0.05]),
        mark=Mark("promise", level.level, f"promised, {promise}"),
        mean_size=decimal(level.mean_size),
        sizes=tuple(
            SetSize(f"{size} class{'' if size == '1' else 'es'}", part) for size, part in level.sizes.items()
        ),
    )


def _whole_percent(level: float) -> str:
    """``95 %``, and ``97.5 %`` where a digit is needed."""
    return percent(level, 0 if abs(level * 100 - round(level * 100)) < 1e-9 else 1)


def strata_tables(strata: tuple[Stratum, ...], whole: Figure | None) -> list[DotTable]:
    """Accuracy by stratum beside that of all images, one table a way of dividing them."""
    mark = None if whole is None else Mark("reference", whole.value, f"all images, {percent(whole.value)}")
    tables = []
    for by, title in _BY.items():
        found = [stratum for stratum in strata if stratum.by == by]
        if not found:
            continue
        others = tuple(
            label
            for label in CLASS_ORDER
            if any(f"sensitivity_{label.value}" in one.figures for one in found)
        )
        rows = tuple(_stratum_row(stratum, others) for stratum in found)
        scale = scale_of(rows, *(() if whole is None else (whole.low,)))
        tables.append(DotTable(by, title, by.replace("-", " "), rows, others, scale, mark))
    return tables


def _stratum_row(stratum: Stratum, others: tuple[Diagnosis, ...]) -> DotRow:
    accuracy = stratum.figures.get("accuracy")
    found = (stratum.figures.get(f"sensitivity_{label.value}") for label in others)
    return DotRow(
        stratum.key,
        stratum.images,
        stratum.groups,
        None if accuracy is None else share(accuracy),
        tuple(None if figure is None else share(figure) for figure in found),
    )
