"""Any supported file to its slices, decided by content.

Owns the one way in for every caller.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from tumorscope.core.slice import Slice
from tumorscope.reading.raster import read_frames

__all__ = ["open_slices"]


def open_slices(path: str | os.PathLike[str]) -> Iterator[Slice]:
    """Read a file of any supported format, many slices lazily."""
    yield from read_frames(Path(path), os.fspath(path))
