"""Any folder or table of labelled images to a manifest with the facts of each file.

Owns the walk over a tree with a folder per class, and the measuring of every image. Reads no manifest file; that
is :mod:`tumorscope.dataset.manifest_file`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from tumorscope.core.errors import InvalidManifest
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.dataset.class_names import ClassNames
from tumorscope.dataset.facts import ImageFacts, file_hash
from tumorscope.dataset.manifest import ImageRecord, Manifest, OfficialSplit
from tumorscope.dataset.scan import Failure, Progress, scan

__all__ = ["Indexed", "index_folder", "measure", "with_facts"]

_SPLIT_FOLDERS = {
    "training": OfficialSplit.TRAINING,
    "train": OfficialSplit.TRAINING,
    "testing": OfficialSplit.TESTING,
    "test": OfficialSplit.TESTING,
}


@dataclass(frozen=True, slots=True)
class Indexed:
    """A measured data set; images that cannot be read are no part of the manifest."""

    manifest: Manifest
    failures: tuple[Failure, ...]


def index_folder(folder: Path, class_names: ClassNames | None = None) -> Manifest:
    """Find the images of a tree with a folder per class.

    Parameters
    ----------
    folder
        Holds sub-folders, at any depth, named after the classes; the nearest one counts. A folder named
        ``Training``, ``train``, ``Testing`` or ``test`` above an image gives its official split.
    class_names
        Further names of the classes.

    Returns
    -------
    Manifest
        Sorted by path; exact copies of a file form a group.

    Raises
    ------
    InvalidManifest
        If there are none, or a link leaves the folder.
    """
    names = class_names or ClassNames()
    rows = []
    for where, below, files in os.walk(folder):
        below[:] = sorted(name for name in below if not name.startswith("."))
        place = Path(where)
        inner = place.relative_to(folder).parts
        for name in [*below, *files]:
            _refuse_foreign_link(folder, place / name)
        label_name = next((part for part in reversed(inner) if names.knows(part)), None)
        label = None if label_name is None else names.diagnosis(label_name, str(place))
        if label is None:
            continue
        split = next((_SPLIT_FOLDERS[part.lower()] for part in inner if part.lower() in _SPLIT_FOLDERS), None)
        for name in sorted(name for name in files if not name.startswith(".")):
            sha256 = file_hash(place / name)
            rows.append(
                ImageRecord(
                    place / name,
                    label,
                    group=sha256,
                    slice_id=sha256,
                    sha256=sha256,
                    source=folder.resolve().name,
                    official_split=split,
                )
            )
    if not rows:
        raise InvalidManifest(
            f"{folder} holds no images in sub-folders named {', '.join(CLASS_ORDER)}; make one folder per class, or "
            "map the names of yours with 'tumorscope data index --map-label NAME=CLASS'"
        )
    return Manifest(tuple(rows), folder)


def measure(manifest: Manifest, progress: Progress | None = None) -> Indexed:
    """Open every image and write down its facts.

    Parameters
    ----------
    manifest
        The data set; hashes that it carries are made anew.
    progress
        Called with (done, total).
    """
    seen = scan(manifest, lambda record, facts, _: with_facts(record, facts), progress=progress)
    return Indexed(Manifest(seen.found, manifest.root), seen.failures)


def with_facts(record: ImageRecord, facts: ImageFacts) -> ImageRecord:
    """The row with what its file says; groups that were a hash of the file follow the new hash."""
    stale = record.sha256
    return replace(
        record,
        group=facts.sha256 if record.group == stale else record.group,
        slice_id=facts.sha256 if record.slice_id == stale else record.slice_id,
        sha256=facts.sha256,
        pixels_sha256=facts.pixels_sha256,
        width=facts.width,
        height=facts.height,
        mode=facts.mode,
    )


def _refuse_foreign_link(folder: Path, path: Path) -> None:
    if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
        raise InvalidManifest(
            f"{path} is a link that leaves the folder {folder}; put the file or folder itself there"
        )
