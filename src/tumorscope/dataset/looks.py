"""What the images of a data set look like, for finding their styles.

Owns the pass over the files, beside that which compares the pictures. What is measured of an image, and what styles
are made of it, is in :mod:`tumorscope.dataset.styles`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.slice import Slice
from tumorscope.dataset.copies.of_manifest import Copies, copies_of
from tumorscope.dataset.facts import ImageFacts
from tumorscope.dataset.manifest import ImageRecord, Manifest
from tumorscope.dataset.scan import Progress, scan
from tumorscope.dataset.styles import style_features
from tumorscope.preprocess import preprocess

__all__ = ["SIDE", "Looks", "looks_of"]

SIDE = 128
"""Side of the network inputs that are measured: the finest band of :func:`style_features` ends at its half."""


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """What was found.

    Parameters
    ----------
    copies
        Exact and near copies; its failures are the images that could not be compared or not be measured.
    features
        ``float64 [M, 14]``: of the M other images, in their order.
    """

    copies: Copies
    features: NDArray[np.float64]


def looks_of(manifest: Manifest, progress: Progress | None = None) -> Looks:
    """Measure every image, and find all pairs that show one picture.

    Parameters
    ----------
    manifest
        The data set.
    progress
        Called with (done, total), while the images are read, compared, and read again.

    Raises
    ------
    MissingDependency
        If the extra ``data`` is not installed.
    """
    copies = copies_of(manifest, progress)
    seen = scan(manifest, _look, progress=progress)
    failures = {failure.row: failure for failure in (*seen.failures, *copies.failures)}
    pairs = [pair for pair in copies.pairs if pair.first not in failures and pair.second not in failures]
    measured = [features for row, features in zip(seen.rows, seen.found, strict=True) if row not in failures]
    return Looks(
        Copies(tuple(pairs), tuple(failures[row] for row in sorted(failures)), copies.pixels),
        np.stack(measured) if measured else np.empty((0, 0)),
    )


def _look(_record: ImageRecord, _facts: ImageFacts, image: Slice) -> NDArray[np.float64]:
    return style_features(preprocess(image, SIDE)[None]).ravel()
