"""What too few groups cannot carry: rates that rest on one group, and folds of one.

Owns the smallest number of groups that an interval may be made of, and what a reader is told below it. One
group says nothing of how groups differ: whatever interval is made of it promises more than there is.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.card import Figure
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.evaluation.predictions import PredictionTable

__all__ = ["FEWEST", "few_groups_notes", "groups_behind", "without_false_certainty"]

FEWEST = 2
"""Groups that an interval needs at least."""


def without_false_certainty(figures: Mapping[str, Figure], table: PredictionTable) -> dict[str, Figure]:
    """The figures, with nothing promised of those that rest on fewer than :data:`FEWEST` groups.

    Parameters
    ----------
    figures
        Of the table, by name.
    table
        The answers.

    Returns
    -------
    dict
        Such rates have the interval 0 to 1; means of losses, which have no upper end, are left out.
    """
    support = groups_behind(table)
    found = {}
    for name, figure in figures.items():
        if support.get(name, table.group_count) >= FEWEST:
            found[name] = figure
        elif not name.startswith("loss"):
            found[name] = Figure(value=figure.value, low=0.0, high=1.0)
    return found


def few_groups_notes(table: PredictionTable) -> tuple[str, ...]:
    """What a reader must know of folds and classes with fewer than :data:`FEWEST` groups."""
    found = []
    if table.folds is not None:
        count = {int(fold): _groups(table, table.folds == fold) for fold in np.unique(table.folds)}
        small = [str(fold) for fold, groups in count.items() if groups < FEWEST]
        if small:
            found.append(
                f"Fewer than {FEWEST} groups in fold {', '.join(small)}: what is said of it is said of one patient, "
                "and what was fitted without it was not tested."
            )
    if table.group_count < FEWEST:
        found.append(
            "All images are of one group: no interval can be given, rates say 0 to 1, losses are left out."
        )
        return tuple(found)
    alone = [key.value for key in CLASS_ORDER if _groups(table, table.labels == key.position) == 1]
    if alone:
        found.append(
            f"A single group each of {', '.join(alone)}: no interval can be given for rates that rest on it, they say "
            "0 to 1, and averages over classes look surer than they are."
        )
    return tuple(found)


def groups_behind(table: PredictionTable) -> dict[str, int]:
    """How many groups the figures of each class rest on, by their names; all others rest on every group.

    An area under a curve compares images of a class with images of the others: it rests on the fewer of the two.
    """
    said = table.logits.argmax(axis=1)
    found = {}
    for key in CLASS_ORDER:
        own, other = (_groups(table, part) for part in _sides(table.labels == key.position))
        found[f"sensitivity_{key.value}"] = own
        found[f"specificity_{key.value}"] = other
        found[f"ppv_{key.value}"] = _groups(table, said == key.position)
        for kind in ("auroc", "ap"):
            found[f"{kind}_{key.value}"] = min(own, other)
    return found


def _sides(of_class: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    return of_class, ~of_class


def _groups(table: PredictionTable, rows: NDArray[np.bool_]) -> int:
    return len(np.unique(table.groups[rows]))
