"""The verdicts on the slow passes of an evaluation: stress, shortcuts, novelty and heat-maps.

Owns how each is judged and said. A pass that rests on too few groups is told without a verdict.
"""

from __future__ import annotations

from tumorscope.core.labels import CLASS_ORDER
from tumorscope.dataset.audit.document import Check, Verdict
from tumorscope.dataset.certificate import FEWEST_GROUPS
from tumorscope.evaluation.report import ExplanationPart, Parts, ShortcutTest, Support
from tumorscope.reporting.page import percent
from tumorscope.reporting.verdict_lines import (
    AUROC_BAD,
    AUROC_GOOD,
    DROP_BAD,
    DROP_GOOD,
    FILLED_BAD,
    POINTING_BAD,
    POINTING_GOOD,
    SANE,
    WAY_BAD,
    check,
    not_run,
    too_few,
    with_interval,
)

__all__ = ["explanation_verdict", "novelty_verdict", "shortcut_verdict", "stress_verdict"]


def stress_verdict(parts: Parts) -> Check:
    """By the change that costs most."""
    if not parts.stress:
        return not_run("stress")
    worst = max(parts.stress, key=lambda ladder: ladder.mean_relative_drop)
    drop = worst.mean_relative_drop
    verdict = Verdict.GOOD if drop <= DROP_GOOD else Verdict.PROBLEM if drop > DROP_BAD else Verdict.NOTICE
    said = (
        f"None of {len(parts.stress)} changes costs balanced accuracy."
        if drop <= 0
        else f"Of {len(parts.stress)} changes, {worst.kind} costs most: {percent(drop)} of the balanced accuracy on "
        "average over its steps."
    )
    if few := too_few(parts.stress_support):
        return check("stress", Verdict.NOT_RUN, f"{few} {said}")
    return check("stress", verdict, said)


def shortcut_verdict(test: ShortcutTest | None) -> Check:
    """By what is still known without a brain, and without the tumour."""
    if test is None:
        return not_run("shortcut")
    masked, chance = test.brain_masked, test.chance
    way = (masked.value - chance) / (1 - chance) if chance < 1 else 0.0
    said = (
        f"With the brain blackened the model is still right for {with_interval(masked)}; "
        f"guessing gets {percent(chance)}."
    )
    verdict = Verdict.GOOD if masked.low <= chance else Verdict.PROBLEM if way > WAY_BAD else Verdict.NOTICE
    if test.tumour_filled is not None:
        said += f" With the tumour filled it stops saying tumour for {with_interval(test.tumour_filled)}."
        if test.tumour_filled.high < FILLED_BAD and _enough(test.support.get("tumour_filled")):
            verdict = Verdict.PROBLEM
    support = test.support.get("brain_masked", Support(images=test.images, groups={}))
    if few := too_few(support, kinds=len(CLASS_ORDER)):
        return check("shortcut", Verdict.NOT_RUN, f"{few} {said}")
    return check("shortcut", verdict, said)


def _enough(support: Support | None) -> bool:
    """Whether a share that is not counted by class rests on enough groups; an older document does not say."""
    return support is None or sum(support.groups.values()) >= FEWEST_GROUPS


def novelty_verdict(parts: Parts) -> Check:
    """By the kind that is hardest to tell, and by what is rejected wrongly."""
    part = parts.novelty
    kept = part.auroc.get(part.score) if part is not None else None
    if part is None or not kept:
        return not_run("novelty")
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
        return check("novelty", verdict, f"{said}{wrongly}")
    said += (
        f" By mistake {with_interval(false)} of brain slices are rejected; {percent(promised)} are promised."
    )
    if false.low > 2 * promised:
        verdict = Verdict.PROBLEM
    elif false.low > promised and verdict is Verdict.GOOD:
        verdict = Verdict.NOTICE
    return check("novelty", verdict, said)


def explanation_verdict(part: ExplanationPart | None) -> Check:
    """By the pointing game, and by whether shuffled weights change the map."""
    if part is None or not part.pointing:
        return not_run("explanation")
    whole = part.pointing[0]
    reached = whole.pointing.value / whole.bound if whole.bound else 0.0
    said = (
        f"The map's brightest point lies in the tumour box for {with_interval(whole.pointing)}; its grid allows "
        f"{percent(whole.bound)}, chance gets {percent(whole.chance)}."
    )
    correlation = part.randomised_weights_correlation
    insane = correlation is not None and correlation > SANE
    if whole.pointing.low <= whole.chance:
        return check("explanation", Verdict.PROBLEM, said)
    if insane:
        return check(
            "explanation", Verdict.PROBLEM, f"{said} It hardly changes when the model's weights are shuffled."
        )
    verdict = Verdict.GOOD if reached >= POINTING_GOOD else Verdict.NOTICE
    return check("explanation", Verdict.PROBLEM if reached < POINTING_BAD else verdict, said)
