"""Which worker still lives.

Owns the beat that a worker gives while it trains, and the judgement of others. Works on every storage alike: a worker
counts up in its trial, and one whose count stands still for the time of grace, by the clock of the one who watches, is
held for dead. No two clocks are compared. A worker of the same machine whose process has ended is known to be dead at
once.
"""

from __future__ import annotations

import os
import platform
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import optuna

__all__ = ["BEAT", "GRACE", "INTERVAL", "WORKER", "Watch", "beating", "identity", "is_dead"]

INTERVAL = 15.0
"""Seconds between two beats."""

GRACE = 120.0
"""Seconds without a beat after which a worker is held for dead."""

WORKER, BEAT = "worker", "beat"


def identity() -> str:
    """Name this process: ``machine pid start``; the start tells it from a later process of the same number."""
    return f"{_machine()} {os.getpid()} {_start(os.getpid()) or '-'}"


def is_dead(worker: str) -> bool:
    """Whether a process of this machine has certainly ended; false for all that is not known."""
    words = worker.split(" ")
    if len(words) != 3 or words[0] != _machine() or not words[1].isdecimal():
        return False
    pid, start = int(words[1]), words[2]
    if Path("/proc/self/stat").is_file():
        return start != "-" and _start(pid) != start
    if os.name != "posix":  # elsewhere os.kill would end the process
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


@contextmanager
def beating(trial: optuna.Trial, interval: float = INTERVAL) -> Iterator[None]:
    """Say that this process works on the trial, and go on saying so until the block ends."""
    trial.set_user_attr(WORKER, identity())
    stop = threading.Event()

    def beat() -> None:
        count = 0
        while not stop.wait(interval):
            count += 1
            try:
                trial.set_user_attr(BEAT, count)
            except Exception:  # given up by others, or the storage is away: the work itself will say so
                return

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


class Watch:
    """Remembers when each running trial was last seen to change.

    Parameters
    ----------
    grace
        Seconds without a change after which a worker is held for dead.
    """

    def __init__(self, grace: float = GRACE) -> None:
        self._grace = grace
        self._seen: dict[int, tuple[object, float]] = {}

    def dead(self, running: Sequence[optuna.trial.FrozenTrial]) -> list[optuna.trial.FrozenTrial]:
        """Those of the running trials whose worker is dead."""
        now = time.monotonic()
        found = []
        for trial in running:
            state = (trial.user_attrs.get(BEAT), len(trial.intermediate_values), len(trial.user_attrs))
            before, since = self._seen.get(trial.number, (None, now))
            if state != before:
                since = now
            self._seen[trial.number] = (state, since)
            worker = trial.user_attrs.get(WORKER)
            if now - since > self._grace or (isinstance(worker, str) and is_dead(worker)):
                found.append(trial)
        return found


def _machine() -> str:
    """The machine and, in containers, the space its process numbers are of; without blanks."""
    try:
        space = str(Path("/proc/self/ns/pid").readlink())
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        space = boot = ""
    return f"{platform.node()}{space}{boot}".replace(" ", "")


def _start(pid: int) -> str | None:
    """When a process began, in ticks since the start of the machine; ``None`` where it has ended or is not known."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]
