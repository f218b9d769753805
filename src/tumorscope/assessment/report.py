"""The full report of a measurement: every part that can be had, and the page.

Owns which parts are tried, and what is said of those that cannot be had.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from tumorscope.assessment.examinee import Examinee, examinee_of_bundle, examinee_of_run
from tumorscope.assessment.from_answers import parts_of_answers
from tumorscope.assessment.measurement import Measurement
from tumorscope.assessment.passes import Begin, Pass, run_passes
from tumorscope.assessment.pictures import MistakePictures
from tumorscope.core.errors import MissingInput
from tumorscope.reporting.evaluation_page import evaluation_page

__all__ = ["REPORT_NAME", "full_report"]

REPORT_NAME = "report.html"


def full_report(
    measurement: Measurement, passes: Collection[Pass], *, folder: Path, limit: int, begin: Begin
) -> tuple[dict[str, Any], str]:
    """Measure every part and write the page.

    Parameters
    ----------
    measurement
        The figures.
    passes
        Slow parts to add; they need images.
    folder
        Of the report; finished stress ladders are kept there.
    limit
        Images that a pass uses at most.
    begin
        Called with the title of each pass.

    Returns
    -------
    tuple
        The document, with its parts, and the page.

    Raises
    ------
    MissingInput
        If passes are asked for and a fold of the run has no bundle.
    """
    if measurement.table is None:
        document = measurement.document()
        return document, evaluation_page(document, None, lambda _path: None)
    parts, notes = parts_of_answers(measurement.table, measurement.images)
    examinee, why_not = _examinee(measurement, needed=bool(passes))
    if examinee is None:
        document = measurement.document(parts, (*notes, *why_not))
        return document, evaluation_page(document, parts, lambda _path: None)
    parts, failures = run_passes(parts, examinee, passes, folder=folder, limit=limit, begin=begin)
    unread = tuple(f"A heat-map pass could not read {path}: {error}" for path, error in failures)
    document = measurement.document(parts, (*notes, *unread))
    pictures = MistakePictures(examinee)
    return document, evaluation_page(document, parts, pictures.picture, evidence=pictures.evidence)


def _examinee(measurement: Measurement, *, needed: bool) -> tuple[Examinee | None, tuple[str, ...]]:
    """Whom to ask; without images, or fold models, nobody, and why."""
    if measurement.images is None:
        return None, ("No images were given (--data): no strata, no pictures, nothing asked again.",)
    if measurement.classifier is not None:
        return examinee_of_bundle(measurement.classifier, measurement.images, measurement.bundle), ()
    if measurement.run is None:
        return None, ()
    try:
        return examinee_of_run(measurement.run, measurement.images), ()
    except MissingInput as error:
        if needed:
            raise
        return None, (f"No pictures: {error}",)
