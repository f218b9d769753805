"""A data set split anew: what can be asked for, and what becomes of the rows.

Owns how folds, the part held out and the leak-free part go together. Each is made in
:mod:`tumorscope.dataset.split`; what is said of them is in :mod:`tumorscope.dataset.certificate`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import InvalidConfiguration, LeakySplit
from tumorscope.dataset.copies.pair import CopyPair
from tumorscope.dataset.groups import undivided_groups, with_groups
from tumorscope.dataset.leaks import Leak, count_leaks, describe_leaks, find_leaks, fold_sides, part_sides
from tumorscope.dataset.manifest import Manifest, Part
from tumorscope.dataset.split import hold_out, leak_free, make_folds
from tumorscope.dataset.style_split import split_by_style
from tumorscope.dataset.styles import assign_styles

__all__ = ["SplitRequest", "resplit"]


@dataclass(frozen=True, slots=True)
class SplitRequest:
    """What to make.

    Parameters
    ----------
    folds
        How many folds to make; ``None`` makes none.
    hold_out
        Share of the images to hold out as the part ``test``, in (0, 0.5]; ``None`` holds out none.
    leak_free
        Whether to make the parts from the official split, leaving out what leaks.
    keep_folds
        Whether the manifest's own folds stay.
    seed
        Seed of every random choice.
    styles
        How many intensity styles to look for, so that the folds are whole ones; ``None`` balances classes instead.

    Raises
    ------
    InvalidConfiguration
        If nothing is asked for, or two things that exclude each other.
    """

    folds: int | None = None
    hold_out: float | None = None
    leak_free: bool = False
    keep_folds: bool = False
    seed: int = 0
    styles: int | None = None

    def __post_init__(self) -> None:
        if self.styles is not None and (self.folds is None or self.makes_parts or self.keep_folds):
            raise InvalidConfiguration(
                "--by-style makes folds of whole styles: give --folds K beside it, and no part in the same command"
            )
        if self.styles is not None and not 2 <= (self.folds or 0) <= self.styles:
            raise InvalidConfiguration(
                f"{self.folds} folds of {self.styles} styles were asked for; at least 2, and no more than styles, are "
                "possible"
            )
        if self.styles is not None and self.seed:
            raise InvalidConfiguration("--seed decides nothing of a split by style; leave it away")
        if self.folds is None and self.hold_out is None and not self.leak_free:
            raise InvalidConfiguration(
                "nothing to split by; give --folds K, --hold-out FRACTION or --leak-free"
            )
        if self.hold_out is not None and self.leak_free:
            raise InvalidConfiguration("--hold-out and --leak-free both make the parts; give one of them")
        if self.folds is not None and self.keep_folds:
            raise InvalidConfiguration("--folds makes folds and --keep-folds keeps them; give one of them")

    @property
    def makes_parts(self) -> bool:
        """Whether the column ``part`` is made anew."""
        return self.hold_out is not None or self.leak_free


def resplit(
    manifest: Manifest,
    request: SplitRequest,
    pairs: Sequence[CopyPair] = (),
    features: NDArray[np.float64] | None = None,
) -> Manifest:
    """Split a data set.

    Each row's group becomes its undivided group, so that whoever reads the result keeps near copies together by
    its keys alone. Folds are made over what is learnt from: rows of the parts ``test`` and ``excluded`` have none.
    Parts that are not made anew stay; folds that are neither made anew nor asked to be kept are dropped.

    Parameters
    ----------
    manifest
        The data set; the order of its rows does not matter.
    request
        What to make.
    pairs
        Near copies, as positions in the manifest.
    features
        ``float64 [N, 14]``, from :func:`~tumorscope.dataset.styles.style_features`; needed for folds of whole styles.

    Returns
    -------
    Manifest
        The same rows in the same order with new groups, folds and parts.

    Raises
    ------
    LeakySplit
        If folds or parts that stay divide what belongs together.
    InvalidManifest, InvalidConfiguration
        As making the folds or parts does.
    """
    if request.styles is not None:
        result = _by_style(manifest, request.styles, request.folds or 0, pairs, features)
        _refuse_kept(find_leaks(result, part_sides(result)), "parts", "--hold-out FRACTION")
        return result
    tied = with_groups(manifest, undivided_groups(manifest, pairs))
    parts: Sequence[Part | None] = [row.part for row in manifest]
    if request.hold_out is not None:
        kept_out = hold_out(tied, request.hold_out, request.seed)
        parts = [Part.TEST if out else Part.TRAIN for out in kept_out.tolist()]
    elif request.leak_free:
        parts = leak_free(tied)
    learnt = np.array([part in (None, Part.TRAIN) for part in parts], dtype=np.bool_)
    folds: list[int | None] = [row.fold if request.keep_folds else None for row in manifest]
    if request.folds is not None:
        rows = np.flatnonzero(learnt).tolist()
        made = make_folds(tied.subset(rows), request.folds, request.seed)
        for row, fold in zip(rows, made.tolist(), strict=True):
            folds[row] = fold
    result = Manifest(
        tuple(replace(row, fold=fold, part=part) for row, fold, part in zip(tied, folds, parts, strict=True)),
        manifest.root,
    )
    # What was made just now cannot leak; what was kept can.
    _refuse_kept(find_leaks(result, fold_sides(result)), "folds", "--folds K")
    _refuse_kept(find_leaks(result, part_sides(result)), "parts", "--hold-out FRACTION")
    return result


def _by_style(
    manifest: Manifest,
    styles: int,
    folds: int,
    pairs: Sequence[CopyPair],
    features: NDArray[np.float64] | None,
) -> Manifest:
    if features is None:
        raise InvalidConfiguration("folds of whole styles need the features of the images; give them")
    return split_by_style(manifest, assign_styles(manifest, features, styles), folds, pairs).manifest


def _refuse_kept(leaks: Sequence[Leak], between: str, option: str) -> None:
    if leaks:
        raise LeakySplit(
            f"the manifest's own {between} cannot be kept: on two sides are {describe_leaks(count_leaks(leaks))}; "
            f"make them anew by {option}"
        )
