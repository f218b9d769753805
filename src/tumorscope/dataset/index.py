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
from tumorscope.reading.registry import has_image_suffix, identify

__all__ = [
    "Indexed",
    "foreign_links",
    "index_folder",
    "measure",
    "other_files",
    "unlabelled_folders",
    "with_facts",
]

_SPLIT_FOLDERS = {
    "training": OfficialSplit.TRAINING,
    "train": OfficialSplit.TRAINING,
    "testing": OfficialSplit.TESTING,
    "test": OfficialSplit.TESTING,
}
_HEAD = 1024  # bytes by which a format is known
# Pictures that are not read here: they fail and are named, lest a class lose images without a word.
_OTHER_PICTURES = (".gif", ".heic", ".heif", ".avif", ".jp2", ".mha", ".nrrd", ".npy")


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
        folders are passed over, and so are files that neither their name nor their content makes an image, links to
        folders, and links that lead out of the folder or nowhere: what those point to is never read.
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
            if _is_foreign_link(folder, path) or not _may_be_image(path):
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
        if _class_folder(place.inner, names) is None
        and any(_holds_image(folder, place.path / name) for name in place.files)
    )


def other_files(folder: Path, class_names: ClassNames | None = None) -> tuple[Path, ...]:
    """Files below a sub-folder that :func:`index_folder` passes over, since they are no images.

    A file is an image by its suffix or by its content; whether it can be read is another question. Sub-folders whose
    images were asked to be left out are not looked at.
    """
    names = class_names or ClassNames()
    return tuple(
        place.path / name
        for place in _walk(folder)
        if place.inner and (_class_folder(place.inner, names) is None or _has_class(place.inner, names))
        for name in place.files
        if not _is_foreign_link(folder, place.path / name) and not _may_be_image(place.path / name)
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


def _may_be_image(path: Path) -> bool:
    """Whether a file's suffix or its first bytes are those of an image."""
    if has_image_suffix(path.name) or path.name.lower().endswith(_OTHER_PICTURES):
        return True
    try:
        with path.open("rb") as stream:
            return identify(stream.read(_HEAD)) is not None
    except OSError:
        return True  # that it may not be read is said where it is opened


def _holds_image(folder: Path, path: Path) -> bool:
    """As :func:`_may_be_image`; of a link that leads out only the name is looked at."""
    return has_image_suffix(path.name) or (not _is_foreign_link(folder, path) and _may_be_image(path))


def _refuse_unreadable(error: OSError) -> None:
    raise MissingInput(f"{error.filename} may not be read; check its permissions") from error


def _is_foreign_link(folder: Path, path: Path) -> bool:
    """Whether it is a link that leads out of the folder or nowhere, a ring of links among them."""
    if not path.is_symlink():
        return False
    target = Path(os.path.realpath(path))  # Path.resolve raises at a ring
    return not target.is_relative_to(os.path.realpath(folder)) or not target.exists()
