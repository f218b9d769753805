"""Images to show augmentation on: of a data set, one file, or phantoms.

Owns which images are taken: of each class in turn, the same for the same seed. Knows nothing of augmentation.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import TumorscopeError
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.dataset.load import load_input
from tumorscope.dataset.manifest_file import read_manifest
from tumorscope.preprocess import preprocess
from tumorscope.synthesis.phantom import make_phantom

__all__ = ["Example", "take_examples"]

Example = tuple[str, NDArray[np.uint8]]
"""What is shown (a class, a file), and ``uint8 [S, S]``."""


def take_examples(data: Path | None, size: int, count: int = 4, seed: int = 0) -> list[Example]:
    """Some images as the network would get them.

    Parameters
    ----------
    data
        A manifest, a folder with a sub-folder per class, or an image; phantoms where there is none.
    size
        Side in pixels.
    count
        How many; fewer where the data has fewer.
    seed
        Of the choice.

    Raises
    ------
    InvalidManifest
        If the data is no data set.
    TumorscopeError
        If none of it can be read.
    """
    if data is None:
        named = ((CLASS_ORDER[k % len(CLASS_ORDER)], seed + k) for k in range(count))
        return [(f"phantom, {label}", preprocess(make_phantom(label, k).pixels, size)) for label, k in named]
    if data.is_file() and data.suffix.lower() not in (".csv", ".parquet"):
        return [(data.name, load_input(data, size))]
    found: list[Example] = []
    failure: TumorscopeError | None = None
    for title, path in _in_turn(data, seed):
        try:
            found.append((title, load_input(path, size)))
        except TumorscopeError as error:
            failure = error
        if len(found) == count:
            break
    if not found and failure is not None:
        raise failure
    return found


def _in_turn(data: Path, seed: int) -> Iterator[tuple[str, Path]]:
    """Titles and files of a data set, of each class in turn."""
    manifest = read_manifest(data)
    order = np.random.default_rng(seed).permutation(len(manifest)).tolist()
    queues = {label: [row for row in order if manifest.records[row].label is label] for label in CLASS_ORDER}
    while any(queues.values()):
        for label, rows in queues.items():
            if rows:
                yield str(label), manifest.records[rows.pop(0)].path
