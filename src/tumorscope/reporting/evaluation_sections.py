"""The parts of an evaluation as its page shows them: calibration, sets, strata, stress, shortcuts and what follows.

Owns what becomes of each part of :mod:`tumorscope.evaluation.report` on the page: which rows, in which order, in which
words. Knows neither the headline nor how anything looks.
"""

from __future__ import annotations

from collections.abc import Callable

from tumorscope.core.card import Figure
from tumorscope.core.errors import InvalidConfiguration
from tumorscope.core.labels import CLASS_ORDER, Diagnosis
from tumorscope.evaluation.report import (
    CalibrationPart,
    CoverageOfLevel,
    CurveOfClass,
    ExplanationPart,
    Mistake,
    NoveltyPart,
    ShortcutTest,
    Stratum,
    StressLadder,
)
from tumorscope.reporting.evaluation_cards import (
    CoverageRow,
    CoverageView,
    DotRow,
    DotTable,
    LadderView,
    Mark,
    MistakeCard,
    MistakeView,
    NoveltyRow,
    Number,
    PointingRow,
    Scale,
    SetSize,
    decimal,
    scale_of,
    share,
)
from tumorscope.reporting.evaluation_plots import Point, ladder, precision_recall, reliability, roc
from tumorscope.reporting.gallery import Picture, Shown, Thumbnails, first_of
from tumorscope.reporting.page import percent

__all__ = [
    "before_after",
    "calibration_methods",
    "coverage_view",
    "curve_plots",
    "explanation_rows",
    "mistake_view",
    "novelty_means",
    "novelty_rows",
    "novelty_scale",
    "pointing_rows",
    "reliability_plot",
    "shortcut_rows",
    "strata_tables",
    "stress_ladders",
]

_BY = {
    "source": "By source",
    "plane": "By plane",
    "contrast-style": "By contrast style",
    "tumour-size": "By tumour size",
    "image-size": "By image size",
}
_FAMILIES = {
    "artefact": "scanner artefact",
    "tone": "tone and windowing",
    "resolution": "resolution",
    "compression": "compression",
    "crop": "cropping",
    "skull": "skull-stripping",
    "orientation": "orientation",
}
_SIDE = 224


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


def stress_ladders(ladders: tuple[StressLadder, ...]) -> list[LadderView]:
    """The ladders by kind of change, the costliest of each first."""
    families = list(_FAMILIES)
    ordered = sorted(
        enumerate(ladders),
        key=lambda pair: (families.index(pair[1].family), -pair[1].mean_relative_drop, pair[1].kind),
    )
    return [_ladder(number, found) for number, found in ordered]


def _ladder(number: int, found: StressLadder) -> LadderView:
    points = [
        Point(
            step.severity,
            step.balanced_accuracy.value,
            step.balanced_accuracy.low,
            step.balanced_accuracy.high,
        )
        for step in found.steps
    ]
    drop = found.mean_relative_drop
    said = ", ".join(f"{point.y:.0%} at {point.x:g}" for point in points)
    return LadderView(
        kind=found.kind,
        family=_FAMILIES[found.family],
        drop=f"loses {percent(drop)}" if drop >= 0 else f"gains {percent(-drop)}",
        value=drop,
        plot=ladder(
            points,
            ticks=[f"{point.x:g}" for point in points],
            name=f"ladder-{number}",
            description=f"{found.kind}: balanced accuracy by severity: {said}.",
        ),
    )


def shortcut_rows(test: ShortcutTest | None) -> list[tuple[str, Number | None, str]]:
    """What was done, how often the model said so, and what that means."""
    if test is None:
        return []
    guess = f"Guessing gets {percent(test.chance)}."
    rows: list[tuple[str, Figure | None, str]] = [
        (
            "The brain is blackened: share still answered rightly",
            test.brain_masked,
            f"{guess} More than that was not read off the brain.",
        ),
        ("Only the head's outline is left: share still answered rightly", test.outline_only, guess),
        (
            "The tumour is filled with neighbouring tissue: share no longer called a tumour",
            test.tumour_filled,
            "High is good: the answer rests on the tumour.",
        ),
        (
            "A lesion is pasted into a healthy slice: share called a tumour",
            test.lesion_pasted,
            "High is good: what looks like a tumour is called one, whatever the source.",
        ),
        (
            "A healthy patch is pasted the same way: share called a tumour",
            test.healthy_pasted,
            "Low is good: the seams of pasting alone do not make a tumour.",
        ),
    ]
    return [(words, None if figure is None else share(figure), meaning) for words, figure, meaning in rows]


def novelty_rows(part: NoveltyPart | None) -> list[NoveltyRow]:
    """By kind of image, brain slices first: AUROC of each score, and how many are rejected."""
    if part is None:
        return []
    scored = dict.fromkeys(kind for by_kind in part.auroc.values() for kind in by_kind)
    kinds = dict.fromkeys(["brain", *part.rejected, *scored]) if "brain" in part.rejected else scored
    rows = []
    for kind in kinds:
        found = (by_kind.get(kind) for by_kind in part.auroc.values())
        numbers = tuple(None if figure is None else decimal(figure) for figure in found)
        kept = part.auroc.get(part.score, {}).get(kind)
        rows.append(
            NoveltyRow(
                kind,
                part.images.get(kind),
                part.rejected.get(kind),
                numbers,
                None if kept is None else decimal(kept),
                kind in part.made,
            )
        )
    return rows


def novelty_means(part: NoveltyPart | None) -> list[float | None]:
    """Mean AUROC over the kinds by score, each kind counted alike."""
    if part is None:
        return []
    found = [[figure.value for figure in by_kind.values()] for by_kind in part.auroc.values()]
    return [sum(values) / len(values) if values else None for values in found]


def novelty_scale(rows: list[NoveltyRow]) -> Scale:
    """A scale on which the interval of every kind can be seen."""
    return Scale.around(row.kept.low for row in rows if row.kept is not None)


def pointing_rows(part: ExplanationPart | None) -> list[PointingRow]:
    """The pointing game beside chance and what the grid allows, in the order of the part."""
    if part is None:
        return []
    return [
        PointingRow(
            Diagnosis(found.key).label if found.key in set(Diagnosis) else found.key,
            found.images,
            found.groups,
            share(found.pointing),
            share(found.energy),
            found.bound,
            found.chance,
            (
                Mark("chance", found.chance, "chance"),
                Mark("promise", found.bound, "the best that the map's grid allows"),
            ),
        )
        for found in part.pointing
    ]


def explanation_rows(part: ExplanationPart | None) -> list[tuple[str, Number | None, float | None, str]]:
    """The other tests of the heat-map: name, figure or plain number, meaning."""
    if part is None:
        return []
    figures = (
        (
            "Deletion curve",
            part.deletion_auc,
            "Area under the probability while the brightest places are taken away. Low is good.",
        ),
        (
            "Deletion in random order",
            part.random_order_deletion_auc,
            "Without the map, for comparison.",
        ),
        (
            "Insertion curve",
            part.insertion_auc,
            "Area while the brightest places are put back. High is good.",
        ),
        (
            "Insertion in random order",
            part.random_order_insertion_auc,
            "Without the map, for comparison.",
        ),
    )
    rows: list[tuple[str, Number | None, float | None, str]] = [
        (name, None if figure is None else decimal(figure), None, words) for name, figure, words in figures
    ]
    words = "Rank correlation of the maps before and after the head's weights are shuffled. Near 0 is sane."
    return [*rows, ("Randomised weights", None, part.randomised_weights_correlation, words)]


def mistake_view(
    mistakes: tuple[Mistake, ...], picture: Picture, evidence: Picture | None, pictures: int
) -> MistakeView:
    """The first of the mistakes, each with its picture and heat-map where there are any."""
    shown = first_of(mistakes, pictures)
    plain = Thumbnails(picture, side=_SIDE)
    mapped = None if evidence is None else Thumbnails(evidence, side=_SIDE)
    cards = tuple(
        MistakeCard(
            mistake.path,
            _class_of(mistake.label),
            _class_of(mistake.answer),
            mistake.probability,
            mistake.label_probability,
            plain.uri(mistake.path),
            None if mapped is None else mapped.uri(mistake.path),
        )
        for mistake in shown.items
    )
    return MistakeView(Shown(cards, shown.more), mapped is not None)


def _class_of(key: str) -> Diagnosis:
    if key not in set(Diagnosis):
        raise InvalidConfiguration(
            f"a mistake names the class {key!r}; {', '.join(label.value for label in CLASS_ORDER)} are known"
        )
    return Diagnosis(key)
