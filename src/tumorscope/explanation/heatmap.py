"""The evidence for one class, taken from a prediction.

Owns the choice of the class and the scale from 0 to 1 that a picture needs. The maps themselves come from the
graph, laid over the slice by :mod:`tumorscope.inference.geometry`. Knows nothing of colours.

A class activation (Zhou et al., CVPR 2016) shows what a network weighed for a class. It does not outline a
tumour, and strong evidence in the wrong place is a reason to distrust an answer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.core.labels import Diagnosis
from tumorscope.core.prediction import Prediction

__all__ = ["evidence_for", "strength"]


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
