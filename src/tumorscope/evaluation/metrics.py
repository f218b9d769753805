"""What the figures are: rates of a weighted confusion matrix, and the loss.

Owns the definitions, each written once and for stacks of matrices, so that a figure and the resamples behind
its interval come from the same line. Knows nothing of groups, files and protocols.

A class that is absent from the truth has no sensitivity; averages over classes are over those present. Absent
values are NaN here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.labels import CLASS_ORDER

__all__ = ["confusion", "losses", "rates", "softmax"]

Floats = NDArray[np.float64]

_CLASSES = len(CLASS_ORDER)


def confusion(labels: NDArray[np.int64], answers: NDArray[np.int64], weights: Floats) -> Floats:
    """Weighted confusion matrix.

    Parameters
    ----------
    labels, answers
        Class positions, ``int64 [N]``: the truth and what was said.
    weights
        ``float64 [N]``, at least 0.

    Returns
    -------
    numpy.ndarray
        ``float64 [4, 4]``, rows truth, columns answer; it sums to the sum of the weights.
    """
    cells = np.bincount(labels * _CLASSES + answers, weights, minlength=_CLASSES**2)
    return cells.astype(np.float64).reshape(_CLASSES, _CLASSES)


def losses(logits: NDArray[Any], labels: NDArray[np.int64], temperature: float | Floats = 1.0) -> Floats:
    """Cross-entropy of each image in nats, ``float64 [N]``.

    Parameters
    ----------
    logits
        ``[N, 4]``.
    labels
        ``int64 [N]``.
    temperature
        Logits are divided by it: one number, or one an image (``[N]``); above 0.
    """
    scaled = np.asarray(logits, dtype=np.float64) / np.asarray(temperature, dtype=np.float64).reshape(-1, 1)
    highest = scaled.max(axis=1)
    total = highest + np.log(np.exp(scaled - highest[:, None]).sum(axis=1))
    return np.asarray(total - np.take_along_axis(scaled, labels[:, None], axis=1)[:, 0])


def softmax(logits: NDArray[Any], temperature: float = 1.0) -> Floats:
    """Probabilities ``float64 [N, 4]`` of logits ``[N, 4]`` divided by ``temperature``."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def rates(matrix: Floats) -> dict[str, Floats]:
    """Every rate of one confusion matrix or of a stack of them.

    Parameters
    ----------
    matrix
        ``float64 [..., 4, 4]``, rows truth, columns answer.

    Returns
    -------
    dict
        ``float64 [...]`` by name: ``accuracy``, ``macro_f1``, ``balanced_accuracy``, and for each class
        ``sensitivity_CLASS`` (recall), ``specificity_CLASS`` and ``ppv_CLASS`` (positive predictive value, precision:
        of the answers CLASS the share that is right, at this table's mix of classes). NaN where undefined.
    """
    hits = np.diagonal(matrix, axis1=-2, axis2=-1)
    truth, said = matrix.sum(axis=-1), matrix.sum(axis=-2)
    total = truth.sum(axis=-1)
    sensitivity = _ratio(hits, truth)
    # Precision and recall have the same numerator: 2PR / (P + R) = 2 hits / (said + truth).
    f1 = np.where(truth > 0, _ratio(2.0 * hits, said + truth), np.nan)
    others = total[..., None] - truth
    specificity = _ratio(others - (said - hits), others)
    ppv = _ratio(hits, said)
    named = {
        "accuracy": _ratio(hits.sum(axis=-1), total),
        "macro_f1": _mean_present(f1),
        "balanced_accuracy": _mean_present(sensitivity),
    }
    for k, key in enumerate(CLASS_ORDER):
        named[f"sensitivity_{key.value}"] = sensitivity[..., k]
        named[f"specificity_{key.value}"] = specificity[..., k]
        named[f"ppv_{key.value}"] = ppv[..., k]
    return named


def _ratio(part: Floats, whole: Floats) -> Floats:
    empty = np.full(np.shape(whole), np.nan)
    quotient = np.divide(part, whole, out=empty, where=np.asarray(whole) > 0)
    return np.asarray(np.clip(quotient, 0.0, 1.0))  # weights such as 1/3 leave rounding errors behind


def _mean_present(values: Floats) -> Floats:
    present = ~np.isnan(values)
    return _ratio(np.where(present, values, 0.0).sum(axis=-1), present.sum(axis=-1).astype(np.float64))
