"""The part of a step's images that one of several processes learns from.

Owns the division: every image goes to exactly one part, whatever their number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import InvalidConfiguration

__all__ = ["WHOLE", "Part", "even_steps"]


@dataclass(frozen=True, slots=True)
class Part:
    """One of ``count`` parts; ``index`` counts from 0."""

    index: int = 0
    count: int = 1

    def of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Those of some rows that belong to this part; parts differ by one row at most."""
        return rows[self.index :: self.count]

    def check(self, images: int, what: str) -> None:
        """Make sure that there is an image for every part.

        Raises
        ------
        InvalidConfiguration
            If there are fewer images than parts.
        """
        if images < self.count:
            raise InvalidConfiguration(
                f"{what} has {images} image{'s' if images != 1 else ''}, and {self.count} processes share it; "
                "use fewer devices or a larger batch_size"
            )


WHOLE = Part()


def even_steps(rows: NDArray[np.int64], size: int, count: int) -> list[NDArray[np.int64]]:
    """Divide rows into steps of about ``size`` (``size`` at least ``count``) with ``count`` rows or more in each.

    Processes have to take the same number of steps, so none may be left without an image in the last one.
    """
    if count == 1:
        return [rows[first : first + size] for first in range(0, len(rows), size)]
    return np.array_split(rows, max(1, len(rows) // size))
