"""From finished runs to one comparison.

Owns what is asked of which run, and what is said where something is missing. Trains nothing and imports no torch; what
only torch can count is counted where torch is there, and left open where it is not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from tumorscope.core.errors import TumorscopeError
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.dataset.leaks import count_leaks, find_leaks
from tumorscope.dataset.manifest import Manifest, OfficialSplit
from tumorscope.evaluation.intervals import LEVEL, METHOD, RESAMPLES
from tumorscope.evaluation.predictions import PredictionTable
from tumorscope.evaluation.protocol import Protocol
from tumorscope.evaluation.synthetic import synthetic_notes
from tumorscope.recipes.registry import find_recipe
from tumorscope.study.document import Comparison, DataFacts, PairedTest, Result, Row
from tumorscope.study.facts import curves_of
from tumorscope.study.kept import KeptResults, digest_of_split
from tumorscope.study.measuring import measure_folds, measure_official
from tumorscope.study.modelling import model_facts
from tumorscope.study.pairing import paired_tests
from tumorscope.study.plan import PartName, PlannedPart, PlannedRow, count_folds
from tumorscope.study.progress import Begin
from tumorscope.study.reference import PUBLISHED, PUBLISHED_NOTE
from tumorscope.study.request import NAMES, StudyRequest

__all__ = ["MEASURED", "Failures", "compare_rows"]

MEASURED = "measured"
"""Folder of the study where results are kept."""

Failures = Mapping[tuple[str, str], str]
"""By row and part, why its training failed."""


_PART: dict[Protocol, PartName] = {
    Protocol.OFFICIAL: "official",
    Protocol.LEAK_FREE: "official",
    Protocol.PATIENT_WISE: "folds",
}


def compare_rows(
    request: StudyRequest,
    manifest: Manifest,
    rows: tuple[PlannedRow, ...],
    command: str,
    *,
    failures: Failures,
    begin: Begin,
) -> Comparison:
    """Measure every row under every protocol, and all of them against each other.

    Parameters
    ----------
    request
        The study.
    manifest
        Its images.
    rows
        With every part that is there.
    command
        The command line that makes the same again.
    failures
        What could not be trained.
    begin
        Called with the title of each measurement that asks a model; gives its (done, total).
    """
    asking = _Asking(
        request,
        manifest,
        failures,
        begin,
        KeptResults(request.out / MEASURED),
        digest_of_split(manifest),
        count_folds(manifest),
    )
    tables: dict[Protocol, dict[str, PredictionTable]] = {protocol: {} for protocol in request.protocols}
    measured = []
    for row in rows:
        results = []
        for protocol in request.protocols:
            result, table = asking.result(row, protocol)
            results.append(result)
            if table is not None and result.state == "measured":
                tables[protocol][row.name] = table
        measured.append(_row(row, tuple(results)))
    tests: list[PairedTest] = []
    notes: list[str] = []
    for protocol, answers in tables.items():
        found, untested = paired_tests(NAMES[protocol], answers)
        tests += found
        notes += untested
    return Comparison(
        command=command,
        data=_data(request, manifest),
        protocols={NAMES[protocol]: protocol.meaning for protocol in request.protocols},
        interval=f"{LEVEL:.0%}, {METHOD}, {RESAMPLES} resamples",
        rows=tuple(measured),
        tests=tuple(tests),
        notes=(*synthetic_notes(row.source for row in manifest), PUBLISHED_NOTE, *notes),
    )


@dataclass(frozen=True, slots=True)
class _Asking:
    """All that is needed to measure any row under any protocol."""

    request: StudyRequest
    manifest: Manifest
    failures: Failures
    begin: Begin
    kept: KeptResults
    split: str
    of_folds: int

    def result(self, row: PlannedRow, protocol: Protocol) -> tuple[Result, PredictionTable | None]:
        """Measure, or say why not."""
        name, part = NAMES[protocol], row.part(_PART[protocol])
        if part is None or part.action == "not run":
            return Result(protocol=name, state="not run", reason="" if part is None else part.why_not), None
        run = part.path.as_posix()
        failed = self.failures.get((row.name, part.name))
        if failed is not None:
            return Result(protocol=name, state="failed", reason=failed, run=run), None
        if not _is_there(part):
            return Result(protocol=name, state="not run", reason="not finished", run=run), None
        try:
            return self._measure(row, part, protocol)
        except TumorscopeError as error:
            return Result(protocol=name, state="failed", reason=str(error), run=run), None

    def _measure(
        self, row: PlannedRow, part: PlannedPart, protocol: Protocol
    ) -> tuple[Result, PredictionTable | None]:
        if protocol is Protocol.PATIENT_WISE:
            return measure_folds(
                row.name,
                part.path,
                self.manifest,
                of_folds=self.of_folds,
                kept=self.kept,
                allow_leaks=self.request.allow_leaks,
            )
        return measure_official(
            row.name,
            part.path,
            protocol,
            data=self.request.data,
            split=self.split,
            kept=self.kept,
            progress=self.begin(f"{row.name}, {protocol}"),
        )


def _row(row: PlannedRow, results: tuple[Result, ...]) -> Row:
    recipe = find_recipe(row.recipe)
    there = [part for part in row.parts if _is_there(part)]
    try:
        model = model_facts(there) if there else None
    except TumorscopeError:
        # A bundle that cannot be read: its results say so.
        model = None
    return Row(
        name=row.name,
        recipe=recipe.name,
        summary=recipe.summary,
        model=model,
        results=results,
        curves=tuple(curve for part in there for curve in curves_of(part.path, part.name)),
        published=PUBLISHED.get(row.recipe) if row.name == row.recipe else None,
    )


def _is_there(part: PlannedPart) -> bool:
    if part.action == "not run":
        return False
    if part.path.is_file():
        return True
    return (part.path / ("bundle.onnx" if part.name == "official" else "predictions.csv")).is_file()


def _data(request: StudyRequest, manifest: Manifest) -> DataFacts:
    sides = [None if row.official_split is None else row.official_split.value for row in manifest]
    counts = Counter(row.label for row in manifest)
    return DataFacts(
        manifest=request.data.as_posix(),
        manifest_sha256=manifest.digest,
        images=len(manifest),
        slices=len({row.slice_id for row in manifest}),
        groups=len({row.group for row in manifest}),
        patients=len({row.group for row in manifest if row.has_real_patient}),
        images_by_class={key.value: counts[key] for key in CLASS_ORDER},
        sources=dict(sorted(Counter(row.source for row in manifest).items())),
        training=sides.count(OfficialSplit.TRAINING.value),
        testing=sides.count(OfficialSplit.TESTING.value),
        leaks=count_leaks(find_leaks(manifest, sides)),
    )
