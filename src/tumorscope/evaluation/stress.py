"""How a classifier bears what scanners, viewers and archives do to a slice: one ladder of severities a change.

Owns the ladders and how an interrupted evaluation goes on. The changes are those of
:mod:`tumorscope.synthesis.stresses`; they are made on the slice in its native depth, before preprocessing. After
Hendrycks and Dietterich, ICLR 2019. Knows no model: answers come from a function.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.core.files import atomic_write
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.evaluation.cases import Answer, Cases, as_table, ask, draw_balanced
from tumorscope.evaluation.intervals import figures
from tumorscope.evaluation.report import LadderStep, StressLadder
from tumorscope.synthesis.stresses import SEVERITIES, STRESSES, apply_stress

__all__ = ["IMAGES", "LadderFile", "stress"]

IMAGES = 400
"""How many images a ladder is climbed with unless told otherwise: its interval is then about 3 points either way."""

Progress = Callable[[int, int], None]


def stress(
    cases: Cases,
    answer: Answer,
    size: int,
    *,
    kinds: Sequence[str] = tuple(STRESSES),
    limit: int | None = IMAGES,
    seed: int = 0,
    finished: Sequence[StressLadder] = (),
    store: Callable[[StressLadder], None] | None = None,
    progress: Progress | None = None,
) -> tuple[StressLadder, ...]:
    """Measure a model on images that are changed more and more.

    The same images are used at each step of each ladder, as many of each class
    (:func:`~tumorscope.evaluation.cases.draw_balanced`). An image of which a change leaves nothing
    counts as a wrong answer.

    Parameters
    ----------
    cases
        Slices that the answering model has not seen.
    answer
        The model; see :data:`~tumorscope.evaluation.cases.Answer`.
    size
        Side of its input.
    kinds
        Names out of :data:`~tumorscope.synthesis.stresses.STRESSES`.
    limit
        How many images at most; all for ``None``.
    seed
        Of the choice of images and of everything random in the changes.
    finished
        Ladders of an earlier, interrupted call with the same arguments; they are not climbed again.
    store
        Called with each new ladder as soon as it is complete.
    progress
        Called with (done, total) in images times kinds.

    Returns
    -------
    tuple of StressLadder
        In the order of ``kinds``.

    Raises
    ------
    InvalidConfiguration
        If a kind is unknown or the model answers badly.
    """
    unknown = [kind for kind in kinds if kind not in STRESSES]
    if unknown:
        raise InvalidConfiguration(f"there is no stress {unknown[0]!r}; known are: {', '.join(STRESSES)}")
    known = {ladder.kind: ladder for ladder in finished}
    missing = [kind for kind in dict.fromkeys(kinds) if kind not in known]
    if missing:
        climber = _Climber(cases, draw_balanced(cases, limit, seed), answer, size, seed)
        images = len(climber.positions)
        ground = climber.ground()
        for number, kind in enumerate(missing):

            def done(row: int, before: int = number * images) -> None:
                if progress is not None:
                    progress(before + row, len(missing) * images)

            known[kind] = climber.climb(kind, ground, done)
            if store is not None:
                store(known[kind])
    return tuple(known[kind] for kind in kinds)


@dataclass(frozen=True, slots=True)
class _Climber:
    """What all ladders of one evaluation share."""

    cases: Cases
    positions: NDArray[np.int64]
    answer: Answer
    size: int
    seed: int

    def ground(self) -> LadderStep:
        """The images as they are."""
        said = np.empty((len(self.positions), len(CLASS_ORDER)))
        for row in range(len(self.positions)):
            said[row] = self._ask(row, lambda pixels: [pixels])[0]
        return _step(self.cases, self.positions, said, 0)

    def climb(self, kind: str, ground: LadderStep, done: Callable[[int], None]) -> StressLadder:
        """One ladder; ``done`` is told of each image."""
        said = np.empty((SEVERITIES, len(self.positions), len(CLASS_ORDER)))
        for row in range(len(self.positions)):
            said[:, row] = self._ask(row, lambda pixels: _severities(pixels, kind, self.seed))
            done(row + 1)
        steps = [ground, *(_step(self.cases, self.positions, said[k], k + 1) for k in range(SEVERITIES))]
        start = ground.balanced_accuracy.value
        drops = [(start - step.balanced_accuracy.value) / start if start else 0.0 for step in steps[1:]]
        return StressLadder(
            kind=kind,
            family=STRESSES[kind].family.value,
            steps=tuple(steps),
            mean_relative_drop=float(np.mean(drops)),
        )

    def _ask(self, row: int, change: Callable[[NDArray[Any]], list[NDArray[Any]]]) -> NDArray[np.float64]:
        position = int(self.positions[row])
        changed = change(self.cases.load(position))
        return ask(self.answer, changed, np.full(len(changed), position, dtype=np.int64), self.size)


def _severities(pixels: NDArray[Any], kind: str, seed: int) -> list[NDArray[Any]]:
    return [apply_stress(pixels, kind, severity, seed) for severity in range(1, SEVERITIES + 1)]


def _step(cases: Cases, positions: NDArray[np.int64], said: NDArray[np.float64], severity: int) -> LadderStep:
    found = figures(as_table(cases, positions, said), {})
    return LadderStep(
        severity=float(severity), accuracy=found["accuracy"], balanced_accuracy=found["balanced_accuracy"]
    )


class LadderFile:
    """Finished ladders in a file, so that an evaluation that was interrupted goes on.

    Parameters
    ----------
    path
        Where they are kept (JSON).
    key
        Whatever the figures hang on: the digests of model and manifest, limit, seed. Ladders of another key are
        dropped.
    """

    def __init__(self, path: str | os.PathLike[str], key: Sequence[object]) -> None:
        self._path = Path(path)
        strengths = {name: stress.strengths for name, stress in STRESSES.items()}
        text = json.dumps([[str(part) for part in key], strengths])
        self._key = hashlib.sha256(text.encode()).hexdigest()
        self._ladders = list(self._read())

    @property
    def finished(self) -> tuple[StressLadder, ...]:
        """What is kept for this key."""
        return tuple(self._ladders)

    def store(self, ladder: StressLadder) -> None:
        """Keep one more ladder, atomically."""
        self._ladders = [kept for kept in self._ladders if kept.kind != ladder.kind] + [ladder]
        content = {"key": self._key, "ladders": [kept.model_dump(mode="json") for kept in self._ladders]}
        atomic_write(self._path, json.dumps(content, indent=1))

    def _read(self) -> tuple[StressLadder, ...]:
        """A missing, foreign or damaged file is the same as none: the ladders are climbed again."""
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
            if content["key"] != self._key:
                return ()
            return tuple(StressLadder.model_validate(ladder) for ladder in content["ladders"])
        except (OSError, ValueError, KeyError, TypeError, ValidationError):
            return ()
