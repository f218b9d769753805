"""A public data set into a folder: its images, and a manifest with the facts of each.

Owns the order of the steps and what an interrupted run leaves. Prints nothing. The folder holds ``images/``,
``manifest.parquet`` and ``fetch.json``; an incomplete download lies in ``downloads/`` until it is whole.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath

from tumorscope.core.optional import require
from tumorscope.dataset.class_names import ClassNames
from tumorscope.dataset.index import index_folder, measure
from tumorscope.dataset.manifest import Manifest
from tumorscope.dataset.manifest_file import read_manifest, write_manifest
from tumorscope.dataset.scan import Failure
from tumorscope.dataset.sources.catalogue import SOURCES, Source, SourceName
from tumorscope.dataset.sources.download import download
from tumorscope.dataset.sources.figshare import API, figshare_name, figshare_rows, listed_files
from tumorscope.dataset.sources.kaggle import kaggle_folder
from tumorscope.dataset.sources.place import Workplace
from tumorscope.dataset.sources.unpack import check_origin, unpack
from tumorscope.dataset.sources.versions import stamp

__all__ = ["MANIFEST", "NOTE", "Fetched", "Steps", "fetch"]

MANIFEST = "manifest.parquet"
NOTE = "fetch.json"
_IMAGES = "images"
_DOWNLOADS = "downloads"
_SCHEMA = "tumorscope/fetch/1"
_PICTURES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif"})

Steps = Callable[[str], Callable[[int, int], None]]
"""Given the title of a step, what to call with (done, total) of it."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A data set on the disk.

    Parameters
    ----------
    source
        What it is.
    manifest
        Its rows, as they were written.
    path
        The manifest's file.
    failures
        Images that could not be read; they are no part of the manifest. None are named of a set that was there.
    notes
        What a user should know, one line each.
    already
        Whether it was there, whole, and nothing was done.
    left_out
        How many images could not be read when it was made.
    """

    source: Source
    manifest: Manifest
    path: Path
    failures: tuple[Failure, ...]
    notes: tuple[str, ...]
    already: bool = False
    left_out: int = 0


def fetch(
    name: SourceName,
    out: Path,
    *,
    origin: Path | None = None,
    release: int | None = None,
    api: str = API,
    steps: Steps | None = None,
    show: bool = False,
    pause: Callable[[float], None] = time.sleep,
) -> Fetched:
    """Bring a public data set into a folder; the same call goes on where an interrupted one stopped.

    Parameters
    ----------
    name
        Which data set.
    out
        Folder to make, or one that an interrupted call made.
    origin
        A zip or folder that is on the disk already; nothing is downloaded then.
    release
        Version number on Kaggle, for the sets that lie there; the one that was looked at where ``None``.
    api
        Address of the Figshare API.
    steps
        Told of progress.
    show
        Whether kagglehub may draw a bar.
    pause
        Waits the given seconds before a further attempt to download.

    Raises
    ------
    DownloadFailed
        If it cannot be downloaded; the message names the other ways.
    InvalidManifest
        If what is there is not this data set, or two versions of it.
    InvalidConfiguration
        If ``out`` holds anything else.
    MissingInput
        If ``origin`` does not exist.
    MissingDependency
        If the extra ``data`` is not installed.
    """
    source = SOURCES[name]
    report = steps or (lambda _title: lambda _done, _total: None)
    require("polars", extra="data", purpose="writing Parquet")
    wanted = release or source.release
    identity = {"schema": _SCHEMA, "source": name.value}
    place = Workplace(out, NOTE, identity if release is None else {**identity, "release": release})
    path = out / MANIFEST
    if origin is not None:
        check_origin(origin)
    done = place.open()
    if done is not None and path.is_file():
        notes = [str(note) for note in done.get("notes", ())]
        if origin is not None:
            notes.append(
                f"{out} is finished, so {origin} was not looked at; to make the set anew from it, delete {out} or "
                "name another folder"
            )
        unreadable = done.get("unreadable", 0)
        return Fetched(
            source,
            read_manifest(path),
            path,
            (),
            tuple(notes),
            already=True,
            left_out=unreadable if isinstance(unreadable, int) else 0,
        )
    place.sweep(f".{_IMAGES}.*")
    said: list[str] = []
    is_downloaded = origin is None
    if origin is None:
        origin, note = _obtain(
            source, wanted, out / _DOWNLOADS, api=api, report=report, show=show, pause=pause
        )
        said.append(note)
    left_out: Counter[str] = Counter()
    unpack(origin, place.clear(_IMAGES), _Chooser(source, left_out), report("files"))
    manifest, failures, more = _rows(source, out / _IMAGES, report)
    said += [*more, *_about_left_out(source, left_out)]
    write_manifest(manifest, path)
    place.complete(
        {
            "release": wanted if is_downloaded else release,
            "title": source.title,
            "page": source.page,
            "licence": source.licence,
            "citation": source.citation,
            "dataset": sorted({row.dataset for row in manifest if row.dataset}),
            "images": len(manifest),
            "classes": dict(sorted(Counter(row.label.value for row in manifest).items())),
            "unreadable": len(failures),
            "notes": said,
        }
    )
    place.clear(_DOWNLOADS)
    return Fetched(source, manifest, path, failures, tuple(said), left_out=len(failures))


class _Chooser:
    """Which files of a source are taken, and a count of those that are not."""

    def __init__(self, source: Source, left_out: Counter[str]) -> None:
        self._source = source
        self._names = ClassNames(source.folders)
        self._left_out = left_out

    def __call__(self, name: PurePosixPath) -> PurePosixPath | None:
        if self._source.article is not None:
            return figshare_name(name)
        if name.suffix.lower() not in _PICTURES:
            return None
        folder = next((part for part in reversed(name.parts[:-1]) if self._names.knows(part)), None)
        if folder is None or self._names.diagnosis(folder, str(name)) is None:
            self._left_out[folder or "."] += 1
            return None
        return name


def _obtain(
    source: Source,
    release: int | None,
    downloads: Path,
    *,
    api: str,
    report: Steps,
    show: bool,
    pause: Callable[[float], None],
) -> tuple[Path, str]:
    """The files, downloaded or from a cache, and where they are from."""
    advice = f"get it with a browser from {source.page} and give the zip or folder with --from"
    if source.handle is not None and release is not None:
        folder = kaggle_folder(source.handle, release, advice=advice, show=show)
        return folder, f"version {release} of {source.handle} on Kaggle"
    files, note = listed_files(source, api, advice=advice)
    for file in files:
        progress = partial(_in_mebibytes, report(f"{file.name}, MiB"))
        download(file, downloads, advice=advice, progress=progress, pause=pause)
    return downloads, note


def _in_mebibytes(count: Callable[[int, int], None], done: int, total: int) -> None:
    count(done >> 20, total >> 20)


def _rows(source: Source, images: Path, report: Steps) -> tuple[Manifest, tuple[Failure, ...], list[str]]:
    if source.article is not None:
        read = figshare_rows(images, report("slices"))
        manifest, failures, notes = read.manifest, read.failures, list(read.notes)
    else:
        indexed = measure(index_folder(images, ClassNames(source.folders)), report("images"))
        manifest, failures, notes = indexed.manifest, indexed.failures, []
    manifest = Manifest(tuple(replace(row, source=source.name.value) for row in manifest), images.parent)
    if source.name is SourceName.KAGGLE:
        stamped = stamp(manifest)
        return stamped.manifest, failures, [*notes, stamped.summary]
    counts = Counter(row.label for row in manifest)
    if any(counts[label] > source.counts.get(label, 0) for label in counts):
        return (
            manifest,
            failures,
            [*notes, f"these are more images than {source.stamp} has; no version is stamped"],
        )
    manifest = Manifest(tuple(replace(row, dataset=source.stamp) for row in manifest), manifest.root)
    if len(manifest) < source.images:
        notes.append(
            f"incomplete: {len(manifest):,} of the {source.images:,} images of {source.stamp} are here"
        )
    return manifest, failures, notes


def _about_left_out(source: Source, left_out: Counter[str]) -> list[str]:
    if not left_out:
        return []
    names = ", ".join(f"{name} ({count:,})" for name, count in sorted(left_out.items()))
    reason = source.left_out or "their folders name no class"
    return [f"{left_out.total():,} images were left out, in {names}: {reason}"]
