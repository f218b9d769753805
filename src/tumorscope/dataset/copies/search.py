"""All pairs of images that are one picture.

Owns the order of the work: exact copies by the hash of their pixels; for the rest candidates by their vectors, held to
what their pictures show; and last the pairs that follow from others, so that a cluster of copies is found whole.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, groupby
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from tumorscope.dataset.copies.ahead import made_ahead
from tumorscope.dataset.copies.blas import one_blas_thread
from tumorscope.dataset.copies.candidates import Candidates, candidates
from tumorscope.dataset.copies.fitting import THRESHOLD, Fitted, fit_pairs
from tumorscope.dataset.copies.following import following
from tumorscope.dataset.copies.keys import contains, pair_keys
from tumorscope.dataset.copies.orientation import ORIENTATIONS, inverse
from tumorscope.dataset.copies.pair import CopyKind, CopyPair, Orientation
from tumorscope.dataset.copies.thumbnail import VIEWS

__all__ = ["THRESHOLD", "find_copies"]

Progress = Callable[[int, int], None]

_PICTURE, _HEAD = VIEWS.index("picture"), VIEWS.index("head")


def find_copies(
    thumbnails: NDArray[np.uint8], pixel_hashes: Sequence[str], *, progress: Progress | None = None
) -> list[CopyPair]:
    """Find every pair of copies.

    Parameters
    ----------
    thumbnails
        What :func:`~tumorscope.dataset.copies.thumbnail.thumbnail` made of each image, ``uint8 [N, 2, 32, 32]``. May
        be mapped from a file.
    pixel_hashes
        Hash of the decoded pixels of each image.
    progress
        Called with (done, total) images.

    Returns
    -------
    list of CopyPair
        Sorted by position; the same for the same input.
    """
    # Of exact copies the first stands for all: what is near to it is near to the others.
    first: dict[str, int] = {}
    leaders = np.array(
        [first.setdefault(name, place) for place, name in enumerate(pixel_hashes)], dtype=np.int64
    )
    copied: dict[int, list[int]] = defaultdict(list)
    for place in np.flatnonzero(leaders != np.arange(len(leaders))).tolist():
        copied[int(leaders[place])].append(place)
    exact = [
        CopyPair(one, other, CopyKind.EXACT, Orientation.SAME, 1.0)
        for leader, others in copied.items()
        for one, other in combinations([leader, *others], 2)
    ]
    rows = np.unique(leaders)
    with one_blas_thread():
        found = _near_copies(thumbnails, rows, progress)
    near = [
        _ordered(one, other, ORIENTATIONS[orientation], score)
        for leader, second, orientation, score in zip(
            rows[found.first].tolist(),
            rows[found.second].tolist(),
            found.orientation.tolist(),
            found.score.tolist(),
            strict=True,
        )
        for one in (leader, *copied.get(leader, ()))
        for other in (second, *copied.get(second, ()))
    ]
    return sorted([*exact, *near], key=lambda pair: (pair.first, pair.second))


def _near_copies(thumbnails: NDArray[np.uint8], rows: NDArray[np.int64], progress: Progress | None) -> Fitted:
    """Pairs among images of which no two are exact copies, as positions in ``rows``."""
    count = len(rows)
    nothing = np.empty(0, np.int64)
    found = Fitted(nothing, nothing, nothing, np.empty(0, np.float32))
    # Pairs that are found, and those that were turned away in this very orientation, are not fitted again.
    settled, tried = nothing, nothing
    # What is proposed does not depend on what is found: it is made on one core while the others fit.
    for view, proposals in groupby(made_ahead(_proposed(thumbnails, rows, progress)), itemgetter(0)):
        runs, keys = [found], [nothing]
        for _, proposed in proposals:
            new = ~contains(settled, _key(proposed, count)) & ~contains(tried, _way(proposed, count))
            fresh = proposed.where(new)
            runs.append(fit_pairs(thumbnails, rows, fresh, from_picture=view == _PICTURE))
            keys.append(_way(fresh, count))
        found = _joined(runs)
        settled, tried = np.sort(_key(found, count)), np.sort(np.concatenate(keys))
    if len(found):
        missing = fit_pairs(thumbnails, rows, following(found, count), from_picture=False)
        found = _joined([found, missing])
    return found


def _proposed(
    thumbnails: NDArray[np.uint8], rows: NDArray[np.int64], progress: Progress | None
) -> Iterator[tuple[int, Candidates]]:
    """Each view with the pairs that it proposes, a run of images at a time."""
    for view in (_PICTURE, _HEAD):
        share = _share(progress, view, len(VIEWS), len(rows))
        for proposed in candidates(thumbnails[:, view], share, rows=rows):
            yield view, proposed


def _key(pairs: Candidates | Fitted, count: int) -> NDArray[np.int64]:
    """A number for each pair."""
    return pair_keys(pairs.first, pairs.second, count)


def _way(pairs: Candidates, count: int) -> NDArray[np.int64]:
    """A number for each pair in its orientation."""
    return _key(pairs, count) * len(ORIENTATIONS) + pairs.orientation


def _joined(runs: Sequence[Fitted]) -> Fitted:
    return Fitted(
        np.concatenate([run.first for run in runs]),
        np.concatenate([run.second for run in runs]),
        np.concatenate([run.orientation for run in runs]),
        np.concatenate([run.score for run in runs]),
    )


def _ordered(first: int, second: int, orientation: Orientation, score: float) -> CopyPair:
    if first > second:
        first, second, orientation = second, first, inverse(orientation)
    return CopyPair(first, second, orientation.kind, orientation, score)


def _share(progress: Progress | None, part: int, parts: int, count: int) -> Progress | None:
    """Progress of one of several parts of equal weight."""
    if progress is None:
        return None
    return lambda done, total: progress((part * total + done) // parts, count)
