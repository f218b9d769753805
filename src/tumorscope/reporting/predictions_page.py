"""The page of images without labels: what was said of each, and no figure.

Owns what is shown of the document of predictions, in which order; how it looks is ``templates/predictions.html``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tumorscope.core.labels import CLASS_ORDER, Diagnosis
from tumorscope.core.prediction import Verdict
from tumorscope.core.version import __version__
from tumorscope.dataset.audit.document import Verdict as Judgement
from tumorscope.reporting.evaluated import read_document
from tumorscope.reporting.gallery import first_of
from tumorscope.reporting.page import render

__all__ = ["predictions_page"]

_FAILURES = 60
_TONES = {
    Verdict.ANSWERED: Judgement.GOOD,
    Verdict.UNCERTAIN: Judgement.NOTICE,
    Verdict.REJECTED: Judgement.PROBLEM,
}


@dataclass(frozen=True, slots=True)
class _Row:
    """What was said of one slice."""

    path: str
    answer: Diagnosis
    probability: float
    probabilities: tuple[float, ...]
    verdict: Verdict
    tone: Judgement
    members: tuple[Diagnosis, ...]


def predictions_page(document: Mapping[str, Any], *, rows: int = 1000, version: str = __version__) -> str:
    """Write the page of predictions.

    Parameters
    ----------
    document
        That of an evaluation without labels: ``predictions`` holds records of :mod:`tumorscope.inference.record`.
    rows
        How many predictions are shown at most, in their order; the page says how many more there are.
    version
        Of Tumorscope, said at the foot of the page.

    Returns
    -------
    str
        One HTML file, to be written as UTF-8; it asks for no other file and no network.

    Raises
    ------
    InvalidConfiguration
        If the document is not one of an evaluation.
    MissingDependency
        If Jinja2 is not installed.
    """
    evaluated = read_document(document)
    found = [_row(record) for record in document["predictions"]]
    return render(
        "predictions.html",
        version=version,
        evaluated=evaluated,
        by_class=_counts([row.answer for row in found], CLASS_ORDER),
        by_verdict=_counts([row.verdict for row in found], tuple(Verdict)),
        tones=_TONES,
        class_order=CLASS_ORDER,
        rows=first_of(found, rows),
        failures=first_of(evaluated.failures, _FAILURES),
        Verdict=Judgement,
    )


def _counts(found: Sequence[Any], order: Sequence[Any]) -> list[tuple[Any, int, float]]:
    """How many of each, and their share."""
    counted = Counter(found)
    return [(key, counted[key], counted[key] / len(found) if found else 0.0) for key in order]


def _row(record: Mapping[str, Any]) -> _Row:
    verdict = Verdict(record["verdict"])
    frame = f" [{record['frame'] + 1}]" if record.get("frame") else ""
    return _Row(
        path=f"{record['path']}{frame}",
        answer=Diagnosis(record["diagnosis"]),
        probability=float(record["probabilities"][record["diagnosis"]]),
        probabilities=tuple(float(record["probabilities"][key.value]) for key in CLASS_ORDER),
        verdict=verdict,
        tone=_TONES[verdict],
        members=tuple(Diagnosis(key) for key in record["prediction_set"]),
    )
