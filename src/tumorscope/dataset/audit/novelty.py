"""The check for images that are not brain MRI.

Owns the verdict on what a bundle finds unlike anything it was trained on (Lee et al., NeurIPS 2018).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tumorscope.dataset.audit.chance import RARE, so_many_by_chance
from tumorscope.dataset.audit.document import Check, UnlikeBrain, Verdict
from tumorscope.dataset.audit.model import Asked
from tumorscope.dataset.audit.words import counted, percent
from tumorscope.dataset.manifest import Manifest

__all__ = ["MANY", "novelty_check"]

MANY = 2.0
"""Twice as many rejections as the limit was made to give on honest slices: these images are of another kind."""

_KEY, _TITLE = "not-brain-mri", "Images unlike brain MRI"
_DIGITS = 3


def novelty_check(
    manifest: Manifest, model: Asked | None, novelty: NDArray[np.float64] | None
) -> tuple[Check, tuple[UnlikeBrain, ...]]:
    """Find images above a bundle's novelty limit.

    Parameters
    ----------
    manifest
        The readable images.
    model
        The bundle; ``None`` where none was given.
    novelty
        ``float64 [N]``, its answer to each.

    Returns
    -------
    tuple
        The check, and the images with the strangest first.
    """
    if model is None or novelty is None:
        sentence = "No bundle was given; give a bundle (.onnx) as --model, or the word 'shipped'."
        return Check(key=_KEY, title=_TITLE, verdict=Verdict.NOT_RUN, sentence=sentence), ()
    found = sorted(
        (
            UnlikeBrain(
                path=manifest.display_path(row),
                label=row.label,
                novelty=round(float(value), _DIGITS),
                limit=round(model.novelty_limit, _DIGITS),
            )
            for row, value in zip(manifest, novelty, strict=True)
            if value > model.novelty_limit
        ),
        key=lambda entry: (-entry.novelty, entry.path),
    )
    many = len(found) > MANY * model.false_rejection * len(manifest) and (
        so_many_by_chance(len(found), len(manifest), model.false_rejection) < RARE
    )
    of = counted(len(manifest), "image")
    verb = "is" if len(found) == 1 else "are"
    sentence = (
        f"Of {of}, {len(found):,} ({percent(len(found), len(manifest))}) {verb} above the novelty limit of "
        f"{model.name}; {percent(model.false_rejection)} of honest slices are, so each wants a look."
        if found
        else f"None of {of} is above the novelty limit of {model.name}."
    )
    return (
        Check(
            key=_KEY,
            title=_TITLE,
            verdict=(Verdict.PROBLEM if many else Verdict.NOTICE) if found else Verdict.GOOD,
            sentence=sentence,
            count=len(found),
        ),
        tuple(found),
    )
