"""The copies among the images of a data set.

Owns the one pass over the files that the search needs. An audit, which reads the files anyhow, makes its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.slice import Slice
from tumorscope.dataset.copies.pair import CopyPair
from tumorscope.dataset.copies.search import find_copies
from tumorscope.dataset.copies.thumbnail import SIDE, VIEWS, thumbnail
from tumorscope.dataset.facts import ImageFacts
from tumorscope.dataset.manifest import ImageRecord, Manifest
from tumorscope.dataset.scan import Failure, scan

__all__ = ["Copies", "copies_of"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Copies:
    """What was found.

    Parameters
    ----------
    pairs
        Exact and near copies, as positions in the manifest.
    failures
        Images that could not be read, and were compared with nothing.
    """

    pairs: tuple[CopyPair, ...]
    failures: tuple[Failure, ...]


def copies_of(manifest: Manifest, progress: Progress | None = None) -> Copies:
    """Read every image and find all pairs that show one picture.

    Parameters
    ----------
    manifest
        The data set; what it says of hashes and groups does not matter.
    progress
        Called with (done, total), while the images are read and again while they are compared.

    Raises
    ------
    MissingDependency
        If the extra ``data`` is not installed.
    """
    seen = scan(manifest, _look, progress=progress)
    pictures = [picture for picture, _ in seen.found]
    thumbnails = np.stack(pictures) if pictures else np.empty((0, len(VIEWS), SIDE, SIDE), dtype=np.uint8)
    pairs = find_copies(thumbnails, [pixels for _, pixels in seen.found], progress=progress)
    return Copies(
        tuple(replace(pair, first=seen.rows[pair.first], second=seen.rows[pair.second]) for pair in pairs),
        seen.failures,
    )


def _look(_record: ImageRecord, facts: ImageFacts, image: Slice) -> tuple[NDArray[np.uint8], str]:
    return thumbnail(image.pixels), facts.pixels_sha256
