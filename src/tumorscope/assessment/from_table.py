"""The answers of any software, in a table, measured like those of our own.

Owns which protocols such a table can be measured under, and what nobody could check about it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tumorscope.assessment.measurement import Measurement, images_by_class
from tumorscope.core.errors import InvalidConfiguration
from tumorscope.dataset.class_names import ClassNames
from tumorscope.dataset.manifest import Manifest
from tumorscope.evaluation.answer_table import read_answers
from tumorscope.evaluation.protocol import Protocol, measure, patient_wise

__all__ = ["SUFFIX", "measure_table"]

SUFFIX = ".csv"
"""What tells a table of answers from a bundle."""

_UNSEEN = {
    Protocol.EXTERNAL: (
        "The answers come from a table: whether the model that gave them had seen these images could not be checked."
    ),
    Protocol.PATIENT_WISE: (
        "The answers come from a table: that each was given without the images of its fold could not be checked."
    ),
}


def measure_table(
    path: Path,
    protocol: Protocol,
    command: str,
    *,
    class_names: ClassNames | None = None,
    images: Manifest | None = None,
    allow_leaks: bool = False,
) -> Measurement:
    """Measure a table of answers.

    Parameters
    ----------
    path
        See :func:`~tumorscope.evaluation.answer_table.read_answers`.
    protocol
        ``external``, or ``patient-wise`` where the table has folds.
    command
        The command line that makes the same figures again.
    class_names
        Further names of the classes.
    images
        The manifest of the same images, for strata; matched by ``sha256``.
    allow_leaks
        Whether folds may leak.

    Raises
    ------
    InvalidConfiguration
        If the protocol is another.
    InvalidManifest
        If the table is none, or has not what the protocol needs.
    """
    if protocol not in _UNSEEN:
        raise InvalidConfiguration(
            f"{path.name} is a table of answers, which says nothing of what the protocol {protocol} needs; measure it "
            "with --protocol external, or patient-wise where it has the column fold"
        )
    table = read_answers(path, class_names)
    if protocol is Protocol.PATIENT_WISE:
        measured = patient_wise(table, command, allow_leaks=allow_leaks)
    else:
        table = replace(table, folds=None)  # whatever they were, nothing here is fitted on them
        measured = measure(table, protocol, command)
    return Measurement(
        measured=measured,
        model=path.name,
        images_by_class=images_by_class(table.labels),
        table=table,
        images=images,
        notes=(_UNSEEN[protocol],),
    )
