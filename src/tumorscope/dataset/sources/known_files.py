"""Files of the 7,023 images that are known by their content.

Owns the table ``kaggle-7023.bin``: the first five bytes of the SHA-256 of 5,314 of the files (5,087 different ones,
since some files are in the set twice), sorted, without names. The other 1,709 were not at hand when it was made. A file
that has nothing to do with the set is taken for one of it with a chance of 5,087 / 2**40, 5 in 10**9; that three among
a million are has one of 2 in 10**8.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

__all__ = ["KNOWN_IMAGES", "PREFIX_BYTES", "is_known"]

KNOWN_IMAGES = 5314
"""Images of the set whose file is in the table."""
PREFIX_BYTES = 5
"""Bytes of each hash."""

_TABLE = Path(__file__).with_name("kaggle-7023.bin")


def is_known(sha256: str) -> bool:
    """Whether a file is in the table.

    Parameters
    ----------
    sha256
        Of the file, in hex digits.
    """
    return sha256[: 2 * PREFIX_BYTES].lower() in _prefixes()


@lru_cache(maxsize=1)
def _prefixes() -> frozenset[str]:
    content = _TABLE.read_bytes().hex()
    digits = 2 * PREFIX_BYTES
    return frozenset(content[start : start + digits] for start in range(0, len(content), digits))
