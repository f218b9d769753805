"""Temperatures: how much to believe a network's own confidence.

Owns the fit of one temperature (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017) and its
cross-fitted use. Knows nothing of where logits come from.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import InvalidManifest
from tumorscope.core.optional import require
from tumorscope.evaluation.metrics import losses

__all__ = ["TEMPERATURE_RANGE", "cross_fitted_temperatures", "fit_temperature"]

TEMPERATURE_RANGE = (0.05, 20.0)


def fit_temperature(logits: NDArray[Any], labels: NDArray[np.int64], weights: NDArray[np.float64]) -> float:
    """The temperature under which held-out answers have the smallest weighted loss.

    Parameters
    ----------
    logits
        Raw outputs ``[N, 4]`` for images that the network did not learn from.
    labels
        ``int64 [N]``.
    weights
        ``float64 [N]``, at least 0, not all 0.

    Returns
    -------
    float
        In :data:`TEMPERATURE_RANGE`; an end of it when every answer is right (or the answers carry nothing).
    """
    optimize = require("scipy.optimize", extra="evaluate", purpose="fitting a temperature")
    share = weights / weights.sum()
    # Convex in 1/T, so there is one minimum along log T too.
    found = optimize.minimize_scalar(
        lambda log_t: float(share @ losses(logits, labels, float(np.exp(log_t)))),
        bounds=tuple(np.log(TEMPERATURE_RANGE)),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return float(np.clip(np.exp(found.x), *TEMPERATURE_RANGE))


def cross_fitted_temperatures(
    logits: NDArray[Any],
    labels: NDArray[np.int64],
    weights: NDArray[np.float64],
    folds: NDArray[np.int64],
) -> NDArray[np.float64]:
    """For each image the temperature fitted on all other folds, ``float64 [N]``.

    Raises
    ------
    InvalidManifest
        If there are fewer than two folds.
    """
    numbers = np.unique(folds)
    if len(numbers) < 2:
        raise InvalidManifest("a cross-fitted temperature needs at least two folds; there is one")
    temperatures = np.empty(len(labels))
    for number in numbers:
        here = folds == number
        temperatures[here] = fit_temperature(logits[~here], labels[~here], weights[~here])
    return temperatures
