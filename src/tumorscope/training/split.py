"""What a run may learn from: nothing that is held out, and no split that leaks.

Owns the choice of rows and the refusal of leaks, before anything is read or trained. Free of torch.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from tumorscope.core.errors import InvalidManifest
from tumorscope.dataset.leaks import count_leaks, find_leaks, fold_sides, part_sides, refuse_leaks
from tumorscope.dataset.manifest import Manifest, Part

__all__ = ["TrainingData", "training_data"]


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What a run learns from.

    Parameters
    ----------
    manifest
        The rows that are neither of the part ``test`` nor excluded, in their order.
    left_out
        How many rows of each other part there are.
    leaks
        For each split that was looked at (``parts``, and ``folds`` where these are trained), how many keys of
        each kind lie on two of its sides.
    """

    manifest: Manifest
    left_out: dict[str, int]
    leaks: dict[str, dict[str, int]]


def training_data(manifest: Manifest, *, folds: bool, allow_leaks: bool = False) -> TrainingData:
    """Choose the rows to learn from and look for leaks by the keys of the manifest.

    The part that the final fit keeps back for calibration is made of undivided groups, so it cannot leak and is
    not looked at here; neither are folds that are yet to be made.

    Parameters
    ----------
    manifest
        The data set.
    folds
        Whether its folds are going to be used.
    allow_leaks
        Whether a leak is recorded instead of refused.

    Raises
    ------
    LeakySplit
        If a key lies in two folds, or in both parts, and leaks are not allowed.
    InvalidManifest
        If no row is left.
    """
    rows = [position for position, row in enumerate(manifest) if row.part in (None, Part.TRAIN)]
    if not rows:
        raise InvalidManifest(
            f"all {len(manifest)} rows are of the parts test and excluded; training needs rows of the part train"
        )
    learnt = manifest.subset(rows)
    if folds:
        _check_classes(learnt)
    leaks = {"parts": count_leaks(find_leaks(manifest, part_sides(manifest)))}
    if folds:
        leaks["folds"] = count_leaks(find_leaks(learnt, fold_sides(learnt)))
    if not allow_leaks:
        refuse_leaks(leaks["parts"], "parts, train and test", "--hold-out FRACTION")
        refuse_leaks(leaks.get("folds", {}), "folds", "--folds K")
    left_out = Counter(row.part.value for row in manifest if row.part not in (None, Part.TRAIN))
    return TrainingData(
        learnt, dict(sorted(left_out.items())), {split: counts for split, counts in leaks.items() if counts}
    )


def _check_classes(manifest: Manifest) -> None:
    """Make sure that each fold's model learns every class that there is."""
    if any(row.fold is None for row in manifest):
        return  # folds are made later, with all classes in each
    there, numbers = {row.label for row in manifest}, {row.fold for row in manifest if row.fold is not None}
    for fold in sorted(numbers) if len(numbers) > 1 else ():
        absent = [key.value for key in sorted(there - {row.label for row in manifest if row.fold != fold})]
        if absent:
            raise InvalidManifest(
                f"all images of {', '.join(absent)} are in fold {fold}, so its model could not learn it; "
                "spread the patients of a class over the folds, such as by tumorscope data split --folds 4"
            )
