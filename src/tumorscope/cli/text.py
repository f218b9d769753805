"""Text that a terminal can show, whatever a file name holds.

Owns what lies between a string and a stream: characters that would move the cursor are replaced, and what the
stream's encoding lacks is escaped.
"""

from __future__ import annotations

import sys
from typing import TextIO

__all__ = ["complain", "encodable", "printable", "shortened"]


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
