"""Folds that hold out whole intensity styles.

Owns which styles go together to a fold and what is excluded, so that a model which recognises where an image comes from
is found out on the data at hand. After group-wise shift benchmarks (Koh et al., WILDS, ICML 2021). How styles are found
is in :mod:`tumorscope.dataset.styles`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import InvalidConfiguration, InvalidManifest
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.dataset.copies.pair import CopyPair
from tumorscope.dataset.groups import undivided_groups, with_groups
from tumorscope.dataset.manifest import Manifest, Part

__all__ = ["StyleFold", "StyleSplit", "split_by_style"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class StyleFold:
    """What one fold holds.

    Parameters
    ----------
    fold
        Its number, from 1.
    styles
        The styles that are in it and in no other.
    images
        By class key; 0 for a class that none of its styles shows.
    """

    fold: int
    styles: tuple[str, ...]
    images: dict[str, int]

    @property
    def absent(self) -> tuple[str, ...]:
        """Classes without an image in this fold: no figure of them can be had from it."""
        return tuple(key for key, count in self.images.items() if not count)


@dataclass(frozen=True, slots=True)
class StyleSplit:
    """Folds of whole styles and whole groups.

    Parameters
    ----------
    manifest
        The rows in their order, each with its style; excluded ones have no fold and the part ``excluded``.
    folds
        What each fold holds.
    excluded
        How many images are left out since most of their group lies in the style of another fold.
    """

    manifest: Manifest
    folds: tuple[StyleFold, ...]
    excluded: int


def split_by_style(
    manifest: Manifest,
    styles: NDArray[np.str_],
    folds: int = 4,
    pairs: Sequence[CopyPair] = (),
) -> StyleSplit:
    """Make folds that are whole styles and whole groups.

    Styles are put together to folds whose images and classes are as even as whole styles allow. A group goes where most
    of it lies; its images in styles of other folds are excluded, or the held-out style would be learnt from.

    Parameters
    ----------
    manifest
        The data set; rows of the parts ``test`` and ``excluded`` stay as they are, without a fold.
    styles
        ``str [N]``, from :func:`~tumorscope.dataset.styles.assign_styles`.
    folds
        How many, at least 2 and at most as many as styles.
    pairs
        Near copies, as positions in the manifest.

    Raises
    ------
    InvalidConfiguration
        If the number of folds does not fit the styles.
    InvalidManifest
        If a class would be in one fold only, so that it is never both learnt and measured.
    """
    tied = with_groups(manifest, undivided_groups(manifest, pairs))
    learnt = np.array([row.part in (None, Part.TRAIN) for row in tied], dtype=np.bool_)
    names = np.unique(styles[learnt])
    if not 2 <= folds <= len(names):
        raise InvalidConfiguration(
            f"{folds} folds were asked for; between 2 and {len(names)}, the styles, are possible"
        )
    labels, weights = tied.labels(), tied.weights()
    counts = np.array(
        [
            np.bincount(labels[learnt & (styles == name)], weights[learnt & (styles == name)], minlength=4)
            for name in names
        ]
    )
    fold_of_style = dict(zip(names.tolist(), _pack(counts, folds).tolist(), strict=True))
    wanted = np.array([fold_of_style.get(style, 0) for style in styles.tolist()])
    number = np.zeros(len(tied), dtype=np.int64)
    _, group = np.unique([row.group for row in tied], return_inverse=True)
    mass = np.zeros((int(group.max()) + 1, folds + 1))
    np.add.at(mass, (group[learnt], wanted[learnt]), weights[learnt])
    home = mass[:, 1:].argmax(axis=1) + 1
    number[learnt] = np.where(home[group] == wanted, wanted, 0)[learnt]
    rows = tuple(
        replace(
            row,
            fold=int(fold) or None,
            part=Part.EXCLUDED if is_learnt and not fold else row.part,
            style=style,
        )
        for row, fold, is_learnt, style in zip(
            tied, number.tolist(), learnt.tolist(), styles.tolist(), strict=True
        )
    )
    described = tuple(
        StyleFold(
            fold,
            tuple(name for name in names.tolist() if fold_of_style[name] == fold),
            {key.value: int(((number == fold) & (labels == key.position)).sum()) for key in CLASS_ORDER},
        )
        for fold in range(1, folds + 1)
    )
    for key in CLASS_ORDER:
        holding = [part.fold for part in described if part.images[key.value]]
        if len(holding) == 1:
            raise InvalidManifest(
                f"all images of the class {key.value} have styles of fold {holding[0]}: the other folds could not "
                "measure it and that one not learn it; ask for fewer folds or more styles, or give more images of it"
            )
    return StyleSplit(Manifest(rows, manifest.root), described, int((learnt & (number == 0)).sum()))


def _pack(counts: Floats, folds: int) -> NDArray[np.int64]:
    """The fold of each style, from 1: the largest styles first, each where the classes stay evenest, then evened out.

    Parameters
    ----------
    counts
        ``float64 [styles, 4]``: slices of each style by class.
    folds
        How many.
    """
    shares = counts / np.maximum(counts.sum(axis=0), 1e-12)
    # Size counts too: without it a fold could hold a small class alone.
    shares = np.concatenate([shares, (counts.sum(axis=1) / counts.sum())[:, None]], axis=1)
    fold = np.full(len(counts), -1, dtype=np.int64)
    for style in np.argsort(-shares.max(axis=1), kind="stable").tolist():
        empty = np.flatnonzero(np.bincount(fold[fold >= 0], minlength=folds) == 0)
        # A fold without any style is none: the last styles go to those that are still empty.
        open_to = empty[:1] if len(empty) >= int((fold < 0).sum()) else np.arange(folds)
        costs = [_unevenness(shares, _with(fold, style, k), folds) for k in open_to.tolist()]
        fold[style] = open_to[int(np.argmin(costs))]
    return _evened(shares, fold, folds) + 1


def _evened(shares: Floats, fold: NDArray[np.int64], folds: int) -> NDArray[np.int64]:
    """Move one style, or let two change places, as long as that makes the folds evener."""
    cost = _unevenness(shares, fold, folds)
    while True:
        changed = [_with(fold, style, k) for style in range(len(fold)) for k in range(folds)]
        for style in range(len(fold)):
            changed += [_with(_with(fold, style, fold[k]), k, fold[style]) for k in range(style)]
        changed = [found for found in changed if len(np.unique(found)) == folds]
        costs = [_unevenness(shares, found, folds) for found in changed]
        best = int(np.argmin(costs))
        if costs[best] > cost - 1e-9:
            return fold
        fold, cost = changed[best], costs[best]


def _with(fold: NDArray[np.int64], style: int, number: int) -> NDArray[np.int64]:
    changed = fold.copy()
    changed[style] = number
    return changed


def _unevenness(shares: Floats, fold: NDArray[np.int64], folds: int) -> float:
    """Squared distance from even shares; styles whose fold is -1 have none yet."""
    filled = np.zeros((folds, shares.shape[1]))
    np.add.at(filled, fold[fold >= 0], shares[fold >= 0])
    return float(((filled - 1.0 / folds) ** 2).sum())
