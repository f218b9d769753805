"""Times taken side by side: several things in turn, many rounds, medians with their quartiles.

One round runs everything once, so that what else the machine does falls on all alike; the order turns with the
round, so that nobody always follows the same neighbour.
"""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["Times", "machine", "report", "side_by_side"]


@dataclass(frozen=True)
class Times:
    """Seconds of one thing, a value a round."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle value, in seconds."""
        return statistics.median(self.seconds)

    @property
    def quartiles(self) -> tuple[float, float]:
        """A quarter of the values lie below the first, a quarter above the second."""
        low, _, high = statistics.quantiles(self.seconds, n=4)
        return low, high


def side_by_side(
    things: Mapping[str, Callable[[], float | None]], *, rounds: int, warm_up: int
) -> dict[str, Times]:
    """Time every thing once a round; one that returns a number has timed itself, in seconds."""
    names = list(things)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(-warm_up, rounds):
        for place in range(len(names)):
            name = names[(turn + place) % len(names)]
            start = time.perf_counter()
            own = things[name]()
            spent = time.perf_counter() - start
            if turn >= 0:
                seconds[name].append(spent if own is None else own)
    return {name: Times(tuple(values)) for name, values in seconds.items()}


def report(times: Mapping[str, Times]) -> None:
    """Print a table in milliseconds."""
    width = max(map(len, times))
    print(f"{'':{width}}   median   (quartiles)      ms")
    for name, taken in times.items():
        low, high = taken.quartiles
        print(f"{name:{width}} {taken.median * 1e3:8.2f}   ({low * 1e3:.2f} to {high * 1e3:.2f})")


def machine() -> str:
    """What this was measured on, in one line."""
    return f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
