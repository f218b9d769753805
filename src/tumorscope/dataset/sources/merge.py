"""The study's set, built from its three sources.

Owns the order of the steps, the files and their names. A name below the target folder says class, source and a number,
never a patient; where each image comes from stands in the manifest and ``provenance.csv``. Which class comes from where
is the plan of :mod:`tumorscope.dataset.sources.study`.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from threading import Lock

import numpy as np
from PIL import Image

from tumorscope.core.errors import InvalidManifest, TumorscopeError
from tumorscope.core.files import atomic_write
from tumorscope.core.labels import CLASS_ORDER, Diagnosis
from tumorscope.core.optional import require
from tumorscope.dataset.copies.of_manifest import copies_of
from tumorscope.dataset.groups import undivided_groups, with_groups
from tumorscope.dataset.index import measure
from tumorscope.dataset.manifest import ImageRecord, Manifest
from tumorscope.dataset.manifest_file import read_manifest, write_manifest
from tumorscope.dataset.scan import Failure
from tumorscope.dataset.sources.catalogue import SourceName
from tumorscope.dataset.sources.exact_copies import CopyRule, SortedCopies, sort_copies
from tumorscope.dataset.sources.fetch import Steps
from tumorscope.dataset.sources.merge_report import LeftOut, MergeReport, count_near, make_report
from tumorscope.dataset.sources.place import Workplace
from tumorscope.dataset.sources.study import PLAN, not_taken, read_source
from tumorscope.dataset.table import write_table
from tumorscope.reading.files import read_bytes
from tumorscope.reading.matlab import read_figshare

__all__ = ["MANIFEST", "NOTE", "PROVENANCE", "Merged", "merge"]

MANIFEST = "manifest.parquet"
NOTE = "merge.json"
PROVENANCE = "provenance.csv"
_SCHEMA = "tumorscope/merge/1"


@dataclass(frozen=True, slots=True)
class Merged:
    """A merged set on the disk.

    Parameters
    ----------
    manifest
        Its rows, as they were written.
    path
        The manifest's file.
    report
        What was counted.
    failures
        Images of the sources that could not be read.
    already
        Whether it was there, whole, and nothing was done.
    """

    manifest: Manifest
    path: Path
    report: MergeReport
    failures: tuple[Failure, ...]
    already: bool = False


@dataclass(frozen=True, slots=True)
class _Planned:
    """An image to be written: its row in the source, and its name below the target folder."""

    source: SourceName
    row: ImageRecord
    origin: str
    name: str


def merge(
    folders: dict[SourceName, Path],
    out: Path,
    *,
    copies: CopyRule = "keep",
    steps: Steps | None = None,
) -> Merged:
    """Build the study's set; the same call goes on where an interrupted one stopped.

    Parameters
    ----------
    folders
        Folder of each source in :data:`PLAN`, as ``data fetch`` made it or as it was unpacked.
    out
        Folder to make, or one that an interrupted call made.
    copies
        What to do with images of equal decoded pixels. ``remove`` keeps one of each, and none where two of them have
        different classes, since nobody knows which is right. Near copies stay either way, in one group: mirrored
        twins are what the study's set consists of.
    steps
        Told of progress.

    Raises
    ------
    MissingInput
        If a folder does not exist.
    InvalidManifest
        If a folder does not hold its source.
    InvalidConfiguration
        If ``out`` holds anything else.
    MissingDependency
        If the extra ``data`` is not installed.
    """
    report = steps or (lambda _title: lambda _done, _total: None)
    require("polars", extra="data", purpose="writing Parquet")
    read = {name: read_source(name, folders[name], report(name.value)) for name in PLAN}
    failures = [failure for _, failed in read.values() for failure in failed]
    manifests = {name: manifest for name, (manifest, _) in read.items()}
    place = Workplace(
        out,
        NOTE,
        {
            "schema": _SCHEMA,
            "copies": copies,
            "sources": {name.value: manifest.digest for name, manifest in manifests.items()},
        },
    )
    done, path = place.open(), out / MANIFEST
    if done is not None and path.is_file():
        known = {key: done[key] for key in MergeReport.model_fields if key in done}
        return Merged(read_manifest(path), path, MergeReport.model_validate(known), (), already=True)
    for label in CLASS_ORDER:
        place.sweep(f"{label.value}/.*")
    planned = _plan(manifests)
    unwritten = _write(planned, out, report("images"))
    written = Manifest(
        tuple(_row(plan, out) for position, plan in enumerate(planned) if position not in unwritten),
        out,
    )
    measured = measure(written, report("facts"))
    failures += [*unwritten.values(), *measured.failures]
    found = sort_copies(measured.manifest, copies)
    for row in found.removed:
        row.path.unlink()
    # What is left is read once more: to remove exact copies first keeps the positions simple.
    alike = copies_of(found.kept, report("copies"))
    kept = with_groups(found.kept, undivided_groups(found.kept, alike.pairs))
    for failure in measured.failures:
        failure.path.unlink()
    made = make_report(
        kept,
        copies=copies,
        left_out=[*not_taken(manifests), *_as_left_out(found)],
        exact_copies=found.copies,
        two_labels=len(found.contradictory),
        near=count_near(found.kept, alike.pairs),
        unreadable=len(failures),
        sources=tuple(PLAN),
    )
    _write_provenance(planned, kept, out)
    write_manifest(kept, path)
    place.complete(made.model_dump(mode="json"))
    return Merged(kept, path, made, tuple(failures))


def _plan(manifests: dict[SourceName, Manifest]) -> list[_Planned]:
    planned = []
    for name, manifest in manifests.items():
        numbers: Counter[Diagnosis] = Counter()
        for row in manifest:
            if row.label not in PLAN[name]:
                continue
            numbers[row.label] += 1
            number = f"{numbers[row.label]:04d}"
            suffix = row.path.suffix.lower()
            if name is SourceName.FIGSHARE:
                number, suffix = f"{int(row.slice_id.rpartition(':')[2]):04d}", ".png"
            origin = manifest.display_path(row)
            planned.append(_Planned(name, row, origin, f"{row.label.value}/{name.value}-{number}{suffix}"))
    return planned


def _write(
    planned: Sequence[_Planned], out: Path, progress: Callable[[int, int], None]
) -> dict[int, Failure]:
    """Write what is not there yet; give the images that could not be."""
    for label in CLASS_ORDER:
        (out / label.value).mkdir(exist_ok=True)

    one_at_a_time = Lock()  # replacing a file asks for the process's umask, which threads share

    def write(position: int) -> Failure | None:
        plan = planned[position]
        try:
            if not (out / plan.name).is_file():  # a file that is there is whole: it took its name when it was
                content = _content(plan)
                with one_at_a_time:
                    atomic_write(out / plan.name, content)
        except TumorscopeError as error:
            return Failure(position, plan.row.path, error)
        return None

    failures = {}
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:  # encoding leaves the interpreter's lock
        try:
            for position, failure in enumerate(pool.map(write, range(len(planned)))):
                if failure is not None:
                    failures[position] = failure
                progress(position + 1, len(planned))
        except BaseException:  # Ctrl-C too: what has not begun need not be waited for
            pool.shutdown(cancel_futures=True)
            raise
    return failures


def _content(plan: _Planned) -> bytes:
    """The file's bytes: those of the source, or an 8-bit PNG of a Figshare slice between its own extremes."""
    content = read_bytes(plan.row.path, str(plan.row.path))
    if plan.source is not SourceName.FIGSHARE:
        if hashlib.sha256(content).hexdigest() != plan.row.sha256:
            raise InvalidManifest(
                f"{plan.row.path} is not the file that its manifest names; make the manifest again"
            )
        return content
    gray = np.rint(read_figshare(content, str(plan.row.path)).slice.as_float() * 255).astype(np.uint8)
    stream = BytesIO()
    Image.fromarray(gray).save(stream, "PNG")
    return stream.getvalue()


def _row(plan: _Planned, out: Path) -> ImageRecord:
    """The row of a written image; what was made for the source alone (folds, sides) is dropped."""
    own = plan.source is not SourceName.FIGSHARE
    return replace(
        plan.row,
        path=out / plan.name,
        group=plan.row.group if not own else plan.row.sha256,
        slice_id=plan.row.slice_id if not own else plan.row.sha256,
        fold=None,
        part=None,
        official_split=None,
    )


def _as_left_out(found: SortedCopies) -> list[LeftOut]:
    counts = Counter(
        (
            SourceName(row.source),
            row.label,
            "its exact copy has another class"
            if row.path in found.contradictory
            else "an exact copy is kept",
        )
        for row in found.removed
    )
    return [
        LeftOut(source=source, label=label, images=images, reason=reason)
        for (source, label, reason), images in sorted(counts.items())
    ]


def _write_provenance(planned: Sequence[_Planned], kept: Manifest, out: Path) -> None:
    """One line an image: its name here, its source, its name there and the hash of the file there."""
    stays = {row.path for row in kept}
    columns = {"path": str, "source": str, "original_path": str, "original_sha256": str}
    write_table(
        out / PROVENANCE,
        columns,
        [
            [plan.name, plan.source.value, plan.origin, plan.row.sha256]
            for plan in planned
            if out / plan.name in stays
        ],
    )
