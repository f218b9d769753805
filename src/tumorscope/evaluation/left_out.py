"""What a run's split kept from training and from its folds, said beside the figures.

Owns the sentences; how many images it were stands in the run's folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tumorscope.dataset.manifest import Part
from tumorscope.evaluation.run_record import said_of_data

__all__ = ["left_out_notes"]


def left_out_notes(run: Path) -> tuple[str, ...]:
    """A sentence for each part of the data set that the run had nothing to do with; none where it does not say.

    Raises
    ------
    InvalidConfiguration
        If the run's ``data.json`` is damaged.
    """
    nothing: tuple[str, ...] = ()
    return said_of_data(run, lambda document: _sentences(dict(document.get("left_out", {}))), nothing)


def _sentences(counts: Mapping[str, int]) -> tuple[str, ...]:
    return tuple(
        f"{count:,} image{' of the data set is' if count == 1 else 's of the data set are'} in no fold and in no "
        f"figure (part {part}): {Part(part).reason}."
        for part, count in sorted(counts.items())
    )
