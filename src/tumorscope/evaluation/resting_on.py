"""What a figure rests on.

Owns the count of images and of groups of each class. Knows no figure.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.labels import CLASS_ORDER
from tumorscope.evaluation.cases import Cases
from tumorscope.evaluation.predictions import PredictionTable
from tumorscope.evaluation.report import Support

__all__ = ["support_of"]


def support_of(cases: Cases | PredictionTable, positions: NDArray[np.int64]) -> Support:
    """How many images those at ``positions`` (``int64 [M]``) are, and of how many groups of each class."""
    labels, groups = cases.labels[positions], cases.groups[positions]
    return Support(
        images=len(positions),
        groups={
            key.value: len(np.unique(groups[labels == key.position]))
            for key in CLASS_ORDER
            if (labels == key.position).any()
        },
    )
