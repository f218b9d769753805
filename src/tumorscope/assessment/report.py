"""The full report of a measurement: every part that can be had, and the page.

Owns which parts are tried, and what is said of those that cannot be had.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tumorscope.assessment.examinee import Examinee, examinee_of_bundle, examinee_of_run
from tumorscope.assessment.from_answers import parts_of_answers
from tumorscope.assessment.measurement import Measurement
from tumorscope.assessment.passes import Begin, Pass, run_passes
from tumorscope.assessment.pictures import MistakePictures
from tumorscope.core.card import ModelCard
from tumorscope.core.errors import MissingInput
from tumorscope.evaluation.report import Parts
from tumorscope.inference.bundle import read_card
from tumorscope.reporting.card_page import card_markdown
from tumorscope.reporting.checklists import claim_markdown, tripod_markdown
from tumorscope.reporting.evaluation_page import evaluation_page
from tumorscope.reporting.predictions_page import predictions_page

__all__ = ["REPORT_NAME", "Report", "full_report"]

REPORT_NAME = "report.html"


@dataclass(frozen=True, slots=True)
class Report:
    """What a report consists of.

    Parameters
    ----------
    document
        What ``evaluation.json`` holds.
    files
        Further files by name: the page and, where a bundle is at hand, its card and the reporting checklists.
    """

    document: dict[str, Any]
    files: dict[str, str]


def full_report(
    measurement: Measurement,
    passes: Collection[Pass],
    *,
    folder: Path,
    limit: int,
    begin: Begin,
    foreign: Path | None = None,
) -> Report:
    """Measure every part and write the pages.

    Parameters
    ----------
    measurement
        The figures.
    passes
        Slow parts to add; they need images.
    folder
        Of the report; finished stress ladders and answers about novelty are kept there.
    limit
        Images that a pass uses at most.
    begin
        Called with the title of each pass.
    foreign
        Folder of images that are no brain MRI, for the novelty.

    Raises
    ------
    MissingInput
        If passes are asked for and a fold of the run has no bundle.
    """
    if measurement.table is None:
        document = measurement.document()
        if measurement.predictions is not None:
            return _report(measurement, document, predictions_page(document))
        return _report(measurement, document, evaluation_page(document, None, lambda _path: None))
    card = None if measurement.classifier is None else measurement.classifier.card
    parts, notes = parts_of_answers(measurement.table, measurement.images, card)
    examinee, why_not = _examinee(measurement, needed=bool(passes))
    if examinee is None:
        document = measurement.document(parts, (*notes, *why_not))
        return _report(measurement, document, evaluation_page(document, parts, lambda _path: None), parts)
    parts, further = run_passes(
        parts, examinee, passes, folder=folder, limit=limit, begin=begin, foreign=foreign
    )
    document = measurement.document(parts, (*notes, *further))
    pictures = MistakePictures(examinee)
    page = evaluation_page(document, parts, pictures.picture, evidence=pictures.evidence)
    return _report(measurement, document, page, parts)


def _report(
    measurement: Measurement, document: dict[str, Any], page: str, parts: Parts | None = None
) -> Report:
    """The page, and what is generated of the card of the bundle that was measured or that the run made."""
    files = {REPORT_NAME: page}
    card = _card(measurement)
    if card is not None:
        files["model-card.md"] = card_markdown(card, document)
        files["claim-2024.md"] = claim_markdown(card, document, parts)
        files["tripod-ai.md"] = tripod_markdown(card, document, parts)
    return Report(document, files)


def _card(measurement: Measurement) -> ModelCard | None:
    if measurement.classifier is not None:
        return measurement.classifier.card
    bundle = None if measurement.run is None else measurement.run / "bundle.onnx"
    return (
        ModelCard.model_validate_json(read_card(bundle)) if bundle is not None and bundle.is_file() else None
    )


def _examinee(measurement: Measurement, *, needed: bool) -> tuple[Examinee | None, tuple[str, ...]]:
    """Whom to ask; without images, or fold models, nobody, and why."""
    if measurement.images is None:
        strata = (
            "no strata"
            if measurement.table is None or measurement.table.styles is None
            else "strata by style only"
        )
        return None, (f"No images were given (--data): {strata}, no pictures, nothing asked again.",)
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
