"""Folds that hold out whole intensity styles: what the protocol ``shifted`` rests on.

Owns the check that answers were made on such folds, and what a reader must know of them. How styles are found is in
:mod:`tumorscope.dataset.styles`.
"""

from __future__ import annotations

import numpy as np

from tumorscope.core.errors import InvalidManifest
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.evaluation.predictions import PredictionTable

__all__ = ["holds_whole_styles", "refuse_divided_styles", "style_notes", "styles_by_fold"]

_REMEDY = (
    "split by 'tumorscope data split MANIFEST --by-style --folds K --out NEW' and train on NEW with --folds"
)


def styles_by_fold(table: PredictionTable) -> dict[int, tuple[str, ...]]:
    """The styles of each fold; none for answers without folds or styles."""
    if table.folds is None or table.styles is None:
        return {}
    return {
        int(fold): tuple(_in_order(table.styles[table.folds == fold].tolist()))
        for fold in np.unique(table.folds)
    }


def holds_whole_styles(table: PredictionTable) -> bool:
    """Whether every answer has a style and no style lies in two of at least two folds."""
    folds = styles_by_fold(table)
    return len(folds) > 1 and not _without_style(table) and not _divided(folds)


def refuse_divided_styles(table: PredictionTable) -> None:
    """Make sure that answers were made by models that had not seen their style.

    Raises
    ------
    InvalidManifest
        If an answer has no style, or a style lies in two folds.
    """
    lacking = _without_style(table)
    if lacking:
        raise InvalidManifest(
            f"{lacking:,} of {len(table):,} answers have no style and the protocol shifted needs one each; {_REMEDY}"
        )
    divided = _divided(styles_by_fold(table))
    if divided:
        name, folds = next(iter(divided.items()))
        raise InvalidManifest(
            f"{len(divided)} of {len(set(_names(table)))} styles lie in two folds or more, the first is {name} in the "
            f"folds {', '.join(map(str, folds))}, and the protocol shifted needs whole styles in one fold; {_REMEDY}"
        )


def style_notes(table: PredictionTable) -> tuple[str, ...]:
    """What lies in which fold, and the classes of which a fold has no image.

    Parameters
    ----------
    table
        Answers that :func:`refuse_divided_styles` does not refuse.
    """
    folds = np.asarray(table.folds)
    told = []
    for fold, styles in styles_by_fold(table).items():
        labels = set(table.labels[folds == fold].tolist())
        absent = [key.value for key in CLASS_ORDER if key.position not in labels]
        told.append(
            f"fold {fold} has {', '.join(styles)}" + (f" and no {', '.join(absent)}" if absent else "")
        )
    return (
        f"The folds are whole intensity styles: {'; '.join(told)}. They are uneven in their classes, so a fall "
        "against folds by group is the sum of new looks and of fewer images to learn a class from.",
    )


def _without_style(table: PredictionTable) -> int:
    return len(table) if table.styles is None else int((table.styles == "").sum())


def _names(table: PredictionTable) -> list[str]:
    return [] if table.styles is None else table.styles.tolist()


def _divided(folds: dict[int, tuple[str, ...]]) -> dict[str, list[int]]:
    """Styles of several folds, with these."""
    found = {
        name: [fold for fold, styles in folds.items() if name in styles]
        for name in _in_order([name for styles in folds.values() for name in styles])
    }
    return {name: where for name, where in found.items() if len(where) > 1}


def _in_order(names: list[str]) -> list[str]:
    """Distinct names; ``style-10`` after ``style-9``."""
    return sorted(set(names), key=lambda name: (len(name), name))
