"""Files, folders and archives to readable units, in a sensible order, with nothing lost.

Owns the walk. Reads no pixels: every :class:`Source` opens its own file when asked to, so that one that fails
costs only itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from tumorscope.core.errors import (
    EmptyInput,
    MissingInput,
    TumorscopeError,
    UnreadableImage,
    UnsupportedImage,
)
from tumorscope.core.slice import Slice
from tumorscope.reading.archive import Archive
from tumorscope.reading.dicom_file import is_dicomdir
from tumorscope.reading.files import HEAD_BYTES, as_input_error, read_head
from tumorscope.reading.registry import ARCHIVE, DICOM, accepted, has_image_suffix, identify
from tumorscope.reading.source import Source

__all__ = ["Source", "discover", "read_archive"]

AnyPath = str | os.PathLike[str]


def discover(paths: AnyPath | Iterable[AnyPath]) -> Iterator[Source]:
    """Find everything that can be read.

    Parameters
    ----------
    paths
        Files, folders and zip archives. Folders are walked in sorted order without hidden entries; archives
        in folders are looked into, archives in archives are not.

    Yields
    ------
    Source
        Images and volumes in the order of their paths, then DICOM series. A path that does not exist, may not
        be read or holds nothing readable yields a source whose ``open`` says so: this function itself raises
        nothing. In folders and archives, files that are of no image format and do not claim to be one by
        their suffix are passed over.
    """
    named = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    dicom: list[Source] = []
    for path in named:
        for source in _below(os.fspath(path)):
            if source.format is DICOM:
                dicom.append(source)
            else:
                yield source
    if dicom:
        from tumorscope.reading.series import in_series_order

        yield from in_series_order(dicom)


def read_archive(data: bytes | Path, name: str) -> Iterator[Slice]:
    """Read every slice of an archive; the first member that fails ends it, unlike :func:`discover`."""
    if isinstance(data, bytes):
        raise UnsupportedImage(f"{name}: an archive inside an archive; unpack the outer one first")
    for source in discover(data):
        yield from source.open()


def _below(named: str) -> Iterator[Source]:
    """Sources of one path that the user gave."""
    path = Path(named)
    if "\0" in named:
        yield _failed(named, MissingInput(f"{named!r}: no such file or folder; check the path"))
        return
    try:
        is_folder = path.is_dir()
    except OSError as error:
        yield _failed(named, as_input_error(error, named))
        return
    if not is_folder:
        yield from _file(path, named, salt=_folder_of(named), insist=True)
        return
    found = False
    for source in _walk(path, named):
        found = True
        yield source
    if not found:
        yield _failed(
            named, EmptyInput(f"{named}: nothing readable in this folder; accepted are {accepted()}")
        )


def _walk(folder: Path, named: str) -> Iterator[Source]:
    failures: list[OSError] = []
    for where, folders, files in os.walk(folder, onerror=failures.append):
        folders[:] = sorted(name for name in folders if not _is_hidden(name))
        for name in sorted(name for name in files if not _is_hidden(name)):
            file = Path(where, name)
            if file.is_file():
                yield from _file(file, os.fspath(file), salt=named, insist=False)
    for failure in failures:
        shown = str(failure.filename or named)
        yield _failed(shown, as_input_error(failure, shown))


def _file(file: Path, shown: str, *, salt: str, insist: bool) -> Iterator[Source]:
    """The sources that one file makes: itself, the members of an archive, a failure, or none."""
    try:
        head = read_head(file, shown)
    except TumorscopeError as error:
        if insist or has_image_suffix(shown) or not isinstance(error, EmptyInput):
            yield _failed(shown, error)
        return
    kind = identify(head)
    if kind is ARCHIVE:
        yield from _members(Archive(file, shown), insist=insist)
    elif kind is not None:
        if insist or not (kind is DICOM and is_dicomdir(head)):
            yield Source(shown, format=kind, place=file, salt=salt)
    elif insist or has_image_suffix(shown):
        yield _failed(shown, _unknown(shown))


def _members(archive: Archive, *, insist: bool) -> Iterator[Source]:
    found = False
    try:
        names = archive.members()
    except TumorscopeError as error:
        yield _failed(archive.name, error)
        return
    for member in names:
        source = _member(archive, member)
        if source is not None:
            found = True
            yield source
    if not found and insist:
        told = f"{archive.name}: nothing readable in this archive; accepted are {accepted()}"
        yield _failed(archive.name, EmptyInput(told))


def _member(archive: Archive, member: str) -> Source | None:
    label = archive.label(member)
    if any(_is_hidden(part) or part == "__MACOSX" for part in member.split("/")):
        return None
    try:
        head = archive.read(member, HEAD_BYTES)
    except TumorscopeError as error:
        return (
            None if isinstance(error, EmptyInput) and not has_image_suffix(label) else _failed(label, error)
        )
    kind = identify(head)
    if kind is ARCHIVE:
        told = f"{label}: an archive inside an archive; unpack the outer one first"
        return _failed(label, UnsupportedImage(told))
    if kind is None:
        return _failed(label, _unknown(label)) if has_image_suffix(label) else None
    if kind is DICOM and is_dicomdir(head):
        return None
    return Source(label, format=kind, place=archive, member=member, salt=archive.name)


def _failed(shown: str, error: TumorscopeError) -> Source:
    return Source(shown, error=error)


def _unknown(shown: str) -> UnreadableImage:
    return UnreadableImage(f"{shown}: the content is of no format that is read; accepted are {accepted()}")


def _is_hidden(name: str) -> bool:
    return name.startswith(".")


def _folder_of(named: str) -> str:
    return os.path.dirname(os.path.abspath(named))  # noqa: PTH100, PTH120 - a key, not a path
