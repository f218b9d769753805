"""The verdict lines of an evaluation: each part in one sentence, and what it is worth.

Owns how the headline and the answers alone are judged, and the order of all verdicts; the slow passes are judged in
:mod:`tumorscope.reporting.pass_verdicts`, and where verdicts turn is in :mod:`tumorscope.reporting.verdict_lines`. A
verdict looks at intervals where there are any: what chance may explain is no finding. A part that was not measured is
"not run" and says so.
"""

from __future__ import annotations

from collections import Counter

from tumorscope.dataset.audit.document import Check, Verdict
from tumorscope.evaluation.protocol import FEW_GROUPS
from tumorscope.evaluation.report import CoverageOfLevel, Parts, Stratum
from tumorscope.reporting.evaluated import Evaluated
from tumorscope.reporting.page import count, percent, spoken
from tumorscope.reporting.pass_verdicts import (
    explanation_verdict,
    novelty_verdict,
    shortcut_verdict,
    stress_verdict,
)
from tumorscope.reporting.verdict_lines import (
    ECE_BAD,
    ECE_GOOD,
    SIZE_GOOD,
    check,
    named,
    not_run,
    too_few,
    with_interval,
)

__all__ = ["verdicts"]


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
            check(
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
        stress_verdict(parts),
        shortcut_verdict(parts.shortcut),
        novelty_verdict(parts),
        explanation_verdict(parts.explanation),
    ]
    return tuple(found)


def _split(evaluated: Evaluated) -> Check:
    if evaluated.leaks is None:
        return check("split", Verdict.NOT_RUN, "Not measured: whether the split leaks. Nobody looked.")
    if evaluated.leaky:
        return check(
            "split",
            Verdict.PROBLEM,
            f"The split leaks: {evaluated.leaky} on two sides of it. Every figure here is too good.",
            sum(evaluated.leaks.values()),
        )
    return check("split", Verdict.GOOD, "No patient, group, slice or file lies on two sides of the split.", 0)


def _patients(evaluated: Evaluated) -> Check:
    if evaluated.groups < FEW_GROUPS:
        return check(
            "patients",
            Verdict.NOTICE,
            f"Only {count(evaluated.groups)} groups: intervals from fewer than {FEW_GROUPS} are too narrow.",
        )
    if not evaluated.patients:
        return check(
            "patients",
            Verdict.NOTICE,
            f"{count(evaluated.groups)} groups, of which none is a known patient: where patients have several images, "
            "the intervals are too narrow.",
        )
    return check(
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
        return check("classes", Verdict.NOT_RUN, "Not measured: the sensitivity for each class.")
    weakest = min(found, key=lambda label: found[label].value)
    clearly = [label.label for label, figure in found.items() if figure.high < whole.low]
    said = f"{weakest.label.capitalize()} is recognised least often: sensitivity {with_interval(found[weakest])}."
    if clearly:
        return check(
            "classes",
            Verdict.NOTICE,
            f"{said} Clearly below the mean of all classes: {spoken(clearly)}.",
            len(clearly),
        )
    return check("classes", Verdict.GOOD, f"{said} No class is clearly below the mean of all.", 0)


def _calibration(parts: Parts) -> Check:
    part = parts.calibration
    if part is None:
        return not_run("reliability")
    value = part.ece.value
    verdict = Verdict.GOOD if value <= ECE_GOOD else Verdict.PROBLEM if value > ECE_BAD else Verdict.NOTICE
    before = "" if part.method == "none" else f"; {part.ece_raw.value:.3f} before calibration"
    said = (
        f"Probabilities are off by {percent(value)} on average (ECE {value:.3f}, interval {part.ece.low:.3f} to "
        f"{part.ece.high:.3f}{before})."
    )
    if few := too_few(part.support):
        return check("reliability", Verdict.NOT_RUN, f"{few} {said}")
    return check("reliability", verdict, said)


def _coverage(levels: tuple[CoverageOfLevel, ...]) -> Check:
    if not levels:
        return not_run("coverage")
    broken, full, wide = [], [], []
    for level in levels:
        promise = percent(level.level, 0)
        for key, part in level.classes.items():
            if not part.supported:
                full.append(f"{named(key)} at {promise}")
            elif part.covered.high < level.level:
                broken.append(f"{named(key)} at {promise}")
            elif part.covered.low > level.level:
                wide.append(f"{named(key)} at {promise}")
    size = max(level.mean_size.value for level in levels)
    sizes = spoken(f"{level.mean_size.value:.2f} at {percent(level.level, 0)}" for level in levels)
    words = f"Classes in a set, on average: {sizes}."
    if broken:
        return check(
            "coverage",
            Verdict.PROBLEM,
            f"Sets hold the truth less often than promised: {spoken(broken)}. {words}",
            len(broken),
        )
    if full:
        return check(
            "coverage",
            Verdict.NOTICE,
            f"Too few groups to promise anything but the full set: {spoken(full)}. {words}",
            len(full),
        )
    if wide or size > SIZE_GOOD:
        over = f" More often than promised: {spoken(wide)}." if wide else ""
        return check("coverage", Verdict.NOTICE, f"No class is covered less than promised.{over} {words}")
    return check("coverage", Verdict.GOOD, f"Every class is covered as promised. {words}", 0)


def _strata(evaluated: Evaluated, strata: tuple[Stratum, ...]) -> Check:
    whole = evaluated.accuracy()
    if not strata or whole is None:
        return not_run("strata")
    by_kind = Counter(stratum.by for stratum in strata)
    if max(by_kind.values()) < 2:
        return check(
            "strata", Verdict.NOT_RUN, "Not compared: of each kind there is one stratum alone, or none."
        )
    below = [
        f"{stratum.key} ({stratum.by.replace('-', ' ')}, {percent(stratum.figures['accuracy'].value)})"
        for stratum in strata
        if "accuracy" in stratum.figures and stratum.figures["accuracy"].high < whole.low
    ]
    if below:
        shown = spoken(below[:4]) + (f" and {len(below) - 4} more" if len(below) > 4 else "")
        return check("strata", Verdict.NOTICE, f"Clearly below all images: {shown}.", len(below))
    return check("strata", Verdict.GOOD, f"None of {len(strata)} strata is clearly below all images.", 0)
