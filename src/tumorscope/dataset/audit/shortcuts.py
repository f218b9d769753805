"""The verdict on the shortcut probe.

Owns when a class that is known without looking at the brain is a problem. The probe itself is
:mod:`tumorscope.dataset.shortcut`.
"""

from __future__ import annotations

from tumorscope.dataset.audit.document import Check, ShortcutFigures, Verdict
from tumorscope.dataset.audit.words import listed, percent

__all__ = ["HALF", "shortcut_check"]

HALF = 0.5
"""Share of what chance gets wrong that the probe gets right: from a half on, most of what a classifier could show on
this data can be had without a brain, and its score cannot be told from recognising the source."""

_KEY, _TITLE = "shortcuts", "Class known without the brain"
_NAMED = 3


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
    strongest = [name for name, loss in figures.importances.items() if loss > 0][:_NAMED]
    reason = f", most of all by {listed(strongest)}" if strongest and verdict is not Verdict.GOOD else ""
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
