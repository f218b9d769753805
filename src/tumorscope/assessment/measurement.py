"""One model measured under one protocol, and what the parts of its report are made from.

Owns the record that passes from the figures to the report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.card import Measured
from tumorscope.core.errors import TumorscopeError
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.dataset.manifest import Manifest
from tumorscope.evaluation.document import document
from tumorscope.evaluation.predictions import PredictionTable
from tumorscope.evaluation.report import Parts
from tumorscope.evaluation.support import few_groups_notes
from tumorscope.inference.classifier import Classifier

__all__ = ["Measurement", "images_by_class"]


@dataclass(frozen=True, slots=True, eq=False)
class Measurement:
    """Figures with everything that is known beside them.

    Parameters
    ----------
    measured
        The figures, with protocol, counts and command.
    model
        What to call the model.
    images_by_class
        How many images each class had.
    table
        The answers; ``None`` where the protocol gives no figure.
    images
        The manifest of the same images, where it is at hand.
    notes
        What a reader must know.
    failures
        Images that could not be read.
    run
        Folder of the run whose fold models answered.
    classifier, bundle
        The bundle that answered, and its file (``None`` for the one that ships).
    predictions
        Records of answers (:mod:`tumorscope.inference.record`) to images without labels, of which nothing is measured;
        ``None`` where there are labels.
    """

    measured: Measured
    model: str
    images_by_class: Mapping[str, int]
    table: PredictionTable | None = None
    images: Manifest | None = None
    notes: tuple[str, ...] = ()
    failures: tuple[tuple[str, TumorscopeError], ...] = ()
    run: Path | None = None
    classifier: Classifier | None = None
    bundle: Path | None = None
    predictions: tuple[Mapping[str, object], ...] | None = None

    def document(self, parts: Parts | None = None, notes: tuple[str, ...] = ()) -> dict[str, Any]:
        """``evaluation.json``, with further parts and notes; predictions are under ``predictions``."""
        few = () if self.table is None else few_groups_notes(self.table)
        told = tuple((path, error.code, str(error)) for path, error in self.failures)
        found = document(
            self.measured,
            model=self.model,
            images_by_class=self.images_by_class,
            failures=told,
            further_notes=(*self.notes, *few, *notes),
            parts=parts,
        )
        if self.predictions is not None:
            found["predictions"] = [dict(answer) for answer in self.predictions]
        return found


def images_by_class(labels: NDArray[np.int64]) -> dict[str, int]:
    """How many of ``labels [N]`` each class has, by its key."""
    counts = np.bincount(labels, minlength=len(CLASS_ORDER))
    return {key.value: int(counts[key.position]) for key in CLASS_ORDER}
