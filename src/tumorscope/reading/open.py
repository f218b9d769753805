"""The way in: one path to its slices, decided by content.

Owns :func:`open_slices`. Imports no format's library before a file of that format is met. For many paths, or
where one bad file must not cost the others, see :mod:`tumorscope.reading.discover`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from tumorscope.core.slice import Slice
from tumorscope.reading.discover import discover

__all__ = ["open_slices"]


def open_slices(path: str | os.PathLike[str]) -> Iterator[Slice]:
    """Read every slice of a file, folder or archive lazily.

    Parameters
    ----------
    path
        An image, volume, multi-frame file, zip archive or folder; what it is, its content decides.

    Yields
    ------
    Slice
        One for a still image; for a volume or series one for each slice that is not blank, in spatial order.

    Raises
    ------
    MissingInput
        If the path does not exist or may not be read.
    EmptyInput
        If the file has no bytes, or the folder or archive nothing readable.
    UnreadableImage
        If the content is truncated, corrupted, of no known format, or claims an impossible size.
    UnsupportedImage
        If the file is sound but holds no grayscale MR slice.
    """
    for source in discover(path):
        yield from source.open()
