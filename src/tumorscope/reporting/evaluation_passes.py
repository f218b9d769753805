"""What the page of an evaluation shows of the slow passes: stress, shortcuts, novelty and the checks of heat-maps.

Owns which rows, in which order, in which words. Knows neither the headline nor how anything looks.
"""

from __future__ import annotations

from tumorscope.core.card import Figure
from tumorscope.core.labels import Diagnosis
from tumorscope.evaluation.report import ExplanationPart, NoveltyPart, ShortcutTest, StressLadder, Support
from tumorscope.reporting.evaluation_cards import (
    LadderView,
    Mark,
    NoveltyRow,
    Number,
    PointingRow,
    Scale,
    decimal,
    share,
)
from tumorscope.reporting.evaluation_plots import Point, ladder
from tumorscope.reporting.page import percent
from tumorscope.reporting.verdict_lines import resting_on

__all__ = [
    "explanation_rows",
    "novelty_means",
    "novelty_rows",
    "novelty_scale",
    "pointing_rows",
    "shortcut_rows",
    "stress_ladders",
]

_FAMILIES = {
    "artefact": "scanner artefact",
    "tone": "tone and windowing",
    "resolution": "resolution",
    "compression": "compression",
    "crop": "cropping",
    "skull": "skull-stripping",
    "orientation": "orientation",
}


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


def shortcut_rows(test: ShortcutTest | None) -> list[tuple[str, Number | None, str, str]]:
    """What was done, how often the model said so, what that means, and how many images it rests on."""
    if test is None:
        return []
    guess = f"Guessing gets {percent(test.chance)}."
    rows: list[tuple[str, Figure | None, str, str]] = [
        (
            "The brain is blackened: share still answered rightly",
            test.brain_masked,
            f"{guess} More than that was not read off the brain.",
            "brain_masked",
        ),
        (
            "Only the head's outline is left: share still answered rightly",
            test.outline_only,
            guess,
            "outline_only",
        ),
        (
            "The tumour is filled with neighbouring tissue: share no longer called a tumour",
            test.tumour_filled,
            "High is good: the answer rests on the tumour.",
            "tumour_filled",
        ),
        (
            "A lesion is pasted into a healthy slice: share called a tumour",
            test.lesion_pasted,
            "High is good: what looks like a tumour is called one, whatever the source.",
            "lesion_pasted",
        ),
        (
            "A healthy patch is pasted the same way: share called a tumour",
            test.healthy_pasted,
            "Low is good: the seams of pasting alone do not make a tumour.",
            "healthy_pasted",
        ),
    ]
    whole = Support(images=test.images, groups={})  # an older document knows no more
    known = {"brain_masked": whole, "outline_only": whole} | test.support
    return [
        (words, None if figure is None else share(figure), meaning, resting_on(known.get(name)))
        for words, figure, meaning, name in rows
    ]


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
    words = (
        "Rank correlation of the maps before and after the head's weights are shuffled. Near or below 0 is sane: the "
        "map shows what was learnt. Near 1 is not: it shows the image alone."
    )
    return [*rows, ("Randomised weights", None, part.randomised_weights_correlation, words)]
