"""Any folder or table of labelled images to a manifest with the facts of each file.

Owns the walk over a tree with a folder per class, and the measuring of every image. Reads no manifest file; that
is :mod:`tumorscope.dataset.manifest_file`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tumorscope.core.errors import InvalidManifest, MissingInput
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.dataset.class_names import ClassNames
from tumorscope.dataset.facts import ImageFacts, file_hash
from tumorscope.dataset.manifest import ImageRecord, Manifest, OfficialSplit
from tumorscope.dataset.scan import Failure, Progress, scan
from tumorscope.reading.registry import has_image_suffix

__all__ = ["Indexed", "index_folder", "measure", "unlabelled_folders", "with_facts"]

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
        ``Training``, ``train``, ``Testing`` or ``test`` above an image gives its official split. Hidden files and
        folders are passed over.
    class_names
        Further names of the classes.

    Returns
    -------
    Manifest
        In the order of the paths, the same on every system; exact copies of a file form a group.

    Raises
    ------
    MissingInput
        If a folder may not be read.
    InvalidManifest
        If there are no images, or a link leaves the folder.
    """
    names = class_names or ClassNames()
    source = folder.resolve().name
    rows = []
    for place in _walk(folder):
        label_name = _class_folder(place.inner, names)
        label = None if label_name is None else names.diagnosis(label_name, str(place.path))
        if label is None:
            continue
        split = next(
            (_SPLIT_FOLDERS[part.lower()] for part in place.inner if part.lower() in _SPLIT_FOLDERS), None
        )
        for name in place.files:
            path = place.path / name
            _refuse_foreign_link(folder, path)
            sha256 = file_hash(path)
            rows.append(
                ImageRecord(
                    path,
                    label,
                    group=sha256,
                    slice_id=sha256,
                    sha256=sha256,
                    source=source,
                    official_split=split,
                )
            )
    if not rows:
        raise InvalidManifest(
            f"{folder} holds no images in sub-folders named {', '.join(CLASS_ORDER)}; make one folder per class, or "
            "map the names of yours with 'tumorscope data index --map-label NAME=CLASS'"
        )
    # As text: paths themselves compare without regard to case on some systems.
    rows.sort(key=lambda row: row.path.relative_to(folder).as_posix())
    return Manifest(tuple(rows), folder)


def unlabelled_folders(folder: Path, class_names: ClassNames | None = None) -> tuple[Path, ...]:
    """Sub-folders that hold images and that :func:`index_folder` passes over, since no name gives their class."""
    names = class_names or ClassNames()
    return tuple(
        place.path
        for place in _walk(folder)
        if _class_folder(place.inner, names) is None and any(has_image_suffix(name) for name in place.files)
    )


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


@dataclass(frozen=True, slots=True)
class _Place:
    """One folder of a tree: where it is, the names that lead to it, and its files."""

    path: Path
    inner: tuple[str, ...]
    files: tuple[str, ...]


def _walk(folder: Path) -> Iterator[_Place]:
    """Folders without hidden ones; links to folders are not followed, and refused where they lead out."""
    for where, below, files in os.walk(folder, onerror=_refuse_unreadable):
        path = Path(where)
        below[:] = sorted(name for name in below if not name.startswith("."))
        for name in below:
            _refuse_foreign_link(folder, path / name)
        seen = tuple(sorted(name for name in files if not name.startswith(".")))
        yield _Place(path, path.relative_to(folder).parts, seen)


def _class_folder(inner: tuple[str, ...], names: ClassNames) -> str | None:
    return next((part for part in reversed(inner) if names.knows(part)), None)


def _refuse_unreadable(error: OSError) -> None:
    raise MissingInput(f"{error.filename} may not be read; check its permissions") from error


def _refuse_foreign_link(folder: Path, path: Path) -> None:
    if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
        raise InvalidManifest(
            f"{path} is a link that leaves the folder {folder}; put the file or folder itself there"
        )
