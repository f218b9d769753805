"""The data of a search: what it may see, and what of it is held out of a trial.

Owns the inner validation. Groups are never divided, and nothing of a test protocol is looked at: rows of the part
``test`` and of the official Testing folder are not even read. Free of torch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import InvalidConfiguration, InvalidManifest
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.dataset.manifest import Manifest, OfficialSplit
from tumorscope.dataset.split import hold_out, make_folds
from tumorscope.training.split import training_data

__all__ = ["InnerFold", "SearchData", "Validation", "search_data", "split_inside"]

OFFICIAL = "official Testing folder"


@dataclass(frozen=True, slots=True)
class SearchData:
    """What a search may see.

    Parameters
    ----------
    manifest
        The rows, in their order.
    left_out
        How many other rows there are, by why.
    """

    manifest: Manifest
    left_out: dict[str, int]


@dataclass(frozen=True, slots=True)
class Validation:
    """How images are held out of a trial: a share once, or folds.

    Parameters
    ----------
    hold_out
        Share of the images of every class; used where ``folds`` is ``None``.
    folds
        How many folds are made.
    subset
        Which of them are trained; ``None`` for all.
    seed
        Of the split.
    """

    hold_out: float = 0.2
    folds: int | None = None
    subset: tuple[int, ...] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.subset is None:
            return
        if self.folds is None:
            raise InvalidConfiguration("a subset of folds was given without their number; add --folds K")
        wrong = [number for number in self.subset if not 1 <= number <= self.folds]
        if wrong or len(set(self.subset)) < len(self.subset) or not self.subset:
            raise InvalidConfiguration(
                f"the subset of folds is {','.join(map(str, self.subset))}; "
                f"different numbers from 1 to {self.folds} are needed"
            )

    @property
    def trained(self) -> tuple[int, ...]:
        """The folds that are trained; one where a share is held out."""
        return (1,) if self.folds is None else (self.subset or tuple(range(1, self.folds + 1)))


@dataclass(frozen=True, slots=True, eq=False)
class InnerFold:
    """Positions in the manifest, ``int64 [M]`` each: what is learnt from, and what is held out."""

    learn: NDArray[np.int64]
    watch: NDArray[np.int64]


def search_data(manifest: Manifest, without_fold: int | None = None) -> SearchData:
    """Leave out what is for testing.

    Parameters
    ----------
    manifest
        The data set.
    without_fold
        A fold of the manifest that is kept for an outer measurement.

    Raises
    ------
    LeakySplit
        If the parts ``train`` and ``test`` share a patient, group, slice or picture.
    InvalidManifest
        If nothing is left, a class is absent, or the manifest has no such fold.
    """
    chosen = training_data(manifest, folds=without_fold is not None)
    left_out = {f"part {part}": count for part, count in chosen.left_out.items()}
    rows = list(range(len(chosen.manifest)))
    official = {i for i in rows if chosen.manifest.records[i].official_split is OfficialSplit.TESTING}
    outer = {i for i in rows if without_fold is not None and chosen.manifest.records[i].fold == without_fold}
    if without_fold is not None and not outer:
        raise InvalidManifest(f"no row of the manifest is in fold {without_fold}; name one that it has")
    if official:
        left_out[OFFICIAL] = len(official)
    if outer - official:
        left_out[f"fold {without_fold}"] = len(outer - official)
    seen = chosen.manifest.subset(i for i in rows if i not in official | outer)
    absent = [key.value for key in CLASS_ORDER if key not in {row.label for row in seen}]
    if absent:
        raise InvalidManifest(
            f"the {len(seen)} images that a search may see hold no {', '.join(absent)}; all four classes are needed"
        )
    return SearchData(seen, left_out)


def split_inside(manifest: Manifest, validation: Validation) -> tuple[InnerFold, ...]:
    """Divide the rows by whole groups, for every fold that is trained."""
    if validation.folds is None:
        kept = hold_out(manifest, validation.hold_out, seed=validation.seed)
        return (InnerFold(np.flatnonzero(~kept), np.flatnonzero(kept)),)
    numbers = make_folds(manifest, validation.folds, seed=validation.seed)
    return tuple(
        InnerFold(np.flatnonzero(numbers != number), np.flatnonzero(numbers == number))
        for number in validation.trained
    )
