"""A whole study: train what is missing, compare what is there, write it down.

Owns the order, and that one row that fails costs no other.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path

from tumorscope.core.errors import TumorscopeError
from tumorscope.core.files import atomic_write, check_writable
from tumorscope.core.optional import require
from tumorscope.dataset.manifest import Manifest
from tumorscope.dataset.manifest_file import read_manifest, write_manifest
from tumorscope.study.compare import compare_rows
from tumorscope.study.document import COMPARISON, Comparison, write_comparison
from tumorscope.study.markdown import comparison_markdown
from tumorscope.study.page import comparison_page
from tumorscope.study.plan import OFFICIAL_MANIFEST, PlannedPart, PlannedRow, make_plan, official_parts
from tumorscope.study.plots import plot_files
from tumorscope.study.progress import Announce, Steps
from tumorscope.study.request import StudyRequest

__all__ = ["FAILURE", "MARKDOWN", "PAGE", "Study", "prepare_study", "write_study"]

FAILURE = "failure.txt"
MARKDOWN = "comparison.md"
PAGE = "comparison.html"


@dataclass(frozen=True, slots=True)
class Study:
    """A study whose options and data are known to be right."""

    request: StudyRequest
    manifest: Manifest
    rows: tuple[PlannedRow, ...]
    command: str

    @property
    def to_train(self) -> list[tuple[PlannedRow, PlannedPart]]:
        """What is missing, in the order in which it will be trained."""
        return [(row, part) for row in self.rows for part in row.parts if part.to_train]

    def run(self, *, steps: Steps, progress: bool, announce: Announce) -> Comparison:
        """Train what is missing and compare; nothing that is finished is trained again.

        Parameters
        ----------
        steps
            Gives, one after the other, the counters of what is read and measured.
        progress
            Whether the bars of the training are drawn.
        announce
            Told what is going on, and at once of each failure.

        Raises
        ------
        MissingDependency
            If something is to be trained and the extra ``train`` is not installed.
        """
        out = self.request.out
        check_writable(out / COMPARISON)
        failures: dict[tuple[str, str], str] = {}
        if self.to_train:
            require("torch", extra="train", purpose="training the rows of a study")
        if any(part.name == "official" for _, part in self.to_train):
            write_manifest(official_parts(self.manifest), out / OFFICIAL_MANIFEST)
        for number, (row, part) in enumerate(self.to_train, start=1):
            announce(f"[{number}/{len(self.to_train)}] {row.name}, {part.name}")
            reason = self._try(row, part, steps=steps, progress=progress, announce=announce)
            if reason is not None:
                announce(f"{row.name}, {part.name} failed: {reason}")
                failures[row.name, part.name] = reason
        with steps() as begin:
            return compare_rows(
                self.request, self.manifest, self.rows, self.command, failures=failures, begin=begin
            )

    def _try(
        self, row: PlannedRow, part: PlannedPart, *, steps: Steps, progress: bool, announce: Announce
    ) -> str | None:
        """Train a part; give the reason in one line where that failed."""
        from tumorscope.study.training import train_part

        record = part.path / FAILURE
        record.unlink(missing_ok=True)
        try:
            train_part(
                self.request,
                row,
                part,
                self.manifest,
                steps=steps,
                progress=progress,
                announce=announce,
            )
        except TumorscopeError as error:
            return _line(error)
        except Exception as error:
            # Whatever goes wrong in days of training one row must not cost the others; it is written down in full.
            part.path.mkdir(parents=True, exist_ok=True)
            atomic_write(record, "".join(traceback.format_exception(error)))
            return f"{type(error).__name__}: {_line(error)} (see {record.as_posix()})"
        return None


def prepare_study(request: StudyRequest, command: str) -> Study:
    """Check everything that can be wrong before anything is trained; nothing is written.

    Raises
    ------
    TumorscopeError
        As reading the manifest and planning do.
    """
    manifest = read_manifest(request.data)
    return Study(request, manifest, make_plan(request, manifest), command)


def write_study(comparison: Comparison, folder: Path) -> list[Path]:
    """Write ``comparison.json``, ``.md`` and ``.html``, and the plots.

    Returns
    -------
    list of Path
        What was written, the JSON file first.
    """
    written = [write_comparison(comparison, folder)]
    plots = plot_files(comparison)
    contents = {
        MARKDOWN: comparison_markdown(comparison, [f"plots/{name}" for name in plots]),
        PAGE: comparison_page(comparison),
        **{f"plots/{name}": content for name, content in plots.items()},
    }
    for name, content in contents.items():
        atomic_write(folder / name, content)
        written.append(folder / name)
    return written


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
