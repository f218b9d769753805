"""One answer for a series: the mean over the best window of three neighbouring slices. Experimental.

Owns the rule. A tumour shows on a few neighbouring slices only, so the mean over a whole volume would drown
it, and the best single slice would answer to chance. Three is a choice, not yet a measurement.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.labels import CLASS_ORDER, Diagnosis
from tumorscope.core.prediction import Prediction, SeriesPrediction, Verdict
from tumorscope.inference.record import Answer

__all__ = ["WINDOW", "best_window", "with_series"]

WINDOW: Final = 3
_TUMOURS = [key.position for key in CLASS_ORDER if key is not Diagnosis.NOTUMOR]


def best_window(
    probabilities: NDArray[np.float32], positions: Sequence[int] | None = None
) -> tuple[NDArray[np.float32], tuple[int, int]]:
    """Find the window of neighbours whose mean probability of one tumour class is highest.

    Parameters
    ----------
    probabilities
        ``float32 [n, 4]``, calibrated, in series order; at least one row.
    positions
        The place of each row in the series, increasing; ``0 .. n - 1`` for ``None``. Slices with a gap
        between them are no neighbours.

    Returns
    -------
    tuple
        The window's mean ``float32 [4]``, and the first and last position of the window. The first of equal
        windows. Where nowhere three neighbours were answered, two or one take their place.
    """
    places = list(range(len(probabilities))) if positions is None else list(positions)
    for width in range(min(WINDOW, len(places)), 0, -1):
        starts = [
            start
            for start in range(len(places) - width + 1)
            if places[start + width - 1] - places[start] == width - 1
        ]
        if starts:
            break
    means = [probabilities[start : start + width].mean(axis=0, dtype=np.float64) for start in starts]
    best = int(np.argmax([mean[_TUMOURS].max() for mean in means]))
    first = starts[best]
    return means[best].astype(np.float32), (places[first], places[first + width - 1])


def with_series(answers: Iterable[Answer]) -> Iterator[Answer]:
    """Pass answers through and add one line after the last slice of every series.

    Parameters
    ----------
    answers
        Slices of one series follow each other. Failures that know their series take up their place in it.

    Yields
    ------
    Answer
        What came in, in order, and a :class:`SeriesPrediction` for every series with at least two answers.
    """
    members: list[Prediction] = []
    positions: list[int] = []
    current: str | None = None
    place = 0
    for answer in answers:
        key = _series_of(answer)
        if key != current:
            yield from _conclude(members, positions)
            members, positions, current, place = [], [], key, 0
        if key is not None:
            if isinstance(answer, Prediction):
                members.append(answer)
                positions.append(place)
            place += 1
        yield answer
    yield from _conclude(members, positions)


def _series_of(answer: Answer) -> str | None:
    if isinstance(answer, Prediction):
        return answer.origin.series
    return answer.series


def _conclude(members: Sequence[Prediction], positions: Sequence[int]) -> Iterator[SeriesPrediction]:
    if len(members) < 2:
        return
    first = members[0]
    frames = [member.origin.frame for member in members]
    if all(member.origin.path == first.origin.path for member in members) and frames == sorted(set(frames)):
        positions = frames  # a volume whose frames run in series order: its own count, blank slices included
    # A rejected slice says nothing, so no window rests on it where others were answered.
    kept = [i for i, member in enumerate(members) if member.verdict is not Verdict.REJECTED] or range(
        len(members)
    )
    probabilities = np.stack([members[i].probabilities for i in kept])
    mean, window = best_window(probabilities, [positions[i] for i in kept])
    yield SeriesPrediction(
        probabilities=mean,
        window=window,
        slices=len(members),
        series=first.origin.series or "",
        model=first.model,
        path=_common_path([member.origin.path for member in members]),
    )


def _common_path(paths: Sequence[str | None]) -> str | None:
    """The file that all slices share, or the folder (or archive) that holds their files."""
    names = [path for path in paths if path is not None]
    if len(names) < len(paths):
        return None
    if all(a == b for a, b in pairwise(names)):
        return names[0]
    shared = next(
        (index for index, letters in enumerate(zip(*names, strict=False)) if len(set(letters)) > 1),
        min(map(len, names)),
    )
    prefix = names[0][:shared]
    cut = max(prefix.rfind(mark) for mark in "/\\!")
    return prefix[:cut] if cut > 0 else "."
