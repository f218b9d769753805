"""How a trial is measured. The definitions are those of every figure; free of torch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tumorscope.evaluation.metrics import confusion, losses, rates
from tumorscope.search.options import Metric

__all__ = ["measure"]


def measure(
    metric: Metric, labels: NDArray[np.int64], logits: NDArray[np.float64], weights: NDArray[np.float64]
) -> float:
    """Measure answers.

    Parameters
    ----------
    metric
        What.
    labels
        ``int64 [N]``.
    logits
        ``float64 [N, 4]``, finite.
    weights
        ``float64 [N]``: 1/n for each of n copies of a slice, so that a slice counts once.
    """
    if metric is Metric.LOG_LOSS:
        return float(np.average(losses(logits, labels), weights=weights))
    return float(rates(confusion(labels, logits.argmax(axis=1), weights))["macro_f1"])
