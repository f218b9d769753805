"""A run measured by its out-of-fold answers.

Owns what is read of a run's folder for that. Opens no image and asks no model.
"""

from __future__ import annotations

from pathlib import Path

from tumorscope.assessment.measurement import Measurement, images_by_class
from tumorscope.core.errors import InvalidConfiguration, MissingInput
from tumorscope.dataset.manifest import Manifest
from tumorscope.evaluation.left_out import left_out_notes
from tumorscope.evaluation.predictions import read_predictions
from tumorscope.evaluation.protocol import Protocol, patient_wise, shifted
from tumorscope.evaluation.style_folds import holds_whole_styles, style_notes
from tumorscope.evaluation.synthetic import sources_of_run, synthetic_notes

__all__ = ["MEASURES", "measure_run"]

MEASURES = {Protocol.PATIENT_WISE: patient_wise, Protocol.SHIFTED: shifted}
"""The protocols that are about out-of-fold answers."""


def measure_run(
    run: Path | None,
    protocol: Protocol,
    command: str,
    *,
    images: Manifest | None = None,
    allow_leaks: bool = False,
) -> Measurement:
    """Measure a run.

    Parameters
    ----------
    run
        Folder of a run made by ``tumorscope train --folds``.
    protocol
        One of :data:`MEASURES`.
    command
        The command line that makes the same figures again.
    images
        The manifest of the run's images, for what needs them.
    allow_leaks
        Whether folds may leak.

    Raises
    ------
    InvalidConfiguration
        If ``run`` is ``None`` or a file.
    MissingInput
        If there is no such folder, or it has no out-of-fold answers.
    InvalidManifest, LeakySplit
        As the protocol does.
    """
    if run is None or run.is_file():
        raise InvalidConfiguration(
            f"the protocol {protocol} reads the out-of-fold answers of a run: give its folder as --model; "
            "for a bundle use --protocol external --data FOLDER"
        )
    if not run.exists():
        raise MissingInput(
            f"{run} does not exist; give the folder of a run made by: tumorscope train --folds"
        )
    table = read_predictions(run)
    measured = MEASURES[protocol](table, command, allow_leaks=allow_leaks)
    notes = synthetic_notes(sources_of_run(run)) + left_out_notes(run)
    if holds_whole_styles(table):
        notes += style_notes(table)
    return Measurement(
        measured=measured,
        model=run.name,
        images_by_class=images_by_class(table.labels),
        table=table,
        images=images,
        notes=notes,
        run=run,
    )
