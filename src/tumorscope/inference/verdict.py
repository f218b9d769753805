"""From probabilities and novelty to what an answer is worth.

Owns the two decisions that a bundle's thresholds settle: which classes the prediction set holds, and the
verdict.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.labels import CLASS_ORDER, Diagnosis
from tumorscope.core.prediction import Verdict

__all__ = ["judge"]


def judge(
    probabilities: NDArray[np.float32], novelty: float, quantiles: Sequence[float], novelty_limit: float
) -> tuple[tuple[Diagnosis, ...], Verdict]:
    """Make the prediction set and the verdict.

    Parameters
    ----------
    probabilities
        Calibrated, ``float32 [4]``.
    novelty
        Distance from the training data.
    quantiles
        Four class-conditional conformal quantiles (Sadinle et al., JASA 2019): class *k* is in the set when
        ``1 - probabilities[k] <= quantiles[k]``.
    novelty_limit
        A slice above it is rejected. A novelty that is not a number is above every limit.

    Returns
    -------
    tuple
        The set in class order, and the verdict. The set is never empty: the most probable class is always in
        it. ``answered`` takes a set of one class that the quantiles themselves put there; where none did, or
        where only another class than the most probable one did, the verdict is ``uncertain``.
    """
    top = int(np.argmax(probabilities))
    chosen = 1.0 - probabilities.astype(np.float64) <= np.asarray(quantiles)
    forced = not chosen[top]
    members = tuple(key for k, key in enumerate(CLASS_ORDER) if chosen[k] or k == top)
    if not novelty <= novelty_limit:
        return members, Verdict.REJECTED
    if forced or len(members) != 1:
        return members, Verdict.UNCERTAIN
    return members, Verdict.ANSWERED
