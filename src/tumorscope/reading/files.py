"""Bytes from the disk, with errors that say what to do.

Owns the translation of the operating system's refusals into this project's errors. Knows no format.
"""

from __future__ import annotations

import os
from pathlib import Path

from tumorscope.core.errors import EmptyInput, MissingInput, UnreadableImage
from tumorscope.reading.limits import MAX_FILE_BYTES

__all__ = ["as_input_error", "read_bytes", "read_head"]

HEAD_BYTES = 1024


def read_bytes(path: Path, name: str) -> bytes:
    """Read a whole file.

    Parameters
    ----------
    path
        The file.
    name
        What to call it in messages.

    Raises
    ------
    MissingInput
        If it does not exist, is a folder or may not be read.
    EmptyInput
        If it holds no bytes.
    UnreadableImage
        If it is larger than 2 GiB or the disk fails.
    """
    try:
        with path.open("rb") as stream:
            # Asked for its size and not for the limit: Python sets aside as much memory as it is asked for.
            size = os.fstat(stream.fileno()).st_size
            content = stream.read(min(size or MAX_FILE_BYTES, MAX_FILE_BYTES) + 1)
    except OSError as error:
        raise as_input_error(error, name) from error
    if not content:
        raise EmptyInput(f"{name}: the file is empty (0 bytes); an image is needed")
    if len(content) > MAX_FILE_BYTES:
        raise UnreadableImage(
            f"{name}: the file is larger than {MAX_FILE_BYTES >> 30} GiB, the largest that is read"
        )
    return content


def read_head(path: Path, name: str) -> bytes:
    """Read the first bytes of a file, enough to tell its format; raises as :func:`read_bytes`."""
    try:
        with path.open("rb") as stream:
            head = stream.read(HEAD_BYTES)
    except OSError as error:
        raise as_input_error(error, name) from error
    if not head:
        raise EmptyInput(f"{name}: the file is empty (0 bytes); an image is needed")
    return head


def as_input_error(error: OSError, name: str) -> MissingInput | UnreadableImage:
    """Say why the operating system would not give a file."""
    if isinstance(error, FileNotFoundError):
        return MissingInput(f"{name}: no such file or folder; check the path")
    if isinstance(error, PermissionError):
        return MissingInput(f"{name}: permission denied; make the file readable for this user")
    if isinstance(error, IsADirectoryError):
        return MissingInput(f"{name}: this is a folder where a file is needed")
    return UnreadableImage(f"{name}: the file could not be read ({error.strerror or type(error).__name__})")
