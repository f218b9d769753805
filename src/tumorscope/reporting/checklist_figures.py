"""Answers to what checklists ask of figures, from an evaluation.

Owns the sentences, and that no figure is told without its protocol and its leaks. What was not measured is said so and
left to the authors.
"""

from __future__ import annotations

from collections.abc import Iterable

from tumorscope.dataset.audit.document import Check, Verdict
from tumorscope.reporting.checklist_items import Answer, Known, authors, filled
from tumorscope.reporting.evaluation_verdicts import verdicts
from tumorscope.reporting.figure_words import FIGURE_NAMES, split_name, with_interval
from tumorscope.reporting.page import count, percent, spoken
from tumorscope.reporting.verdict_lines import not_measured

__all__ = [
    "CARD",
    "EVALUATION",
    "by_class_performance",
    "excluded",
    "explanation",
    "external_testing",
    "failures",
    "internal_testing",
    "intervals",
    "metrics",
    "overall_performance",
    "poor_input",
    "robustness",
    "size_of",
    "strata",
    "unreadable",
]

CARD, EVALUATION = "model card", "evaluation.json"
"""Where answers come from."""

_NO_EVALUATION = "Not measured: no evaluation was given. Make one with 'tumorscope evaluate'."


def metrics(known: Known) -> Answer:
    """Which figures were measured."""
    if known.evaluated is None:
        return authors(_NO_EVALUATION)
    kinds = dict.fromkeys(
        FIGURE_NAMES.get(kind, kind) for kind in (split_name(name)[0] for name in known.evaluated.figures)
    )
    further = [
        name
        for name, measured in (
            ("ECE and Brier score", known.parts.calibration),
            ("coverage of prediction sets", known.parts.coverage),
            ("AUROC of novelty", known.parts.novelty),
            ("pointing game", known.parts.explanation),
        )
        if measured
    ]
    return filled(f"{spoken([*kinds, *further])}.", EVALUATION, "Why these, for the use in mind.")


def intervals(known: Known) -> Answer:
    """How uncertainty was measured."""
    if known.evaluated is None:
        return authors(_NO_EVALUATION)
    interval = known.evaluated.interval
    return filled(
        f"Intervals of {percent(interval.level, 0)}: {interval.method}, {count(interval.resamples)} resamples, seed "
        f"{interval.seed}. Copies of a slice count once.",
        EVALUATION,
    )


def robustness(known: Known) -> Answer:
    """What stress and shortcut tests found."""
    return _verdict(known, ("stress", "shortcut"))


def explanation(known: Known) -> Answer:
    """What the heat-map is, and how it was checked."""
    found = _verdict(known, ("explanation",))
    kind = f"Heat-map from the network's own evidence ({known.card.heatmap_kind})."
    if not found.text:
        return filled(kind, CARD, found.left)
    return filled(f"{kind} {found.text}", f"{CARD}, {EVALUATION}")


def external_testing(known: Known) -> Answer:
    """Whether images from elsewhere were tested."""
    evaluated = known.evaluated
    if evaluated is not None and evaluated.protocol == "external":
        return filled(f"{evaluated.protocol_meaning} {_headline(known)}", EVALUATION, "What sets them apart.")
    told = (
        _NO_EVALUATION if evaluated is None else f"Not measured: the protocol here is {evaluated.protocol}."
    )
    return authors(f"{told} Test on images of another source with --protocol external.")


def internal_testing(known: Known) -> Answer:
    """Figures on images of the same sources."""
    evaluated = known.evaluated
    if evaluated is None:
        return authors(_NO_EVALUATION)
    if evaluated.protocol == "external":
        return authors("Not measured here: the protocol is external.")
    return filled(f"{evaluated.protocol_meaning} {_headline(known)}", EVALUATION)


def overall_performance(known: Known) -> Answer:
    """The figures of all images with their intervals."""
    if known.evaluated is None:
        return authors(_NO_EVALUATION)
    return filled(_headline(known), EVALUATION)


def by_class_performance(known: Known) -> Answer:
    """The figures of each class with their intervals."""
    if known.evaluated is None:
        return authors(_NO_EVALUATION)
    figures = known.evaluated.figures
    told = [
        with_interval(name, figure) for name, figure in figures.items() if split_name(name)[1] is not None
    ]
    return filled(f"{_stamp(known)}{'; '.join(told)}.", EVALUATION)


def strata(known: Known) -> Answer:
    """Where the model falls behind."""
    return _verdict(known, ("strata",))


def failures(known: Known) -> Answer:
    """How many answers were wrong, and where to see the worst."""
    if known.evaluated is None:
        return authors(_NO_EVALUATION)
    rows = known.evaluated.confusion
    wrong = sum(map(sum, rows)) - sum(row[place] for place, row in enumerate(rows))
    shown = len(known.parts.mistakes)
    gallery = (
        f"The report shows the most confident of {count(shown)} wrong answers."
        if shown
        else not_measured("mistakes")
    )
    told = [check.sentence for check in _checks(known) if check.key in {"classes", "strata"}]
    return filled(
        f"{_slices(wrong)} of {count(known.evaluated.slices)} slices were answered wrongly. {' '.join(told)} {gallery}",
        EVALUATION,
        "What the errors have in common.",
    )


def excluded(known: Known) -> Answer:
    """How many were included and left out."""
    if known.evaluated is None:
        return authors(
            f"{_NO_EVALUATION} Then: how many patients and images were included and excluded, and why."
        )
    failed = len(known.evaluated.failures)
    unread = (
        f"{count(failed)} images could not be read and are in no figure."
        if failed
        else "No image was unreadable."
    )
    return filled(
        f"{size_of(known).capitalize()} were measured. {unread}",
        EVALUATION,
        "How many patients and images were excluded before, and why; a flow chart.",
    )


def poor_input(known: Known) -> Answer:
    """What happens to an input that cannot be judged."""
    told = "" if known.parts.novelty is None else f" {_told(known, 'novelty')}"
    return filled(
        "A file that cannot be read, or that is no gray image, is refused with a message. An image unlike those of "
        f"training (novelty above {known.card.thresholds.novelty_limit:.3f}) is answered as rejected.{told}",
        CARD if known.parts.novelty is None else f"{CARD}, {EVALUATION}",
    )


def _told(known: Known, key: str) -> str:
    return next((check.sentence for check in _checks(known) if check.key == key), "")


def unreadable(number: int) -> str:
    """So many images that could not be read."""
    return f"{count(number)} unreadable image{'' if number == 1 else 's'}"


def _slices(number: float) -> str:
    """Copies share the weight of a slice, so there may be parts of one."""
    return f"{number:,.1f}".removesuffix(".0")


def size_of(known: Known) -> str:
    """What was evaluated, counted in images, slices, groups and patients; empty where nothing was."""
    evaluated = known.evaluated
    if evaluated is None:
        return ""
    return (
        f"{count(evaluated.images)} images of {count(evaluated.slices)} slices in {count(evaluated.groups)} groups, "
        f"{count(evaluated.patients)} of them known patients"
    )


def _stamp(known: Known) -> str:
    """The protocol before every figure, and the leak."""
    evaluated = known.evaluated
    if evaluated is None:
        return ""
    return f"Protocol {evaluated.protocol}{', LEAKY SPLIT' if evaluated.leaky else ''}: "


def _headline(known: Known) -> str:
    figures = {} if known.evaluated is None else known.evaluated.figures
    told = [with_interval(name, figure) for name, figure in figures.items() if split_name(name)[1] is None]
    part = known.parts.calibration
    if part is not None:
        told.append(f"ECE {part.ece.value:.3f} ({part.ece.low:.3f} to {part.ece.high:.3f})")
    return f"{_stamp(known)}{'; '.join(told)}."


def _checks(known: Known) -> tuple[Check, ...]:
    return () if known.evaluated is None else verdicts(known.evaluated, known.parts)


def _verdict(known: Known, keys: Iterable[str]) -> Answer:
    """The verdict lines of some parts; what was not measured is left to the authors."""
    if known.evaluated is None:
        return authors(" ".join([_NO_EVALUATION, *(not_measured(key) for key in keys)]))
    found = {check.key: check for check in _checks(known)}
    told = [found[key].sentence for key in keys if found[key].verdict is not Verdict.NOT_RUN]
    left = " ".join(found[key].sentence for key in keys if found[key].verdict is Verdict.NOT_RUN)
    return filled(f"{_stamp(known)}{' '.join(told)}", EVALUATION, left) if told else authors(left)
