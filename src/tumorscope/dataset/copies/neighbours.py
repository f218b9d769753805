"""Nearest vectors, by FAISS.

Owns the choice between exact and approximate search. The only module that imports faiss.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.optional import require

__all__ = ["EXACT_UP_TO", "Neighbours"]

EXACT_UP_TO = 30_000
"""Number of vectors up to which all are compared; beyond, the cost would grow with the square."""

# Vectors are put into lists by their nearest centre (Jegou, Douze & Schmid, 2011). A query looks through the lists of
# the nearest centres: at 4-bit codes of each coordinate first (Andre, Kermarrec & Le Scouarnec, 2015), and then at the
# vectors of several times as many as are asked for.
_LIST_LENGTH = 512
_LISTS_SEARCHED, _COMPARED_IN_FULL = 256, 40
_LISTS_SEARCHED_QUICKLY, _COMPARED_IN_FULL_QUICKLY = 24, 10
_TRAINING_ROUNDS, _TRAINING_VECTORS, _SEED = 10, 64, 1

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
        self._coded: Any = None
        if exact if exact is not None else len(vectors) <= EXACT_UP_TO:
            self._index: Any = faiss.IndexFlatIP(dimensions)
        else:
            lists = max(1, len(vectors) // _LIST_LENGTH)
            self._centres = faiss.IndexFlatIP(dimensions)
            self._coded = faiss.IndexIVFPQFastScan(
                self._centres, dimensions, lists, dimensions, 4, faiss.METRIC_INNER_PRODUCT
            )
            clustering = self._coded.cp
            clustering.niter, clustering.max_points_per_centroid = _TRAINING_ROUNDS, _TRAINING_VECTORS
            clustering.seed, clustering.spherical = _SEED, True
            self._index = faiss.IndexRefineFlat(self._coded)
            self._index.train(np.ascontiguousarray(vectors))
        self._index.add(np.ascontiguousarray(vectors))

    def nearest(
        self, queries: Vectors, count: int, *, quick: bool = False
    ) -> tuple[NDArray[np.floating[Any]], NDArray[np.int64]]:
        """Find the nearest vectors of each query.

        Parameters
        ----------
        queries
            ``float32 [Q, D]``, of unit length.
        count
            How many are asked for.
        quick
            Whether an approximate index may miss those that are not very near. What is very near lies in the first
            lists; an exact index takes no notice.

        Returns
        -------
        tuple
            Cosines and positions ``[Q, count]``, nearest first; position -1 where there are fewer.
        """
        if self._coded is not None:
            self._coded.nprobe = min(_LISTS_SEARCHED_QUICKLY if quick else _LISTS_SEARCHED, self._coded.nlist)
            self._index.k_factor = _COMPARED_IN_FULL_QUICKLY if quick else _COMPARED_IN_FULL
        cosines, positions = self._index.search(np.ascontiguousarray(queries), count)
        return cosines, positions
