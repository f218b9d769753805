"""Threads of the BLAS kept out of the search for copies.

Owns why: the matrix products here are small, on a busy machine more threads cost ten times what they bring, and they
stand in the way of the search's own.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from tumorscope.core.optional import require

__all__ = ["one_blas_thread"]


def one_blas_thread() -> AbstractContextManager[object]:
    """A block in which a matrix product uses one thread."""
    limits = require("threadpoolctl", extra="data", purpose="searching for copies")
    block: AbstractContextManager[object] = limits.threadpool_limits(1, user_api="blas")
    return block
