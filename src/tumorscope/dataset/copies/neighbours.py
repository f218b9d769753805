"""Nearest vectors, by FAISS.

Owns the choice between exact search and an approximate graph. The only module that imports faiss.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.optional import require

__all__ = ["EXACT_UP_TO", "Neighbours"]

EXACT_UP_TO = 30_000
"""Number of vectors up to which all are compared; beyond, the cost would grow with the square."""

# Hierarchical navigable small worlds (Malkov & Yashunin, 2018): links a node, breadth while building and searching.
_LINKS, _BUILD_BREADTH, _SEARCH_BREADTH = 16, 80, 64

Vectors = NDArray[np.floating[Any]]


class Neighbours:
    """An index over unit vectors.

    Parameters
    ----------
    vectors
        ``float32 [N, D]``, of unit length.
    exact
        Whether to compare with all; by the number of vectors where ``None``.
    """

    def __init__(self, vectors: Vectors, *, exact: bool | None = None) -> None:
        faiss = require("faiss", extra="data", purpose="searching for copies")
        dimensions = vectors.shape[1]
        if exact if exact is not None else len(vectors) <= EXACT_UP_TO:
            self._index: Any = faiss.IndexFlatIP(dimensions)
        else:
            self._index = faiss.IndexHNSWFlat(dimensions, _LINKS, faiss.METRIC_INNER_PRODUCT)
            self._index.hnsw.efConstruction = _BUILD_BREADTH
            self._index.hnsw.efSearch = _SEARCH_BREADTH
        self._index.add(np.ascontiguousarray(vectors))

    def nearest(self, queries: Vectors, count: int) -> tuple[NDArray[np.floating[Any]], NDArray[np.int64]]:
        """Cosines and positions ``[Q, count]`` of the nearest vectors, nearest first; -1 where there are fewer."""
        cosines, positions = self._index.search(np.ascontiguousarray(queries), count)
        return cosines, positions
