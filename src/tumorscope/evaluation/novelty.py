"""Where "unlike anything seen in training" begins.

Owns the limit that a bundle carries. Knows nothing of how novelty is measured; only that more is stranger.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import InvalidConfiguration

__all__ = ["FALSE_REJECTION", "false_rejection_limit"]

FALSE_REJECTION = 0.02


def false_rejection_limit(
    novelty: NDArray[Any], weights: NDArray[np.float64], rate: float = FALSE_REJECTION
) -> float:
    """The smallest observed novelty that at most a share ``rate`` of honest slices exceeds.

    Parameters
    ----------
    novelty
        ``[N]`` of brain slices that the model did not learn from, finite.
    weights
        ``float64 [N]``, at least 0, not all 0.
    rate
        Share in [0, 1) of their weight that may lie above the limit.

    Raises
    ------
    InvalidConfiguration
        If there is no slice, a value is not finite or ``rate`` is out of range.
    """
    values = np.asarray(novelty, dtype=np.float64)
    if not 0 <= rate < 1:
        raise InvalidConfiguration(
            f"the false-rejection rate is {rate:g}; a number from 0 to below 1 is needed"
        )
    if len(values) == 0 or not np.isfinite(values).all():
        raise InvalidConfiguration("a novelty limit needs at least one slice, and finite values only")
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weights[order])
    first = int(np.searchsorted(below, (1.0 - rate) * below[-1] * (1.0 - 1e-12)))
    return float(values[order][min(first, len(values) - 1)])
