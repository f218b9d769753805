"""Files that are never left half-written.

Owns the one way this project replaces a file: temporary file beside it, fsync, rename.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

__all__ = ["atomic_write"]


def atomic_write(path: str | os.PathLike[str], content: bytes | str) -> None:
    """Write ``content`` to ``path`` so that a reader sees the old file or the whole new one.

    Parameters
    ----------
    path
        Destination; its folder is made where it does not exist.
    content
        Bytes, or text written as UTF-8 with the line ends it has.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode("utf-8") if isinstance(content, str) else content
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
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
