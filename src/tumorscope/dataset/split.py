"""Splits that never divide a group.

Owns cross-validation folds and the part kept back for calibration. scikit-learn does the stratification.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import InvalidManifest
from tumorscope.core.optional import require
from tumorscope.dataset.manifest import Manifest

__all__ = ["assign_folds", "hold_out"]


def assign_folds(manifest: Manifest, folds: int = 4, seed: int = 0) -> Manifest:
    """Give every row a fold, keeping the manifest's own folds where all rows have one.

    Parameters
    ----------
    manifest
        The data set.
    folds
        How many folds to make where the manifest has none; classes are balanced over them.
    seed
        Seed of the shuffle.

    Returns
    -------
    Manifest
        Rows in the same order, each with a fold from 1.

    Raises
    ------
    InvalidManifest
        If only some rows have a fold, all have the same, a group has several, or a class has fewer groups
        than folds.
    """
    given = [row.fold for row in manifest]
    if all(fold is not None for fold in given):
        _check_undivided(manifest)
        if len(set(given)) < 2:
            raise InvalidManifest(
                f"all {len(given)} rows are in fold {given[0]}; give at least two folds, or leave the column empty"
            )
        return manifest
    if any(fold is not None for fold in given):
        raise InvalidManifest(
            f"{sum(fold is None for fold in given)} of {len(given)} rows have no fold; give all rows one, or none"
        )
    numbers = np.zeros(len(manifest), dtype=np.int64)
    for number, (_, test) in enumerate(_grouped(manifest, folds, seed), start=1):
        numbers[test] = number
    return manifest.with_folds(numbers.tolist())


def hold_out(manifest: Manifest, fraction: float, seed: int = 0) -> NDArray[np.bool_]:
    """Choose whole groups, balanced by class, to be kept out of a fit.

    Parameters
    ----------
    manifest
        The data set.
    fraction
        Wanted share of the images, in (0, 0.5].
    seed
        Seed of the shuffle.

    Returns
    -------
    numpy.ndarray
        ``bool [N]``, true for the rows kept back.
    """
    parts = max(2, round(1 / fraction))
    _, kept = next(iter(_grouped(manifest, parts, seed)))
    mask = np.zeros(len(manifest), dtype=np.bool_)
    mask[kept] = True
    return mask


def _grouped(manifest: Manifest, folds: int, seed: int) -> Any:
    selection = require("sklearn.model_selection", extra="evaluate", purpose="splitting by group")
    labels = manifest.labels()
    groups = [row.group for row in manifest]
    for position in np.unique(labels):
        members = {group for group, label in zip(groups, labels, strict=True) if label == position}
        if len(members) < folds:
            raise InvalidManifest(
                f"class {manifest.records[int(np.argmax(labels == position))].label} has {len(members)} groups; "
                f"{folds} parts need at least {folds}; give more patients or fewer parts"
            )
    splitter = selection.StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    return splitter.split(labels, labels, groups)


def _check_undivided(manifest: Manifest) -> None:
    seen: dict[str, int | None] = {}
    for row in manifest:
        if seen.setdefault(row.group, row.fold) != row.fold:
            raise InvalidManifest(
                f"a group lies in folds {seen[row.group]} and {row.fold} ({manifest.display_path(row)}); "
                "a group (patient) must lie in one fold"
            )
