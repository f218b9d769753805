"""Answers as plain data: the one shape of the JSON that every surface writes.

Owns :class:`Failure`, and the records that ``core/schemas/prediction-1.json`` pins and
``docs/prediction-record.md`` explains. A new field or meaning is a new schema version.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tumorscope.core.errors import TumorscopeError
from tumorscope.core.prediction import NOTICE, Prediction, SeriesPrediction

__all__ = ["RECORD_SCHEMA", "SERIES_RULE", "Answer", "Failure", "record"]

RECORD_SCHEMA = "tumorscope.prediction/1"
SERIES_RULE = "best-window-of-3"
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Failure:
    """An input, or one slice of it, that got no answer.

    Parameters
    ----------
    path
        The input as the user named it, ``None`` for an array.
    kind
        The class of the error.
    message
        One line: what was received, what is accepted, what to do.
    series
        The key of the series that the slice belongs to, where it is known.
    """

    path: str | None
    kind: type[TumorscopeError]
    message: str
    series: str | None = None

    @property
    def code(self) -> str:
        """The stable code of the error."""
        return self.kind.code

    @property
    def error(self) -> TumorscopeError:
        """The failure as an exception to raise."""
        return self.kind(self.message)


Answer = Prediction | SeriesPrediction | Failure


def record(answer: Answer) -> dict[str, Any]:
    """Turn an answer into JSON-ready data.

    Parameters
    ----------
    answer
        Of a slice, of a series, or the failure to give one.

    Returns
    -------
    dict
        Strings, numbers, lists and ``None`` only; probabilities and novelty with six decimals.
    """
    if isinstance(answer, Failure):
        return {"path": answer.path, "error": {"code": answer.code, "message": answer.message}}
    if isinstance(answer, SeriesPrediction):
        return {
            "schema": RECORD_SCHEMA,
            "kind": "series",
            "path": answer.path,
            "series": answer.series,
            "diagnosis": answer.diagnosis.value,
            "probabilities": _rounded(answer),
            "window": list(answer.window),
            "slices": answer.slices,
            "rule": SERIES_RULE,
            "experimental": True,
            "model": answer.model,
            "notice": NOTICE,
        }
    return {
        "schema": RECORD_SCHEMA,
        "kind": "slice",
        "path": answer.origin.path,
        "frame": answer.origin.frame,
        "diagnosis": answer.diagnosis.value,
        "probabilities": _rounded(answer),
        "prediction_set": [key.value for key in answer.prediction_set],
        "coverage": answer.coverage,
        "verdict": answer.verdict.value,
        "novelty": round(answer.novelty, _DIGITS),
        "model": answer.model,
        "notice": NOTICE,
    }


def _rounded(answer: Prediction | SeriesPrediction) -> dict[str, float]:
    return {key: round(value, _DIGITS) for key, value in answer.by_class().items()}
