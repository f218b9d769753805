"""The cases that are kept for a while, in memory only.

Owns their life: until their time is over, a client closes them, or the oldest have to go for want of memory. Knows no
HTTP and no file.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.prediction import Prediction
from tumorscope.preprocess import HeadFrame
from tumorscope.serving.pixels import Gray
from tumorscope.serving.schemas import CaseAnswer, FailedFile, SliceAnswer

__all__ = ["KeptSet", "KeptSlice", "Store"]


@dataclass(frozen=True, slots=True, eq=False)
class KeptSlice:
    """One slice with all that pictures of it need.

    Parameters
    ----------
    answer
        As the client got it.
    prediction
        The same, for the drawing of reports.
    gray
        Its pixels.
    evidence
        The graph's own map, ``float32 [4, h, w]``.
    head
        Where it lies in the slice.
    """

    answer: SliceAnswer
    prediction: Prediction
    gray: Gray
    evidence: NDArray[np.float32]
    head: HeadFrame

    @property
    def bytes(self) -> int:
        """Memory that it takes, near enough."""
        return self.gray.pixels.nbytes + self.evidence.nbytes + 4096


@dataclass(slots=True, eq=False)
class KeptSet:
    """What one request brought."""

    id: str
    expires: float
    slices: list[KeptSlice] = field(default_factory=list)
    cases: list[CaseAnswer] = field(default_factory=list)
    failures: list[FailedFile] = field(default_factory=list)
    bytes: int = 0
    finished: bool = False

    def add(self, kept: KeptSlice) -> None:
        """Take a slice; it is found by its number."""
        self.slices.append(kept)
        self.bytes += kept.bytes


class Store:
    """All sets.

    Parameters
    ----------
    most
        Bytes of all of them; finished ones go before those that are still being answered.
    now
        The clock, in seconds since the epoch.
    """

    def __init__(self, most: int, now: Callable[[], float] = time.time) -> None:
        self._most, self._now = most, now
        self._sets: dict[str, KeptSet] = {}

    def __len__(self) -> int:
        return len(self._sets)

    @property
    def bytes(self) -> int:
        """Memory of all sets."""
        return sum(kept.bytes for kept in self._sets.values())

    def open(self, seconds: float) -> KeptSet:
        """Begin a set under a name that cannot be guessed."""
        made = KeptSet(secrets.token_urlsafe(16), self._now() + seconds)
        self._sets[made.id] = made
        return made

    def find(self, name: str) -> KeptSet | None:
        """The set of that name, while it is kept."""
        kept = self._sets.get(name)
        if kept is not None and kept.finished and kept.expires <= self._now():
            return self._sets.pop(name) and None
        return kept

    def forget(self, name: str) -> bool:
        """Drop a set; whether there was one."""
        return self._sets.pop(name, None) is not None

    def crowded(self) -> bool:
        """Whether what is being answered takes all memory that there is; what is finished makes room first."""
        if self.bytes > self._most:
            self.sweep()
        return self.bytes > self._most

    def sweep(self) -> None:
        """Drop what is over its time, then the oldest until the rest fits."""
        now = self._now()
        finished = [kept for kept in self._sets.values() if kept.finished]
        total = self.bytes
        for kept in finished:
            if kept.expires <= now or total > self._most:
                total -= kept.bytes
                del self._sets[kept.id]
