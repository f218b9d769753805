"""``evaluation.json``: figures in a form that programs read and that cannot lose its protocol.

Owns the shape of the document. Knows neither how figures are computed nor how they are shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tumorscope.core.card import Measured
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.core.prediction import NOTICE
from tumorscope.evaluation.intervals import LEVEL, METHOD, RESAMPLES, SEED
from tumorscope.evaluation.protocol import Protocol, notes
from tumorscope.evaluation.report import Parts

__all__ = ["EVALUATION_NAME", "SCHEMA", "document"]

EVALUATION_NAME = "evaluation.json"
SCHEMA = "tumorscope/evaluation/1"
_LEAKY = " But the split leaks, so this does not hold for every image."


def document(
    measured: Measured,
    *,
    model: str,
    images_by_class: Mapping[str, int],
    failures: tuple[tuple[str, str, str], ...] = (),
    further_notes: tuple[str, ...] = (),
    parts: Parts | None = None,
) -> dict[str, Any]:
    """Everything there is to say of one evaluation, as JSON types.

    Parameters
    ----------
    measured
        The figures, counts and command.
    model
        Which model, as the user knows it.
    images_by_class
        How many images each class had.
    failures
        (path, error code, message) of each image that could not be read and is in no figure.
    further_notes
        What else a reader must know, put before the notes that follow from the figures.
    parts
        Everything beyond the headline; no key ``parts`` where ``None``.
    """
    beyond = {} if parts is None else {"parts": parts.model_dump(mode="json")}
    return {
        "schema": SCHEMA,
        "model": model,
        "protocol": measured.protocol,
        "protocol_meaning": Protocol(measured.protocol).meaning + (_LEAKY if measured.leaks else ""),
        "leaks": measured.leaks,
        "images": measured.images,
        "slices": measured.slices,
        "groups": measured.groups,
        "patients": measured.patients,
        "images_by_class": dict(images_by_class),
        "interval": {
            "level": LEVEL,
            "method": METHOD,
            "resamples": RESAMPLES,
            "seed": SEED,
        },
        "figures": {name: figure.model_dump() for name, figure in measured.figures.items()},
        "class_order": [key.value for key in CLASS_ORDER],
        "confusion": [list(row) for row in measured.confusion],
        "notes": [*further_notes, *notes(measured, images_by_class)],
        "failures": [
            {"path": path, "error": {"code": code, "message": text}} for path, code, text in failures
        ],
        "command": measured.command,
        **beyond,
        "notice": NOTICE,
    }
