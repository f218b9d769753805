"""The report of ``tumorscope evaluate``: progress bars around the work, and the page on the disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tumorscope.assessment.measurement import Measurement

__all__ = ["write_report"]


def write_report(
    measurement: Measurement,
    folder: Path,
    *,
    passes: Sequence[str],
    limit: int,
    progress: bool,
    foreign: Path | None = None,
) -> tuple[dict[str, Any], list[str]]:
    """Write the pages; return what ``evaluation.json`` is to hold, and the names of the other files."""
    from tumorscope.assessment.passes import Pass
    from tumorscope.assessment.report import REPORT_NAME, full_report
    from tumorscope.cli.steps import steps
    from tumorscope.core.files import atomic_write, check_writable

    check_writable(folder / REPORT_NAME)
    with steps(show=progress) as begin:
        report = full_report(
            measurement,
            [Pass(name) for name in passes],
            folder=folder,
            limit=limit,
            begin=begin,
            foreign=foreign,
        )
    for name, content in report.files.items():
        atomic_write(folder / name, content)
    return report.document, list(report.files)
