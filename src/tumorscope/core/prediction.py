"""The answer for one slice, and for one series.

Owns the frozen records that inference returns and every surface (table, JSON, server) shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.labels import CLASS_ORDER, Diagnosis
from tumorscope.core.slice import Origin

__all__ = ["NOTICE", "Prediction", "SeriesPrediction", "Verdict"]

NOTICE = "Research software, not a medical device: not for diagnosis or treatment decisions."


class Verdict(StrEnum):
    """What the answer is worth."""

    ANSWERED = "answered"
    UNCERTAIN = "uncertain"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What the model says of one slice.

    Parameters
    ----------
    probabilities
        Calibrated, ``float32 [4]`` in :data:`~tumorscope.core.labels.CLASS_ORDER`, summing to 1.
    prediction_set
        The classes that a conformal set at ``coverage`` holds; one class when the model is sure.
    coverage
        Promised share of sets that hold the truth, in (0, 1).
    verdict
        ``rejected`` when the slice is unlike anything seen in training, ``uncertain`` when the set is not a
        single class, ``answered`` otherwise.
    novelty
        Distance from the training data; compare with the bundle's limit.
    heatmap
        Class evidence ``float32 [4, H, W]``: the graph's own map laid over the slice at the slice's resolution,
        or ``None`` where it was not asked for.
    model
        Name and version of the bundle that answered.
    origin
        The slice that was read.
    """

    probabilities: NDArray[np.float32]
    prediction_set: tuple[Diagnosis, ...]
    coverage: float
    verdict: Verdict
    novelty: float
    model: str
    origin: Origin
    heatmap: NDArray[np.float32] | None = None

    @property
    def diagnosis(self) -> Diagnosis:
        """The most probable class."""
        return CLASS_ORDER[int(np.argmax(self.probabilities))]

    @property
    def confidence(self) -> float:
        """Calibrated probability of :attr:`diagnosis`, in [0, 1]."""
        return float(np.max(self.probabilities))

    def by_class(self) -> Mapping[str, float]:
        """Probability of each class by its key, in class order."""
        return {key.value: float(p) for key, p in zip(CLASS_ORDER, self.probabilities, strict=True)}


@dataclass(frozen=True, slots=True, eq=False)
class SeriesPrediction:
    """One answer for a series or volume: the best window of neighbouring slices. Experimental.

    Parameters
    ----------
    probabilities
        Mean of the window's calibrated probabilities, ``float32 [4]``.
    window
        First and last position (inclusive) of the slices the answer rests on, counted in series order.
    slices
        How many slices of the series were answered.
    series
        The opaque key the slices share.
    model
        Name and version of the bundle that answered.
    path
        The file or folder the series was read from.
    """

    probabilities: NDArray[np.float32]
    window: tuple[int, int]
    slices: int
    series: str
    model: str
    path: str | None

    @property
    def diagnosis(self) -> Diagnosis:
        """The most probable class."""
        return CLASS_ORDER[int(np.argmax(self.probabilities))]

    def by_class(self) -> Mapping[str, float]:
        """Probability of each class by its key, in class order."""
        return {key.value: float(p) for key, p in zip(CLASS_ORDER, self.probabilities, strict=True)}
