"""A part of a table of out-of-fold answers.

Owns nothing but the choice of rows, for what may rest on some folds only.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tumorscope.evaluation.predictions import PredictionTable

__all__ = ["part_of_table"]


def part_of_table(table: PredictionTable, rows: NDArray[np.int64]) -> PredictionTable:
    """The given rows of a table with folds and names of images."""
    return replace(
        table,
        labels=table.labels[rows],
        logits=table.logits[rows],
        groups=table.groups[rows],
        slice_ids=table.slice_ids[rows],
        is_patient=table.is_patient[rows],
        folds=np.asarray(table.folds)[rows],
        paths=tuple(table.paths[row] for row in rows),
        hashes=tuple(table.hashes[row] for row in rows),
        styles=None if table.styles is None else table.styles[rows],
    )
