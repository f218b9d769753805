"""An explanation as plain data: what stands in the JSON beside a picture.

Owns the record, :data:`EXPLANATION_SCHEMA`, which ``docs/explanation.md`` explains. The answer in it is the record
that ``predict`` writes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tumorscope.core.labels import Diagnosis
from tumorscope.core.prediction import Prediction
from tumorscope.explanation.heatmap import HOT, Hottest, evidence_for, hottest
from tumorscope.inference.record import record

__all__ = ["EXPLANATION_SCHEMA", "MAP_SIDE", "explanation_record"]

EXPLANATION_SCHEMA = "tumorscope.explanation/1"
MAP_SIDE = 32
"""The longer side of the small map."""

_DIGITS = 6


def explanation_record(
    prediction: Prediction, diagnosis: Diagnosis | None = None, picture: str | None = None
) -> dict[str, Any]:
    """Turn an explained answer into JSON-ready data.

    Parameters
    ----------
    prediction
        Made with ``heatmap=True``.
    diagnosis
        The class that is explained; the most probable one for ``None``.
    picture
        Name of the picture's file.

    Returns
    -------
    dict
        Strings, numbers, lists and ``None`` only. Rows and columns are pixels of the slice from 0.

    Raises
    ------
    InvalidConfiguration
        If the prediction holds no heat-map.
    """
    shown = diagnosis or prediction.diagnosis
    evidence = evidence_for(prediction, shown)
    height, width = evidence.shape
    found = hottest(evidence)
    small = _small(evidence)
    return {
        "schema": EXPLANATION_SCHEMA,
        "prediction": record(prediction),
        "picture": picture,
        "explained_class": shown.value,
        "image": {"height": height, "width": width},
        "peak": None
        if found is None
        else {"row": found.row, "column": found.column, "evidence": round(found.evidence, _DIGITS)},
        "hottest_region": None if found is None else _region(found),
        "map": {
            "rows": small.shape[0],
            "columns": small.shape[1],
            "values": [[round(value, _DIGITS) for value in row] for row in small.tolist()],
        },
    }


def _region(found: Hottest) -> dict[str, Any]:
    rows, columns = (np.flatnonzero(found.region.any(axis=axis)) for axis in (1, 0))
    return {
        "share_of_peak": HOT,
        "share_of_image": round(float(found.region.mean()), _DIGITS),
        "first_row": int(rows[0]),
        "last_row": int(rows[-1]),
        "first_column": int(columns[0]),
        "last_column": int(columns[-1]),
    }


def _small(evidence: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means over equal parts of the slice, at most :data:`MAP_SIDE` in a row or column."""
    scale = min(1.0, MAP_SIDE / max(evidence.shape))
    rows, columns = (max(1, round(side * scale)) for side in evidence.shape)
    return np.asarray(Image.fromarray(evidence).resize((columns, rows), Image.Resampling.BOX))
