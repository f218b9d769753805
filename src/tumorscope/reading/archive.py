"""Zip archives: their members, one by one, under limits.

Owns the reading of a member into memory and the refusal of bombs and encrypted members. Nothing is ever
unpacked to the disk, so a member's name cannot lead anywhere. Knows no image format.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tumorscope.core.errors import EmptyInput, TumorscopeError, UnreadableImage, UnsupportedImage
from tumorscope.reading.files import as_input_error

if TYPE_CHECKING:
    from zipfile import ZipFile

__all__ = ["MAX_MEMBER_BYTES", "Archive", "is_archive"]

MAX_MEMBER_BYTES = 512 * 1024**2
"""Largest member that is read, in bytes."""

_MOST_MEMBERS = 200_000
_ALWAYS_ALLOWED = 64 * 1024**2
_LARGEST_RATIO = 20
_ENCRYPTED = 0x1  # APPNOTE 6.3.10, 4.4.4: general purpose bit 0


def is_archive(head: bytes) -> bool:
    """Whether a file starts as a zip archive, empty ones included."""
    return head.startswith((b"PK\x03\x04", b"PK\x05\x06"))


class Archive:
    """One zip file, opened at the first use and closed with its last reference.

    Copies in other processes (pickled or forked) open it again for themselves.

    Parameters
    ----------
    path
        The archive.
    name
        What to call it in messages.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name
        self._handle: tuple[int, ZipFile] | None = None

    def __getstate__(self) -> dict[str, object]:
        return {"path": self.path, "name": self.name, "_handle": None}

    def members(self) -> list[str]:
        """Name the members that are files, sorted.

        Raises
        ------
        MissingInput
            If the archive may not be read.
        UnreadableImage
            If it is truncated or corrupted, or has more than 200,000 members.
        """
        with _boundary(self.name):
            entries = self._opened().infolist()
            if len(entries) > _MOST_MEMBERS:
                raise UnreadableImage(
                    f"{self.name}: the archive has {len(entries)} members; at most {_MOST_MEMBERS} are read. "
                    "Split it"
                )
            return sorted({entry.filename for entry in entries if not entry.is_dir()})

    def label(self, member: str) -> str:
        """What messages and :attr:`Origin.path` call a member."""
        return f"{self.name}!{member}"

    def read(self, member: str, size: int | None = None) -> bytes:
        """Read a member, or its first bytes.

        Parameters
        ----------
        member
            Its name in the archive.
        size
            How many bytes, or all where ``None``.

        Raises
        ------
        EmptyInput
            If the member holds no bytes.
        UnreadableImage
            If it is corrupted, larger than 512 MiB, or larger than 64 MiB at a ratio above 20.
        UnsupportedImage
            If it is encrypted or compressed in a way that Python does not know.
        """
        label = self.label(member)
        with _boundary(label):
            opened = self._opened()
            entry = opened.getinfo(member)
            if entry.flag_bits & _ENCRYPTED:
                raise UnsupportedImage(f"{label}: the archive member is encrypted; unpack the archive first")
            limit = min(MAX_MEMBER_BYTES, max(_ALWAYS_ALLOWED, _LARGEST_RATIO * entry.compress_size))
            if size is None and entry.file_size > limit:
                raise UnreadableImage(
                    f"{label}: the archive member claims {entry.file_size >> 20} MiB from "
                    f"{entry.compress_size >> 10} KiB; this is not read, so that a small file cannot take all "
                    "memory. Unpack the archive first"
                )
            with opened.open(entry) as stream:
                # zipfile never gives more than the claimed size; past it lies the check of the CRC.
                content = stream.read(entry.file_size + 1 if size is None else size)
        if not content:
            raise EmptyInput(f"{label}: the file is empty (0 bytes); an image is needed")
        return content

    def _opened(self) -> ZipFile:
        from zipfile import ZipFile

        if self._handle is None or self._handle[0] != os.getpid():
            self._handle = (os.getpid(), ZipFile(self.path))
        return self._handle[1]


@contextmanager
def _boundary(name: str) -> Iterator[None]:
    """Turn what :mod:`zipfile` raises for a corrupted archive into this project's errors."""
    from zipfile import BadZipFile  # imported late: start-up time of the many who read no archive

    try:
        yield
    except TumorscopeError:
        raise
    except NotImplementedError as error:
        raise UnsupportedImage(
            f"{name}: the zip compression is not known; unpack the archive first"
        ) from error
    except OSError as error:
        if error.errno is None:
            raise _corrupted(name, error) from error
        raise as_input_error(error, name) from error
    except (BadZipFile, zlib.error, EOFError, ValueError, KeyError, RuntimeError) as error:
        raise _corrupted(name, error) from error


def _corrupted(name: str, error: Exception) -> UnreadableImage:
    return UnreadableImage(
        f"{name}: the archive is truncated or corrupted ({type(error).__name__}); download it again"
    )
