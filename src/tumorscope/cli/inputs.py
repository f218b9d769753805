"""What the user named, as a list of inputs: patterns expanded, ``-`` read.

Owns the two things a shell may leave to the program: wildcard patterns (Windows shells never expand them) and an
image on standard input.
"""

from __future__ import annotations

import glob
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tumorscope.core.errors import InvalidConfiguration

__all__ = ["STDIN", "expanded", "stdin_file"]

STDIN = "-"
_CHUNK = 1 << 20
_MOST_BYTES = 2 * 1024**3  # as much as a file may have


def expanded(names: Iterable[str]) -> list[str]:
    """Expand wildcard patterns, sorted; names of existing files and names without a match stay as they are.

    ``**`` stands for any depth of folders.
    """
    paths: list[str] = []
    for name in names:
        if glob.has_magic(name) and not os.path.lexists(name):
            # Path.glob takes no absolute pattern and would rewrite the names.
            paths += sorted(glob.glob(name, recursive=True)) or [name]  # noqa: PTH207
        else:
            paths.append(name)
    return paths


@contextmanager
def stdin_file() -> Iterator[Path]:
    """Keep the bytes of standard input in a temporary file, where every reader can seek in them."""
    with tempfile.TemporaryDirectory(prefix="tumorscope-") as folder:
        path = Path(folder) / "stdin"
        size = 0
        with path.open("wb") as stream:
            while chunk := sys.stdin.buffer.read(_CHUNK):
                size += len(chunk)
                if size > _MOST_BYTES:
                    raise InvalidConfiguration("standard input holds more than 2 GiB; name a file instead")
                stream.write(chunk)
        yield path
