"""Where the verdicts of an evaluation turn, and what a part that is missing would have told.

Owns the numbers between good, notice and problem, the words that the page prints of them, and the shape of a verdict.
Judges nothing itself: see :mod:`tumorscope.reporting.evaluation_verdicts`.
"""

from __future__ import annotations

from collections.abc import Iterator

from tumorscope.core.card import Figure
from tumorscope.core.labels import Diagnosis
from tumorscope.dataset.audit.document import Check, Verdict
from tumorscope.dataset.certificate import FEWEST_GROUPS
from tumorscope.evaluation.report import Parts, Support
from tumorscope.reporting.page import count, percent, spoken

__all__ = [
    "ANCHORS",
    "AUROC_BAD",
    "AUROC_GOOD",
    "DROP_BAD",
    "DROP_GOOD",
    "ECE_BAD",
    "ECE_GOOD",
    "FILLED_BAD",
    "LINES",
    "NOT_MEASURED",
    "POINTING_BAD",
    "POINTING_GOOD",
    "SANE",
    "SIZE_GOOD",
    "WAY_BAD",
    "check",
    "missing",
    "named",
    "not_measured",
    "not_run",
    "resting_on",
    "too_few",
    "with_interval",
]

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
    (
        "Calibration, stress and shortcuts",
        f"none where a class has fewer than {FEWEST_GROUPS} groups: that is too few to say.",
    ),
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

TITLES = {
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


def not_measured(key: str) -> str:
    """The one line that stands for a missing part."""
    return f"Not measured: {NOT_MEASURED[key]}."


def check(key: str, verdict: Verdict, sentence: str, number: int | None = None) -> Check:
    """A verdict under the title of its part."""
    return Check(key=key, title=TITLES[key], verdict=verdict, sentence=sentence, count=number)


def not_run(key: str) -> Check:
    """The verdict on a part that is missing."""
    return check(key, Verdict.NOT_RUN, not_measured(key))


def too_few(support: Support | None, *, kinds: int = 1) -> str:
    """What is to be said instead of a verdict where a class has too few groups; empty where there are enough.

    ``kinds`` is how many classes there are at least, which decides where only the number of images is known.
    """
    if support is None or not support.images:
        return ""
    if not support.groups:
        few = support.images < kinds * FEWEST_GROUPS
        return f"Too few to judge ({FEWEST_GROUPS} groups a class are needed)." if few else ""
    scarce = {key: groups for key, groups in support.groups.items() if groups < FEWEST_GROUPS}
    if not scarce:
        return ""
    words = spoken(f"{named(key)} {count(groups)}" for key, groups in scarce.items())
    return f"Too few to judge: groups of {words}, where {FEWEST_GROUPS} a class are needed."


def resting_on(support: Support | None) -> str:
    """``400 images of 211 groups``; without groups where they are not known, and empty where nothing is."""
    if support is None:
        return ""
    images = f"{count(support.images)} image{'' if support.images == 1 else 's'}"
    groups = sum(support.groups.values())
    return images if not groups else f"{images} of {count(groups)} group{'' if groups == 1 else 's'}"


def with_interval(figure: Figure) -> str:
    """A rate and its interval in words."""
    return f"{percent(figure.value)} ({figure.low * 100:.1f} to {percent(figure.high)})"


def named(key: str) -> str:
    """A class by its name, anything else as it is."""
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
