"""Calibration: how much to believe a network's own confidence.

Owns the fits of one temperature and of a vector scaling (Guo et al., "On Calibration of Modern Neural Networks",
ICML 2017), their cross-fitted use, the choice between them, and how a bundle's card says which it has. Knows nothing of
where logits come from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.card import ModelCard
from tumorscope.core.errors import InvalidManifest
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.core.optional import require
from tumorscope.evaluation.metrics import losses, softmax

__all__ = [
    "BIAS_LIMIT",
    "METHODS",
    "TEMPERATURE_RANGE",
    "Method",
    "Scaling",
    "choose_method",
    "cross_fitted_logits",
    "cross_fitted_temperatures",
    "fit_scaling",
    "fit_temperature",
    "fit_vector_scaling",
    "least_loss",
    "method_of",
    "scaling_of",
]

Method = Literal["none", "temperature", "vector"]
METHODS: tuple[Method, ...] = ("none", "temperature", "vector")
"""From the simplest to the one with most parameters."""

TEMPERATURE_RANGE = (0.05, 20.0)
BIAS_LIMIT = 10.0
"""A bias of a vector scaling is at most so many nats either way."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """Calibrated logits are ``scale * logits + bias``, class by class.

    Parameters
    ----------
    scale
        ``float64 [4]``, above 0; four times ``1 / temperature`` for a temperature.
    bias
        ``float64 [4]`` in nats; zeros for a temperature.
    """

    scale: Floats
    bias: Floats

    def apply(self, logits: NDArray[Any]) -> Floats:
        """``float64 [N, 4]`` of raw logits ``[N, 4]``."""
        return np.asarray(np.asarray(logits, dtype=np.float64) * self.scale + self.bias)


def scaling_of(card: ModelCard) -> Scaling:
    """What the graph of a bundle does between its logits and its probabilities: ``softmax`` of this applied.

    A vector scaling where the card has one, else its temperature; nothing but this and :func:`method_of` reads the two.
    """
    given = card.vector_scaling
    if given is None:
        return _of_temperature(card.temperature)
    return Scaling(np.array(given.scale, dtype=np.float64), np.array(given.bias, dtype=np.float64))


def method_of(card: ModelCard) -> Method:
    """What kind of calibration :func:`scaling_of` is."""
    if card.vector_scaling is not None:
        return "vector"
    return "none" if card.temperature == 1.0 else "temperature"


def fit_temperature(logits: NDArray[Any], labels: NDArray[np.int64], weights: Floats) -> float:
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


def fit_vector_scaling(logits: NDArray[Any], labels: NDArray[np.int64], weights: Floats) -> Scaling:
    """A scale and a bias for each class under which held-out answers have the smallest penalised loss.

    The summed loss is joined by a Gaussian prior around the fitted temperature: relative deviations of the four scales
    from it and the four biases (in nats) have a standard deviation of 1. So a class that was never answered wrongly, or
    is absent, stays near the temperature where the loss alone would run to infinity. The problem is strictly convex.

    Parameters
    ----------
    logits, labels, weights
        As of :func:`fit_temperature`; the more the weights sum to, the less the prior counts.

    Returns
    -------
    Scaling
        Scales within the reciprocals of :data:`TEMPERATURE_RANGE`, biases within :data:`BIAS_LIMIT`; the biases sum
        to 0.
    """
    optimize = require("scipy.optimize", extra="evaluate", purpose="fitting a vector scaling")
    wide = np.asarray(logits, dtype=np.float64)
    classes = len(CLASS_ORDER)
    start = 1.0 / fit_temperature(wide, labels, weights)
    total = weights.sum()
    truth = np.eye(classes)[labels]

    def penalised(parameters: Floats) -> tuple[float, Floats]:
        scale, bias = parameters[:classes] * start, parameters[classes:]
        scaled = wide * scale + bias
        deviation = np.concatenate([parameters[:classes] - 1.0, bias])
        value = weights @ losses(scaled, labels) + 0.5 * deviation @ deviation
        slope = weights[:, None] * (softmax(scaled) - truth)
        gradient = np.concatenate([start * (slope * wide).sum(axis=0), slope.sum(axis=0)]) + deviation
        return float(value / total), gradient / total

    highest, lowest = (1.0 / (limit * start) for limit in TEMPERATURE_RANGE)
    found = optimize.minimize(
        penalised,
        np.append(np.ones(classes), np.zeros(classes)),
        jac=True,
        method="SLSQP",
        bounds=[(lowest, highest)] * classes + [(-BIAS_LIMIT, BIAS_LIMIT)] * classes,
        options={"ftol": 1e-12, "maxiter": 300},
    )
    bias = found.x[classes:]
    return Scaling(found.x[:classes] * start, bias - bias.mean())


def fit_scaling(method: Method, logits: NDArray[Any], labels: NDArray[np.int64], weights: Floats) -> Scaling:
    """The fit of any of the :data:`METHODS`, parameters as of :func:`fit_temperature`."""
    if method == "vector":
        return fit_vector_scaling(logits, labels, weights)
    return _of_temperature(1.0 if method == "none" else fit_temperature(logits, labels, weights))


def choose_method(
    logits: NDArray[Any], labels: NDArray[np.int64], weights: Floats, folds: NDArray[np.int64] | None
) -> Method:
    """The method with the smallest loss on folds that it was not fitted on.

    Parameters
    ----------
    logits, labels, weights
        As of :func:`fit_temperature`.
    folds
        ``int64 [N]``; with fewer than two nothing can be compared, and a temperature it is.
    """
    if folds is None or len(np.unique(folds)) < 2:
        return "temperature"
    calibrated = {name: cross_fitted_logits(name, logits, labels, weights, folds) for name in METHODS}
    return least_loss(
        {name: float(np.average(losses(each, labels), weights=weights)) for name, each in calibrated.items()}
    )


def least_loss(loss: Mapping[Method, float]) -> Method:
    """The method with the smallest loss; of equal ones the simplest."""
    # The first of the smallest is taken, and the methods are sorted from the simplest.
    return min(METHODS, key=lambda name: loss[name])


def cross_fitted_temperatures(
    logits: NDArray[Any], labels: NDArray[np.int64], weights: Floats, folds: NDArray[np.int64]
) -> Floats:
    """For each image the temperature fitted on all other folds, ``float64 [N]``.

    Raises
    ------
    InvalidManifest
        If there are fewer than two folds.
    """
    temperatures = np.empty(len(labels))

    def fit(here: NDArray[np.bool_]) -> None:
        temperatures[here] = fit_temperature(logits[~here], labels[~here], weights[~here])

    _each_fold(folds, fit)
    return temperatures


def cross_fitted_logits(
    method: Method,
    logits: NDArray[Any],
    labels: NDArray[np.int64],
    weights: Floats,
    folds: NDArray[np.int64],
) -> Floats:
    """Logits calibrated by what was fitted on all folds but each image's own, ``float64 [N, 4]``.

    Raises
    ------
    InvalidManifest
        If there are fewer than two folds.
    """
    calibrated = np.empty((len(labels), len(CLASS_ORDER)))

    def fit(here: NDArray[np.bool_]) -> None:
        scaling = fit_scaling(method, logits[~here], labels[~here], weights[~here])
        calibrated[here] = scaling.apply(logits[here])

    _each_fold(folds, fit)
    return calibrated


def _of_temperature(temperature: float) -> Scaling:
    return Scaling(np.full(len(CLASS_ORDER), 1.0 / temperature), np.zeros(len(CLASS_ORDER)))


def _each_fold(folds: NDArray[np.int64], work: Callable[[NDArray[np.bool_]], None]) -> None:
    numbers = np.unique(folds)
    if len(numbers) < 2:
        raise InvalidManifest("cross-fitted calibration needs at least two folds; there is one")
    for number in numbers:
        work(folds == number)
