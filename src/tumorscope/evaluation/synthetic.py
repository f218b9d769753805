"""What a result on made-up images must say.

Owns that one sentence and the rule when it is due. Whatever measures or describes a model puts it among its notes.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tumorscope.evaluation.run_record import said_of_data
from tumorscope.synthesis import SYNTHETIC

__all__ = ["SYNTHETIC_NOTE", "sources_of_run", "synthetic_notes"]

SYNTHETIC_NOTE = "Synthetic images: no result about real scans."


def synthetic_notes(sources: Iterable[str | None]) -> tuple[str, ...]:
    """The sentence where any image was made up, else nothing.

    Parameters
    ----------
    sources
        The column ``source`` of the images.
    """
    return (SYNTHETIC_NOTE,) if SYNTHETIC in set(sources) else ()


def sources_of_run(run: Path) -> tuple[str, ...]:
    """Sources of the images that a training run used; none where its folder does not say.

    Raises
    ------
    InvalidConfiguration
        If the run's ``data.json`` is damaged.
    """
    nowhere: tuple[str, ...] = ()
    return said_of_data(run, lambda document: tuple(document["sources"]), nowhere)
