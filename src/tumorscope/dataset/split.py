"""Splits that never divide what belongs together.

Owns cross-validation folds, the part kept back, and the part of an official test set that does not leak. What
belongs together is for :mod:`tumorscope.dataset.groups` to say. scikit-learn does the stratification.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import InvalidConfiguration, InvalidManifest
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.core.optional import require
from tumorscope.dataset.copies.pair import CopyPair
from tumorscope.dataset.groups import undivided_groups
from tumorscope.dataset.leaks import count_leaks, find_leaks, fold_sides, refuse_leaks
from tumorscope.dataset.manifest import Manifest, OfficialSplit, Part

__all__ = ["LARGEST_HOLD_OUT", "assign_folds", "hold_out", "hold_out_groups", "leak_free", "make_folds"]

LARGEST_HOLD_OUT = 0.5


def assign_folds(manifest: Manifest, folds: int = 4, seed: int = 0, *, allow_leaks: bool = False) -> Manifest:
    """Give every row a fold, keeping the manifest's own folds where all rows have one.

    Parameters
    ----------
    manifest
        The data set.
    folds
        How many folds to make where the manifest has none; classes are balanced over them.
    seed
        Seed of the shuffle.
    allow_leaks
        Whether the manifest's own folds may leak.

    Returns
    -------
    Manifest
        Rows in the same order, each with a fold from 1.

    Raises
    ------
    LeakySplit
        If a key of the manifest lies in two of its folds and leaks are not allowed.
    InvalidManifest
        If only some rows have a fold, all have the same, or a class has fewer groups than folds.
    """
    given = [row.fold for row in manifest]
    if all(fold is not None for fold in given):
        if len(set(given)) < 2:
            raise InvalidManifest(
                f"all {len(given)} rows are in fold {given[0]}; give at least two folds, or leave the column empty"
            )
        if not allow_leaks:
            refuse_leaks(count_leaks(find_leaks(manifest, fold_sides(manifest))), "folds", f"--folds {folds}")
        return manifest
    if any(fold is not None for fold in given):
        raise InvalidManifest(
            f"{sum(fold is None for fold in given)} of {len(given)} rows have no fold; give all rows one, or none"
        )
    return manifest.with_folds(make_folds(manifest, folds, seed).tolist())


def make_folds(
    manifest: Manifest, folds: int, seed: int = 0, pairs: Sequence[CopyPair] = ()
) -> NDArray[np.int64]:
    """Make folds anew, whatever the manifest says, with classes balanced over them.

    Parameters
    ----------
    manifest
        The data set; the order of its rows does not matter.
    folds
        How many, at least 2.
    seed
        Seed of the shuffle.
    pairs
        Near copies, as positions in the manifest.

    Returns
    -------
    numpy.ndarray
        ``int64 [N]``, from 1.

    Raises
    ------
    InvalidConfiguration
        If ``folds`` is less than 2.
    InvalidManifest
        If a class has fewer undivided groups than folds.
    """
    if folds < 2:
        raise InvalidConfiguration(f"{folds} folds were asked for; at least 2 are needed")
    groups, labels = undivided_groups(manifest, pairs), manifest.labels()
    for position in np.unique(labels):
        count = len(np.unique(groups[labels == position]))
        if count < folds:
            raise InvalidManifest(
                f"class {CLASS_ORDER[position].value} has {count} groups; {folds} folds need at least "
                f"{folds}; give more patients or fewer folds"
            )
    return _balanced(groups, labels, folds, seed) + 1


def hold_out(
    manifest: Manifest, fraction: float, seed: int = 0, pairs: Sequence[CopyPair] = ()
) -> NDArray[np.bool_]:
    """Choose whole groups, balanced by class, to be kept out of a fit.

    Parameters
    ----------
    manifest
        The data set; the order of its rows does not matter.
    fraction
        Wanted share of the images of every class, in (0, 0.5]; reached as nearly as whole groups allow.
    seed
        Seed of the shuffle.
    pairs
        Near copies, as positions in the manifest.

    Returns
    -------
    numpy.ndarray
        ``bool [N]``, true for the rows kept back.

    Raises
    ------
    InvalidConfiguration
        If the fraction is out of range.
    InvalidManifest
        If a class has too few undivided groups for the fraction.
    """
    return hold_out_groups(undivided_groups(manifest, pairs), manifest.labels(), fraction, seed)


def hold_out_groups(
    groups: NDArray[np.str_], labels: NDArray[np.int64], fraction: float, seed: int = 0
) -> NDArray[np.bool_]:
    """Choose groups as :func:`hold_out` does, where it is known what belongs together.

    Parameters
    ----------
    groups, labels
        The undivided group and the position of the class of each row, ``[N]``.
    fraction, seed
        As for :func:`hold_out`, which says what is raised too.
    """
    if not 0 < fraction <= LARGEST_HOLD_OUT:
        raise InvalidConfiguration(
            f"a share of {fraction} was asked to be held out; it must be above 0 and at most {LARGEST_HOLD_OUT}"
        )
    kept = _spread(groups, labels, fraction, seed)
    for position in np.unique(labels):
        if not kept[labels == position].any():
            raise InvalidManifest(
                f"class {CLASS_ORDER[position].value} has {len(np.unique(groups[labels == position]))} "
                f"groups, too few to hold out {fraction:.3g} of its images; give more patients or a larger fraction"
            )
    return kept


def leak_free(manifest: Manifest, pairs: Sequence[CopyPair] = ()) -> tuple[Part, ...]:
    """Find the official test images that have no copy and no patient among the others.

    Parameters
    ----------
    manifest
        The data set with its official split.
    pairs
        Near copies, as positions in the manifest.

    Returns
    -------
    tuple of Part
        ``test`` for official Testing images that are tied to no other image outside Testing, through any number
        of others; ``excluded`` for the other Testing images; ``train`` for all that are not Testing.

    Raises
    ------
    InvalidManifest
        If the manifest has no Testing images, or nothing else.
    """
    testing = np.array([row.official_split is OfficialSplit.TESTING for row in manifest], dtype=np.bool_)
    if not testing.any() or testing.all():
        raise InvalidManifest(
            f"{testing.sum()} of {len(manifest)} rows have the official_split Testing; a leak-free part needs the "
            "official Training and Testing images; hold out a part of your own by --hold-out instead"
        )
    groups = undivided_groups(manifest, pairs)
    tied = np.isin(groups, groups[~testing])
    return tuple(
        Part.TRAIN if not is_testing else (Part.EXCLUDED if is_tied else Part.TEST)
        for is_testing, is_tied in zip(testing.tolist(), tied.tolist(), strict=True)
    )


def _balanced(
    groups: NDArray[np.str_], labels: NDArray[np.int64], parts: int, seed: int
) -> NDArray[np.int64]:
    """The part of each row, ``int64 [N]`` from 0, the same for any order of the rows."""
    selection = require("sklearn.model_selection", extra="evaluate", purpose="splitting by group")
    splitter = selection.StratifiedGroupKFold(n_splits=parts, shuffle=True, random_state=seed)
    order = np.lexsort((labels, groups))
    numbers = np.zeros(len(labels), dtype=np.int64)
    for number, (_, members) in enumerate(splitter.split(labels[order], labels[order], groups[order])):
        numbers[order[members]] = number
    return numbers


def _spread(
    groups: NDArray[np.str_], labels: NDArray[np.int64], fraction: float, seed: int
) -> NDArray[np.bool_]:
    """Choose groups, the largest first, so that of all looked at so far the wanted share of each class is chosen.

    Large and small groups are chosen alike, unless one alone is more than the share; the small ones at the end
    even out what the large ones left.
    """
    _, group, size = np.unique(groups, return_inverse=True, return_counts=True)
    _, label = np.unique(labels, return_inverse=True)
    counts = np.zeros((len(size), label.max() + 1))
    np.add.at(counts, (group, label), 1)
    counts /= counts.sum(axis=0)
    order = np.random.default_rng(seed).permutation(len(size))
    order = order[np.argsort(-size[order], kind="stable")]
    chosen = np.zeros(len(size), dtype=np.bool_)
    lacking = np.zeros(counts.shape[1])
    for number in order:
        lacking += fraction * counts[number]
        if np.abs(lacking - counts[number]).sum() < np.abs(lacking).sum():
            chosen[number] = True
            lacking -= counts[number]
    return chosen[group]
