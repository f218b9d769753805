"""What a user has on the disk (a zip, or a folder) to a folder of plain files.

Owns which members are taken and under which names. Nothing leaves the target folder, no link is made or followed out
of the source, and the target appears whole or not at all. Limits on single members are those of
:mod:`tumorscope.reading.archive`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

from tumorscope.core.errors import InvalidManifest, MissingInput
from tumorscope.reading.archive import Archive, is_archive
from tumorscope.reading.files import as_input_error, read_head

__all__ = ["Rename", "check_origin", "unpack"]

Progress = Callable[[int, int], None]
Rename = Callable[[PurePosixPath], PurePosixPath | None]
"""From a file's name in the source to its name in the target; ``None`` leaves it out."""

MOST_BYTES = 16 * 1024**3
"""Most that is unpacked or copied, in bytes: ten times the largest of the known sets."""


def check_origin(origin: Path) -> None:
    """Make sure that there is something to unpack; raises :class:`MissingInput`."""
    if not origin.exists():
        raise MissingInput(f"{origin} does not exist; give a zip or a folder")


def unpack(origin: Path, target: Path, rename: Rename, progress: Progress | None = None) -> list[Path]:
    """Put the files of a zip or folder into a new folder.

    Parameters
    ----------
    origin
        A zip, or a folder. Zips inside either are opened too, one level deep, and count as folders of their name.
    target
        Folder that does not exist yet.
    rename
        Chooses the files and their names.
    progress
        Called with (done, total) files of a zip or folder.

    Returns
    -------
    list of pathlib.Path
        The files, sorted.

    Raises
    ------
    MissingInput
        If ``origin`` does not exist or may not be read.
    InvalidManifest
        If it holds no file that is wanted, two of one name, a name or link that leads out of the folder, or more
        than 16 GiB.
    TumorscopeError
        As :class:`~tumorscope.reading.archive.Archive` raises for a damaged zip.
    """
    check_origin(origin)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as scratch:
        made = _Target(Path(scratch) / "files", rename, origin.name)
        if origin.is_dir():
            _take_folder(origin, made, Path(scratch), progress)
        elif is_archive(read_head(origin, str(origin))):
            _take_archive(Archive(origin, origin.name), PurePosixPath(), made, Path(scratch), progress)
        else:
            raise InvalidManifest(f"{origin.name} is no zip archive; give a .zip file or a folder")
        if not made.names:
            raise InvalidManifest(
                f"{origin} holds none of the files of this data set; give its zip or folder"
            )
        made.folder.replace(target)
    return sorted(target / name for name in made.names)


class _Target:
    """The folder under construction."""

    def __init__(self, folder: Path, rename: Rename, origin: str) -> None:
        self.folder = folder
        self.names: set[PurePosixPath] = set()
        self._rename = rename
        self._origin = origin
        self._bytes = 0

    def place(self, name: PurePosixPath) -> Path | None:
        """Where a file goes; ``None`` where it is not wanted."""
        if any(part.startswith((".", "__MACOSX")) for part in name.parts):
            return None
        wanted = self._rename(name)
        if wanted is None:
            return None
        if wanted in self.names:
            raise InvalidManifest(
                f"{self._origin} holds {wanted} twice; give one copy of the data set at a time"
            )
        self.names.add(wanted)
        path = self.folder / wanted
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def count(self, size: int) -> None:
        """Keep to the limit."""
        self._bytes += size
        if self._bytes > MOST_BYTES:
            raise InvalidManifest(
                f"{self._origin} holds more than {MOST_BYTES >> 30} GiB; give the data set alone"
            )


def _take_archive(
    archive: Archive,
    below: PurePosixPath,
    made: _Target,
    scratch: Path | None,
    progress: Progress | None = None,
) -> None:
    members = archive.members()
    for done, member in enumerate(members, start=1):
        name = below / _inside(member, archive.name)
        if scratch is not None and name.suffix.lower() == ".zip":
            content = archive.read(member)
            made.count(len(content))
            inner = scratch / "inner.zip"
            inner.write_bytes(content)
            del content
            _take_archive(Archive(inner, archive.label(member)), name.with_suffix(""), made, None)
            inner.unlink()
        elif (path := made.place(name)) is not None:
            content = archive.read(member)
            made.count(len(content))
            path.write_bytes(content)
        if progress is not None:
            progress(done, len(members))


def _take_folder(folder: Path, made: _Target, scratch: Path, progress: Progress | None) -> None:
    files = sorted(_files(folder))
    for done, path in enumerate(files, start=1):
        name = PurePosixPath(path.relative_to(folder).as_posix())
        if path.suffix.lower() == ".zip":
            _take_archive(Archive(path, path.name), name.with_suffix(""), made, scratch)
        elif (place := made.place(name)) is not None:
            try:
                made.count(path.stat().st_size)
                shutil.copyfile(path, place)
            except OSError as error:
                raise as_input_error(error, str(path)) from error
        if progress is not None:
            progress(done, len(files))


def _files(folder: Path) -> Iterator[Path]:
    inside = folder.resolve()
    for where, below, names in os.walk(folder):
        below[:] = [name for name in below if not name.startswith((".", "__MACOSX"))]
        for name in names:
            path = Path(where) / name
            if path.is_symlink() and not path.resolve().is_relative_to(inside):
                raise InvalidManifest(
                    f"{path} is a link that leaves the folder {folder}; put the file itself there"
                )
            if not name.startswith(".") and path.is_file():
                yield path


def _inside(member: str, archive: str) -> PurePosixPath:
    name = PurePosixPath(member.replace("\\", "/"))
    if name.is_absolute() or PureWindowsPath(member).drive or ".." in name.parts or "\0" in member:
        raise InvalidManifest(
            f"{archive} holds a file whose name leads out of the folder; nothing of it was unpacked"
        )
    return name
