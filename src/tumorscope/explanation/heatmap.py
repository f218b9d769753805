"""The evidence for one class, taken from a prediction.

Owns the choice of the class, the scale from 0 to 1 that a picture needs, and the hottest region. The maps themselves
come from the graph, laid over the slice by :mod:`tumorscope.inference.geometry`. Knows nothing of colours.

A class activation (Zhou et al., CVPR 2016) shows what a network weighed for a class. It does not outline a
tumour, and strong evidence in the wrong place is a reason to distrust an answer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.core.labels import Diagnosis
from tumorscope.core.prediction import Prediction

__all__ = ["HOT", "Hottest", "evidence_for", "hottest", "strength"]

HOT = 0.5
"""The hottest region is where there is at least this share of the strongest evidence."""


@dataclass(frozen=True, slots=True, eq=False)
class Hottest:
    """Where a map is strongest.

    Parameters
    ----------
    row, column
        The peak, in pixels of the slice from 0.
    evidence
        There, above 0.
    region
        ``bool [H, W]``: pixels with at least :data:`HOT` of it; may be in several pieces.
    """

    row: int
    column: int
    evidence: float
    region: NDArray[np.bool_]


def evidence_for(prediction: Prediction, diagnosis: Diagnosis | None = None) -> NDArray[np.float32]:
    """Take the map of one class.

    Parameters
    ----------
    prediction
        Made with ``heatmap=True``.
    diagnosis
        The class; the most probable one for ``None``.

    Returns
    -------
    numpy.ndarray
        ``float32 [H, W]`` at the resolution of the slice, in units of the logit per cell of the graph's map;
        negative where the slice speaks against the class.

    Raises
    ------
    InvalidConfiguration
        If the prediction was made without heat-maps.
    """
    if prediction.heatmap is None:
        raise InvalidConfiguration(
            "this prediction holds no heat-map; ask for it by predict(..., heatmap=True)"
        )
    shown = diagnosis or prediction.diagnosis
    evidence: NDArray[np.float32] = prediction.heatmap[shown.position]
    return evidence


def strength(evidence: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
    """Scale the evidence in favour of a class to [0, 1].

    Parameters
    ----------
    evidence
        ``float32 [H, W]``, any sign.

    Returns
    -------
    tuple
        ``float32 [H, W]``, 0 where nothing speaks for the class and 1 at the strongest place; and the
        evidence that 1 stands for, 0.0 where nothing in the slice speaks for it.
    """
    peak = max(float(evidence.max(initial=0.0)), 0.0)
    if peak == 0.0:
        return np.zeros_like(evidence), 0.0
    return np.clip(evidence, 0.0, None) / np.float32(peak), peak


def hottest(evidence: NDArray[np.float32]) -> Hottest | None:
    """Find the peak of a map and the region around it.

    Parameters
    ----------
    evidence
        ``float32 [H, W]`` at the resolution of the slice.

    Returns
    -------
    Hottest or None
        ``None`` where nothing speaks for the class. Beyond the centres of the outer cells a map is level; of equal
        pixels the one nearest to the middle of the slice is the peak, which is the centre of the cell.
    """
    peak = float(evidence.max(initial=0.0))
    if peak <= 0.0:
        return None
    places = np.argwhere(evidence == peak)
    middle = (np.array(evidence.shape) - 1) / 2
    row, column = places[np.abs(places - middle).sum(axis=1).argmin()]
    return Hottest(int(row), int(column), peak, evidence >= np.float32(HOT * peak))
