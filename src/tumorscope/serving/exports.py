"""A set of cases as a table, and one case as a page to print.

Owns the columns of the CSV and the layout of the PDF. What is written comes from kept answers; no identity is in them.
"""

from __future__ import annotations

import csv
import io
from typing import Any

import numpy as np
from PIL import Image

from tumorscope.core.labels import CLASS_ORDER, Diagnosis
from tumorscope.core.optional import require
from tumorscope.core.prediction import NOTICE
from tumorscope.explanation.heatmap import strength
from tumorscope.explanation.overlay import blended
from tumorscope.serving.pictures import evidence_of
from tumorscope.serving.schemas import CaseAnswer, Document
from tumorscope.serving.store import KeptSet, KeptSlice

__all__ = ["CSV_COLUMNS", "answers_csv", "case_pdf"]

CSV_COLUMNS = (
    "kind",
    "case",
    "name",
    "slice",
    "diagnosis",
    *(key.value for key in CLASS_ORDER),
    "prediction_set",
    "coverage",
    "verdict",
    "novelty",
    "model",
    "notice",
    "error",
)
_INK, _FAINT, _BAR, _TRACK = (25, 28, 32), (95, 100, 108), (40, 106, 160), (226, 230, 234)


def answers_csv(document: Document) -> str:
    """One row a slice, a series or a failure."""
    stream = io.StringIO()
    rows = csv.DictWriter(stream, CSV_COLUMNS, lineterminator="\r\n")
    rows.writeheader()
    shared = {"model": document.model, "notice": document.notice}
    for case in document.cases:
        about = {"case": case.id, "name": _harmless(case.name)} | shared
        for one in case.slices:
            rows.writerow(
                about
                | {"kind": "slice", "slice": one.index, "diagnosis": one.diagnosis.value}
                | {key.value: f"{one.probabilities[key]:.6f}" for key in CLASS_ORDER}
                | {"prediction_set": " ".join(key.value for key in one.prediction_set)}
                | {"coverage": one.coverage, "verdict": one.verdict.value, "novelty": f"{one.novelty:.6f}"}
            )
        if case.series is not None:
            rows.writerow(
                about
                | {"kind": "series", "diagnosis": case.series.diagnosis.value}
                | {"slice": " ".join(map(str, case.series.slices_used))}
                | {key.value: f"{case.series.probabilities[key]:.6f}" for key in CLASS_ORDER}
            )
    for failure in document.failures:
        rows.writerow(
            {"kind": "error", "name": _harmless(failure.name), "error": _harmless(failure.title)} | shared
        )
    return stream.getvalue()


def case_pdf(kept: KeptSet, case: CaseAnswer, model: str) -> bytes:
    """One A4 page: a slice, its evidence, probabilities, model and notice.

    Parameters
    ----------
    kept
        The set that holds the case.
    case
        An image, volume or series; of many slices the one is shown that its answer rests on most.
    model
        Name and version.

    Raises
    ------
    MissingDependency
        If fpdf2 is not installed.
    """
    fpdf = require("fpdf", extra="serve", purpose="a report as PDF")
    shown = _telling_slice(kept, case)
    said = case.series or shown.answer
    page: Any = fpdf.FPDF(format="A4")
    page.set_auto_page_break(False)
    page.set_title("Tumorscope report")
    page.set_creator("tumorscope")
    page.set_margins(18, 16)
    page.add_page()
    _line(page, 18, "Tumorscope", bold=True)
    _line(page, 9, NOTICE, colour=(160, 30, 30), bold=True)
    page.ln(2)
    _line(page, 11, f"{case.name} ({case.kind}, {_slices(case)})")
    rests = (
        shown.answer.verdict.value
        if case.series is None
        else "mean of three neighbouring slices, experimental"
    )
    _line(page, 15, f"{said.diagnosis.label}, {said.probabilities[said.diagnosis]:.0%} ({rests})", bold=True)
    y = page.get_y() + 3
    bottom = _pictures(page, shown, y)
    page.set_y(bottom + 2)
    _line(
        page,
        8,
        f"Slice {shown.answer.index + 1} of {len(case.slices)}: the slice, and the evidence for "
        f"{shown.answer.diagnosis.label} over it. It shows what the network weighed; it is no outline of a tumour.",
        colour=_FAINT,
    )
    page.ln(3)
    for key in CLASS_ORDER:
        _bar(page, key, said.probabilities[key])
    page.ln(3)
    one = shown.answer
    members = " or ".join(key.label for key in one.prediction_set)
    _line(
        page,
        10,
        f"The slice shown could be: {members} ({one.coverage:.0%} coverage). Verdict: {one.verdict.value}.",
    )
    _line(page, 10, f"Novelty {one.novelty:.2f}; above {one.novelty_limit:.2f} a slice is rejected.")
    _line(page, 10, f"Model: {model}")
    page.set_y(-22)
    _line(page, 8, NOTICE, colour=_FAINT)
    return bytes(page.output())


def _telling_slice(kept: KeptSet, case: CaseAnswer) -> KeptSlice:
    """The middle of the window of a series, else the surest slice."""
    if case.series is not None:
        first, last = case.series.slices_used
        place = (first + last) // 2
    else:
        place = max(range(len(case.slices)), key=lambda index: max(case.slices[index].probabilities.values()))
    return kept.slices[case.slices[place].number]


def _pictures(page: Any, shown: KeptSlice, y: float) -> float:
    gray = shown.gray.shown()
    scaled, _ = strength(evidence_of(shown, shown.prediction.diagnosis))
    spacing = shown.answer.spacing or (1.0, 1.0)
    ratio = shown.answer.height * spacing[0] / (shown.answer.width * spacing[1])
    width = 84.0
    height = width * ratio
    if height > 105:
        width, height = 105 / ratio, 105.0
    page.image(Image.fromarray(np.repeat(gray[..., np.newaxis], 3, axis=2)), 18, y, width, height)
    page.image(Image.fromarray(blended(gray, scaled)), 18 + 90, y, width, height)
    return y + float(height)


def _bar(page: Any, key: Diagnosis, probability: float) -> None:
    y = page.get_y()
    page.set_font("Helvetica", size=10)
    page.set_text_color(*_INK)
    page.cell(38, 6, key.label)
    page.set_fill_color(*_TRACK)
    page.rect(56, y + 1.2, 110, 3.6, style="F")
    page.set_fill_color(*_BAR)
    page.rect(56, y + 1.2, max(0.1, 110 * probability), 3.6, style="F")
    page.set_x(170)
    page.cell(20, 6, f"{probability:.1%}")
    page.ln(6)


def _line(
    page: Any, size: int, text: str, *, bold: bool = False, colour: tuple[int, int, int] = _INK
) -> None:
    page.set_font("Helvetica", "B" if bold else "", size)
    page.set_text_color(*colour)
    # The built-in fonts know Latin-1 only, and need no font file.
    page.multi_cell(
        0, size * 0.5, text.encode("latin-1", "replace").decode("latin-1"), new_x="LMARGIN", new_y="NEXT"
    )


def _slices(case: CaseAnswer) -> str:
    return "1 slice" if len(case.slices) == 1 else f"{len(case.slices)} slices"


def _harmless(text: str) -> str:
    """A cell that a spreadsheet does not take for a formula."""
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
