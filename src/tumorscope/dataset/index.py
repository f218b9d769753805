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
from tumorscope.dataset.class_names import MAP_OTHERS, ClassNames
from tumorscope.dataset.facts import ImageFacts, file_hash
from tumorscope.dataset.manifest import ImageRecord, Manifest, OfficialSplit
from tumorscope.dataset.scan import Failure, Progress, scan
from tumorscope.reading.registry import has_image_suffix

__all__ = ["Indexed", "foreign_links", "index_folder", "measure", "unlabelled_folders", "with_facts"]

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
        folders are passed over, and so are links to folders and links that lead out of the folder or nowhere:
        what those point to is never read.
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
        If there are no images.
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
            if _is_foreign_link(folder, path):
                continue
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
        links = foreign_links(folder, names)
        if links:
            raise InvalidManifest(
                f"{folder} holds no images in folders of a class, and {len(links):,} links that lead out of it or "
                f"nowhere, the first is {links[0]}; put the files or folders themselves there"
            )
        raise InvalidManifest(
            f"{folder} holds no images in sub-folders named {', '.join(CLASS_ORDER)}; make one folder per class, or "
            f"{MAP_OTHERS}"
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


def foreign_links(folder: Path, class_names: ClassNames | None = None) -> tuple[Path, ...]:
    """Links that :func:`index_folder` passes over, since they lead out of the folder or to nothing.

    Those to files are named where they lie in the folder of a class, those to folders anywhere. None is followed.
    """
    names = class_names or ClassNames()
    return tuple(
        place.path / name
        for place in _walk(folder)
        for name in (*place.links, *(place.files if _has_class(place.inner, names) else ()))
        if _is_foreign_link(folder, place.path / name)
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
    """One folder of a tree: where it is, the names that lead to it, its files, and its links to folders."""

    path: Path
    inner: tuple[str, ...]
    files: tuple[str, ...]
    links: tuple[str, ...]


def _walk(folder: Path) -> Iterator[_Place]:
    """Folders without hidden ones; links to folders are not followed."""
    for where, below, files in os.walk(folder, onerror=_refuse_unreadable):
        path = Path(where)
        below[:] = sorted(name for name in below if not name.startswith("."))
        seen = tuple(sorted(name for name in files if not name.startswith(".")))
        links = tuple(name for name in below if (path / name).is_symlink())
        yield _Place(path, path.relative_to(folder).parts, seen, links)


def _class_folder(inner: tuple[str, ...], names: ClassNames) -> str | None:
    return next((part for part in reversed(inner) if names.knows(part)), None)


def _has_class(inner: tuple[str, ...], names: ClassNames) -> bool:
    """Whether images in the folder have a class, and are not left out."""
    name = _class_folder(inner, names)
    return name is not None and names.diagnosis(name, "") is not None


def _refuse_unreadable(error: OSError) -> None:
    raise MissingInput(f"{error.filename} may not be read; check its permissions") from error


def _is_foreign_link(folder: Path, path: Path) -> bool:
    """Whether it is a link that leads out of the folder or nowhere, a ring of links among them."""
    if not path.is_symlink():
        return False
    target = Path(os.path.realpath(path))  # Path.resolve raises at a ring
    return not target.is_relative_to(os.path.realpath(folder)) or not target.exists()
