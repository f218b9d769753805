"""The copies among the images of a data set.

Owns the one pass over the files that the search needs, and the check that they are the files the manifest speaks of.
An audit, which reads the files anyhow, makes its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import InvalidManifest
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
        Images that could not be read, or are other ones than the manifest says; they were compared with nothing.
    pixels
        Hash of the decoded pixels of each other image, by its position in the manifest.
    """

    pairs: tuple[CopyPair, ...]
    failures: tuple[Failure, ...]
    pixels: Mapping[int, str] = field(default_factory=dict)

    def compared(self, manifest: Manifest) -> tuple[Manifest, tuple[CopyPair, ...]]:
        """The rows of the same data set that were compared, with the hash of their pixels, and the pairs among them."""
        failed = {failure.row for failure in self.failures}
        kept = [row for row in range(len(manifest)) if row not in failed]
        place = {row: position for position, row in enumerate(kept)}
        pairs = tuple(
            replace(pair, first=place[pair.first], second=place[pair.second]) for pair in self.pairs
        )
        rows = (
            replace(
                manifest.records[row], pixels_sha256=self.pixels.get(row, manifest.records[row].pixels_sha256)
            )
            for row in kept
        )
        return Manifest(tuple(rows), manifest.root), pairs


def copies_of(manifest: Manifest, progress: Progress | None = None) -> Copies:
    """Read every image and find all pairs that show one picture.

    Parameters
    ----------
    manifest
        The data set; what it says of groups does not matter. A file whose hash is not the one that its row gives
        is a failure.
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
        dict(zip(seen.rows, (pixels for _, pixels in seen.found), strict=True)),
    )


def _look(record: ImageRecord, facts: ImageFacts, image: Slice) -> tuple[NDArray[np.uint8], str]:
    _refuse_another(record, facts)
    return thumbnail(image.pixels), facts.pixels_sha256


def _refuse_another(record: ImageRecord, facts: ImageFacts) -> None:
    given = (
        ("sha256", record.sha256, facts.sha256),
        ("pixels_sha256", record.pixels_sha256, facts.pixels_sha256),
    )
    for column, said, found in given:
        if said and said != found:
            raise InvalidManifest(
                f"the image is another than the manifest says ({column} {said[:8]}..., found {found[:8]}...); "
                "make the manifest again with 'tumorscope data index'"
            )
