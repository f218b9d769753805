"""The verdict lines of an evaluation: each part in one sentence, and what it is worth.

Owns where the lines between good, notice and problem are drawn; the page prints them from here. A verdict looks at
intervals where there are any: what chance may explain is no finding. A part that was not measured is "not run" and says
so.
"""

from __future__ import annotations

from collections.abc import Iterator

from tumorscope.core.card import Figure
from tumorscope.core.labels import Diagnosis
from tumorscope.dataset.audit.document import Check, Verdict
from tumorscope.evaluation.protocol import FEW_GROUPS
from tumorscope.evaluation.report import CoverageOfLevel, ExplanationPart, Parts, ShortcutTest, Stratum
from tumorscope.reporting.evaluated import Evaluated
from tumorscope.reporting.page import count, percent, spoken

__all__ = ["ANCHORS", "AUROC_GOOD", "LINES", "NOT_MEASURED", "missing", "not_measured", "verdicts"]

ECE_GOOD, ECE_BAD = 0.03, 0.10
SIZE_GOOD = 1.35
DROP_GOOD, DROP_BAD = 0.05, 0.25
AUROC_GOOD, AUROC_BAD = 0.99, 0.90
POINTING_GOOD = 0.85
POINTING_BAD = 0.5
FILLED_BAD = 0.5
WAY_BAD = 0.25
SANE = 0.5

LINES = (
    ("Calibration", f"good up to an ECE of {ECE_GOOD:.2f}, a problem above {ECE_BAD:.2f}."),
    (
        "Prediction sets",
        "good where the interval of every class holds the promise and sets have at most "
        f"{SIZE_GOOD} classes on average, a problem where an interval lies below the promise.",
    ),
    (
        "Stress",
        f"good where no change costs more than {percent(DROP_GOOD, 0)} of the balanced accuracy, "
        f"a problem above {percent(DROP_BAD, 0)}.",
    ),
    (
        "Shortcuts",
        "good where masking the brain leaves no more than guessing, a problem where it leaves more than "
        f"{percent(WAY_BAD, 0)} of the way from guessing to a perfect score, or where filling the tumour clearly "
        f"changes fewer than {percent(FILLED_BAD, 0)} of the answers.",
    ),
    (
        "Novelty",
        f"good where every kind of foreign image is told apart with an AUROC of {AUROC_GOOD} and the interval of false "
        f"rejection reaches down to the promise, a problem where an AUROC is below {AUROC_BAD:.2f} or clearly more "
        "than twice as many brain slices are rejected as promised.",
    ),
    (
        "Explanation",
        f"good where the pointing game reaches {percent(POINTING_GOOD, 0)} of what the map's grid allows, "
        f"a problem below {percent(POINTING_BAD, 0)} of that, or no better than chance.",
    ),
    ("Classes and strata", "a notice where the interval lies wholly below that of all images."),
)
"""What is measured, and where its verdict turns."""

NOT_MEASURED = {
    "roc": "ROC and precision-recall curves",
    "reliability": "how well the probabilities are calibrated",
    "coverage": "whether prediction sets keep their promise",
    "strata": "figures by source, plane, contrast, tumour size or image size",
    "stress": "how the answers hold when images get worse",
    "shortcut": "whether the model looks at the brain and the tumour at all",
    "novelty": "how well images that are no brain MRI are recognised",
    "explanation": "whether the heat-map points at the tumour",
    "mistakes": "which images were answered wrongly",
}
"""What a reader does not learn where a part is missing, by the anchor of its section."""

ANCHORS = {"split": "notes", "patients": "notes", "unreadable": "failures", "classes": "figures"}
"""The section that shows what a verdict is about, where it has not the verdict's own key."""


def not_measured(key: str) -> str:
    """The one line that stands for a missing part."""
    return f"Not measured: {NOT_MEASURED[key]}."


def verdicts(evaluated: Evaluated, parts: Parts) -> tuple[Check, ...]:
    """Judge an evaluation.

    Parameters
    ----------
    evaluated
        Its headline.
    parts
        Everything beyond; what is missing becomes a verdict "not run".
    """
    found = [_split(evaluated), _patients(evaluated)]
    if evaluated.failures:
        many = len(evaluated.failures)
        words = "image could" if many == 1 else "images could"
        found.append(
            _check(
                "unreadable",
                Verdict.NOTICE,
                f"{count(many)} {words} not be read and {'is' if many == 1 else 'are'} in no figure.",
                many,
            )
        )
    found += [
        _classes(evaluated),
        _calibration(parts),
        _coverage(parts.coverage),
        _strata(evaluated, parts.strata),
        _stress(parts),
        _shortcut(parts.shortcut),
        _novelty(parts),
        _explanation(parts.explanation),
    ]
    return tuple(found)


_TITLES = {
    "split": "Leaks",
    "patients": "Patients",
    "unreadable": "Unreadable images",
    "classes": "Classes",
    "reliability": "Calibration",
    "coverage": "Prediction sets",
    "strata": "Strata",
    "stress": "Stress",
    "shortcut": "Shortcuts",
    "novelty": "Novelty",
    "explanation": "Explanation",
}


def _check(key: str, verdict: Verdict, sentence: str, number: int | None = None) -> Check:
    return Check(key=key, title=_TITLES[key], verdict=verdict, sentence=sentence, count=number)


def _not_run(key: str) -> Check:
    return _check(key, Verdict.NOT_RUN, not_measured(key))


def _with_interval(figure: Figure) -> str:
    return f"{percent(figure.value)} ({figure.low * 100:.1f} to {percent(figure.high)})"


def _split(evaluated: Evaluated) -> Check:
    if evaluated.leaks is None:
        return _check("split", Verdict.NOT_RUN, "Not measured: whether the split leaks. Nobody looked.")
    if evaluated.leaky:
        return _check(
            "split",
            Verdict.PROBLEM,
            f"The split leaks: {evaluated.leaky} on two sides of it. Every figure here is too good.",
            sum(evaluated.leaks.values()),
        )
    return _check(
        "split", Verdict.GOOD, "No patient, group, slice or file lies on two sides of the split.", 0
    )


def _patients(evaluated: Evaluated) -> Check:
    if evaluated.groups < FEW_GROUPS:
        return _check(
            "patients",
            Verdict.NOTICE,
            f"Only {count(evaluated.groups)} groups: intervals from fewer than {FEW_GROUPS} are too narrow.",
        )
    return _check(
        "patients",
        Verdict.GOOD,
        f"{count(evaluated.groups)} groups, {count(evaluated.patients)} of them known patients, carry the intervals.",
    )


def _classes(evaluated: Evaluated) -> Check:
    found = {
        label: figure
        for label in evaluated.class_order
        if (figure := evaluated.of_class("sensitivity", label)) is not None
    }
    whole = evaluated.figures.get("balanced_accuracy")
    if not found or whole is None:
        return _check("classes", Verdict.NOT_RUN, "Not measured: the sensitivity for each class.")
    weakest = min(found, key=lambda label: found[label].value)
    clearly = [label.label for label, figure in found.items() if figure.high < whole.low]
    said = f"{weakest.label.capitalize()} is recognised least often: sensitivity {_with_interval(found[weakest])}."
    if clearly:
        return _check(
            "classes",
            Verdict.NOTICE,
            f"{said} Clearly below the mean of all classes: {spoken(clearly)}.",
            len(clearly),
        )
    return _check("classes", Verdict.GOOD, f"{said} No class is clearly below the mean of all.", 0)


def _calibration(parts: Parts) -> Check:
    part = parts.calibration
    if part is None:
        return _not_run("reliability")
    value = part.ece.value
    verdict = Verdict.GOOD if value <= ECE_GOOD else Verdict.PROBLEM if value > ECE_BAD else Verdict.NOTICE
    return _check(
        "reliability",
        verdict,
        f"Probabilities are off by {percent(value)} on average (ECE {value:.3f}, interval {part.ece.low:.3f} to "
        f"{part.ece.high:.3f}; {part.ece_raw.value:.3f} before calibration).",
    )


def _coverage(levels: tuple[CoverageOfLevel, ...]) -> Check:
    if not levels:
        return _not_run("coverage")
    broken, full, wide = [], [], []
    for level in levels:
        promise = percent(level.level, 0)
        for key, part in level.classes.items():
            if not part.supported:
                full.append(f"{_named(key)} at {promise}")
            elif part.covered.high < level.level:
                broken.append(f"{_named(key)} at {promise}")
            elif part.covered.low > level.level:
                wide.append(f"{_named(key)} at {promise}")
    size = max(level.mean_size.value for level in levels)
    sizes = spoken(f"{level.mean_size.value:.2f} at {percent(level.level, 0)}" for level in levels)
    words = f"Classes in a set, on average: {sizes}."
    if broken:
        return _check(
            "coverage",
            Verdict.PROBLEM,
            f"Sets hold the truth less often than promised: {spoken(broken)}. {words}",
            len(broken),
        )
    if full:
        return _check(
            "coverage",
            Verdict.NOTICE,
            f"Too few groups to promise anything but the full set: {spoken(full)}. {words}",
            len(full),
        )
    if wide or size > SIZE_GOOD:
        over = f" More often than promised: {spoken(wide)}." if wide else ""
        return _check("coverage", Verdict.NOTICE, f"No class is covered less than promised.{over} {words}")
    return _check("coverage", Verdict.GOOD, f"Every class is covered as promised. {words}", 0)


def _strata(evaluated: Evaluated, strata: tuple[Stratum, ...]) -> Check:
    whole = evaluated.accuracy()
    if not strata or whole is None:
        return _not_run("strata")
    below = [
        f"{stratum.key} ({stratum.by.replace('-', ' ')}, {percent(stratum.figures['accuracy'].value)})"
        for stratum in strata
        if "accuracy" in stratum.figures and stratum.figures["accuracy"].high < whole.low
    ]
    if below:
        shown = spoken(below[:4]) + (f" and {len(below) - 4} more" if len(below) > 4 else "")
        return _check("strata", Verdict.NOTICE, f"Clearly below all images: {shown}.", len(below))
    return _check("strata", Verdict.GOOD, f"None of {len(strata)} strata is clearly below all images.", 0)


def _stress(parts: Parts) -> Check:
    if not parts.stress:
        return _not_run("stress")
    worst = max(parts.stress, key=lambda ladder: ladder.mean_relative_drop)
    drop = worst.mean_relative_drop
    verdict = Verdict.GOOD if drop <= DROP_GOOD else Verdict.PROBLEM if drop > DROP_BAD else Verdict.NOTICE
    if drop <= 0:
        return _check("stress", verdict, f"None of {len(parts.stress)} changes costs balanced accuracy.")
    return _check(
        "stress",
        verdict,
        f"Of {len(parts.stress)} changes, {worst.kind} costs most: {percent(drop)} of the balanced accuracy on average "
        "over its steps.",
    )


def _shortcut(test: ShortcutTest | None) -> Check:
    if test is None:
        return _not_run("shortcut")
    masked, chance = test.brain_masked, test.chance
    way = (masked.value - chance) / (1 - chance) if chance < 1 else 0.0
    said = (
        f"With the brain blackened the model is still right for {_with_interval(masked)}; "
        f"guessing gets {percent(chance)}."
    )
    verdict = Verdict.GOOD if masked.low <= chance else Verdict.PROBLEM if way > WAY_BAD else Verdict.NOTICE
    if test.tumour_filled is not None:
        said += f" With the tumour filled it stops saying tumour for {_with_interval(test.tumour_filled)}."
        if test.tumour_filled.high < FILLED_BAD:
            verdict = Verdict.PROBLEM
    return _check("shortcut", verdict, said)


def _novelty(parts: Parts) -> Check:
    part = parts.novelty
    kept = part.auroc.get(part.score) if part is not None else None
    if part is None or not kept:
        return _not_run("novelty")
    hardest = min(kept, key=lambda kind: kept[kind].value)
    value = kept[hardest].value
    verdict = (
        Verdict.GOOD if value >= AUROC_GOOD else Verdict.PROBLEM if value < AUROC_BAD else Verdict.NOTICE
    )
    said = f"Hardest to tell from a brain: {hardest}, AUROC {value:.3f}."
    false, promised = part.false_rejection, part.promised_false_rejection
    if false is None or promised is None:
        share = part.rejected.get("brain")
        wrongly = "" if share is None else f" {percent(share)} of brain slices are rejected by mistake."
        return _check("novelty", verdict, f"{said}{wrongly}")
    said += (
        f" By mistake {_with_interval(false)} of brain slices are rejected; {percent(promised)} are promised."
    )
    if false.low > 2 * promised:
        verdict = Verdict.PROBLEM
    elif false.low > promised and verdict is Verdict.GOOD:
        verdict = Verdict.NOTICE
    return _check("novelty", verdict, said)


def _explanation(part: ExplanationPart | None) -> Check:
    if part is None or not part.pointing:
        return _not_run("explanation")
    whole = part.pointing[0]
    reached = whole.pointing.value / whole.bound if whole.bound else 0.0
    said = (
        f"The map's brightest point lies in the tumour box for {_with_interval(whole.pointing)}; its grid allows "
        f"{percent(whole.bound)}, chance gets {percent(whole.chance)}."
    )
    correlation = part.randomised_weights_correlation
    insane = correlation is not None and abs(correlation) > SANE
    if whole.pointing.low <= whole.chance:
        return _check("explanation", Verdict.PROBLEM, said)
    if insane:
        return _check(
            "explanation", Verdict.PROBLEM, f"{said} It hardly changes when the model's weights are shuffled."
        )
    verdict = Verdict.GOOD if reached >= POINTING_GOOD else Verdict.NOTICE
    return _check("explanation", Verdict.PROBLEM if reached < POINTING_BAD else verdict, said)


def _named(key: str) -> str:
    return Diagnosis(key).label if key in set(Diagnosis) else key


def missing(parts: Parts) -> Iterator[str]:
    """The anchors of the parts that were not measured."""
    measured = {
        "roc": bool(parts.curves),
        "reliability": parts.calibration is not None,
        "coverage": bool(parts.coverage),
        "strata": bool(parts.strata),
        "stress": bool(parts.stress),
        "shortcut": parts.shortcut is not None,
        "novelty": parts.novelty is not None,
        "explanation": parts.explanation is not None,
        "mistakes": bool(parts.mistakes),
    }
    return (key for key, known in measured.items() if not known)
