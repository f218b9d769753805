"""Memory that a training asks for again and again.

Owns one piece of advice to the C library. Every step asks for the same large pieces; by default they are given back to
the system when they are freed, which clears them anew, page by page, at the next step: about a fifth of its time.
"""

from __future__ import annotations

import ctypes

__all__ = ["keep_freed_memory"]

# From glibc's malloc.h; see mallopt(3).
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
_MOST = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let this process keep what it frees; for a process that is going to train and then end.

    Returns
    -------
    bool
        Whether the C library takes such advice; that of Linux (glibc) does.
    """
    try:
        advise = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(advise(_MMAP_MAX, 0)) and bool(advise(_TRIM_THRESHOLD, _MOST))
