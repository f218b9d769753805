"""Text that a terminal can show, whatever a file name holds.

Owns what lies between a string and a stream: characters that would move the cursor are replaced, and what the
stream's encoding lacks is escaped.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["complain", "encodable", "plain_console", "printable", "shortened"]

_PIPE_COLUMNS = 160
"""A pipe has no width, and a table that is wrapped at 80 columns is hard to search."""


def plain_console() -> Console:
    """Standard output for tables; names of models and paths are text there, not markup."""
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _PIPE_COLUMNS
    return console


def complain(message: str, *, kind: str = "error") -> None:
    """Write one line to standard error."""
    sys.stderr.write(encodable(f"{kind}: {printable(' '.join(message.split()))}\n", sys.stderr))
    sys.stderr.flush()


def printable(text: str) -> str:
    """Replace control characters and lone surrogates, so that a file name cannot command the terminal."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def encodable(text: str, stream: TextIO) -> str:
    """Escape what the encoding of ``stream`` cannot write."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def shortened(text: str, width: int) -> str:
    """Cut a path to ``width`` characters from the left: its end says more than its beginning."""
    return text if len(text) <= width else "…" + text[-(width - 1) :]
