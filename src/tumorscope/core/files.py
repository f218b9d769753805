"""Files that are never left half-written.

Owns the one way this project replaces a file: temporary file beside it, fsync, rename.
"""

from __future__ import annotations

import errno
import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

from tumorscope.core.errors import DiskFull, InvalidConfiguration

__all__ = ["atomic_stream", "atomic_write", "check_writable", "explain_full_disk"]

_NO_ROOM = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))


def atomic_write(path: str | os.PathLike[str], content: bytes | str) -> None:
    """Write ``content`` to ``path`` so that a reader sees the old file or the whole new one.

    Parameters
    ----------
    path
        Destination; its folder is made where it does not exist.
    content
        Bytes, or text written as UTF-8 with the line ends it has.
    """
    with _replaced(path) as stream:
        stream.write(content.encode("utf-8") if isinstance(content, str) else content)


@contextmanager
def atomic_stream(path: str | os.PathLike[str]) -> Iterator[TextIO]:
    """Give a UTF-8 text stream whose content takes the name ``path`` when the block ends without an error.

    For what is too long to hold in memory; :func:`atomic_write` otherwise. Line ends are written as they are.
    """
    with _replaced(path) as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
        yield text
        text.flush()
        text.detach()


def check_writable(path: str | os.PathLike[str]) -> None:
    """Make sure, before long work, that a file could be written.

    Raises
    ------
    InvalidConfiguration
        If ``path`` is a folder, or what should be its folder is a file or may not be written to.
    """
    target = Path(path)
    if target.is_dir():
        raise _unwritable(target, "it is a folder")
    place = target.parent
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise _unwritable(target, f"{place} is not a folder")
    if not os.access(place, os.W_OK):
        raise _unwritable(target, f"no permission to write in {place}")


@contextmanager
def explain_full_disk(target: Path) -> Iterator[None]:
    """Say in one line that there was no room for a file.

    Raises
    ------
    DiskFull
        If the disk is full, a quota is used up, or files may not become so large.
    """
    try:
        yield
    except DiskFull:
        raise
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise _no_room(target, error) from error
        raise


def _no_room(target: Path, error: OSError) -> DiskFull:
    reason = (error.strerror or "no room").lower()
    return DiskFull(
        f"{target} could not be written: {reason}; make room and run the same command again (a training with --resume)"
    )


def _unwritable(target: Path, reason: str) -> InvalidConfiguration:
    return InvalidConfiguration(
        f"{target} cannot be written: {reason}; name a file in a folder that can be written to"
    )


@contextmanager
def _replaced(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A temporary file beside ``path`` that takes its place at the end, or leaves no trace after an error."""
    target = Path(path)
    check_writable(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise _no_room(target, error) from error
        raise _unwritable(target, error.strerror or type(error).__name__) from error
    try:
        with explain_full_disk(target), os.fdopen(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(_default_mode())
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _default_mode() -> int:
    """What ``open`` would have given the file; ``mkstemp`` makes it private."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
