"""The verdict on the shortcut probe.

Owns when a class that is known without looking at the brain is a problem, and which features may be named for it. The
probe itself is
:mod:`tumorscope.dataset.shortcut`.
"""

from __future__ import annotations

import math

from tumorscope.dataset.audit.document import Check, ShortcutFigures, Verdict
from tumorscope.dataset.audit.words import listed, percent

__all__ = ["HALF", "LEAST", "least_loss", "named_features", "shortcut_check"]

HALF = 0.5
"""Share of what chance gets wrong that the probe gets right: from a half on, most of what a classifier could show on
this data can be had without a brain, and its score cannot be told from recognising the source."""

LEAST = 0.02
"""Accuracy that a feature must cost when it is shuffled, to be named."""

_KEY, _TITLE = "shortcuts", "Class known without the brain"
_NAMED = 3


def least_loss(slices: int) -> float:
    """The smallest loss of accuracy by which a feature is told from one that says nothing.

    Shuffling any feature changes some answers, as many for the better as for the worse where it says nothing. The sum
    of N answers of which one in nine changes has a standard deviation of sqrt(N / 9); three of those, as a share, are
    1 / sqrt(N). In 83 made-up sets of 24 to 2,600 slices with two features that tell and 24 that do not, none of the
    24 was named, though 6 to 12 of them cost something in each. Of large sets 2 points are asked for all the same:
    less is no reason of a shortcut.

    Parameters
    ----------
    slices
        That the probe was measured on.
    """
    return max(LEAST, 1.0 / math.sqrt(slices)) if slices else 1.0


def named_features(figures: ShortcutFigures) -> dict[str, float]:
    """The features that may be named, with what each costs, the largest loss first."""
    least = least_loss(figures.images)
    ranked = sorted(figures.importances.items(), key=lambda item: -item[1])
    return {name: loss for name, loss in ranked if loss >= least}


def shortcut_check(figures: ShortcutFigures | None) -> Check:
    """Judge the figures of the probe.

    Parameters
    ----------
    figures
        What the probe found; ``None`` where there was too little to find anything.
    """
    if figures is None:
        return Check(
            key=_KEY,
            title=_TITLE,
            verdict=Verdict.NOT_RUN,
            sentence=(
                "Too little to learn from: the probe needs 20 different slices of two or more classes, and two groups "
                "of each class (patients, or images that are no copies of each other)."
            ),
        )
    lift = (figures.accuracy - figures.chance) / (1.0 - figures.chance) if figures.chance < 1.0 else 0.0
    verdict = Verdict.GOOD
    if figures.low > figures.chance:
        verdict = Verdict.PROBLEM if lift >= HALF else Verdict.NOTICE
    strongest = list(named_features(figures))[:_NAMED]
    reason = ""
    if verdict is not Verdict.GOOD:
        reason = f", most of all by {listed(strongest)}" if strongest else ", by no single feature"
    return Check(
        key=_KEY,
        title=_TITLE,
        verdict=verdict,
        sentence=(
            f"File, border and grey-value statistics alone give the class of {percent(figures.accuracy)} of "
            f"{figures.images:,} slices (95 % interval {100 * figures.low:.1f} to {100 * figures.high:.1f}), where "
            f"always saying the most frequent class gives {percent(figures.chance)}{reason}."
        ),
        count=None,
    )
