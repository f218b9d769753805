"""How an evaluation was set up; no figure goes anywhere without it.

Owns the protocols and what each demands of the predictions it is given. Knows neither files nor models.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.card import Measured
from tumorscope.core.errors import InvalidManifest
from tumorscope.dataset.groups import Key
from tumorscope.dataset.leaks import count_leaks, describe_leaks, find_shared, refuse_leaks
from tumorscope.dataset.manifest import Manifest
from tumorscope.evaluation.calibration import cross_fitted_logits
from tumorscope.evaluation.intervals import figures
from tumorscope.evaluation.metrics import confusion, losses
from tumorscope.evaluation.predictions import PredictionTable
from tumorscope.evaluation.style_folds import refuse_divided_styles
from tumorscope.evaluation.support import without_false_certainty

__all__ = ["FEW_GROUPS", "Protocol", "measure", "not_estimable", "notes", "patient_wise", "shifted"]

FEW_GROUPS = 30


class Protocol(StrEnum):
    """What stood between training and test."""

    OFFICIAL = "official"
    LEAK_FREE = "leak-free"
    PATIENT_WISE = "patient-wise"
    EXTERNAL = "external"
    SHIFTED = "shifted"

    @property
    def meaning(self) -> str:
        """One sentence for a reader of the figures."""
        return _MEANINGS[self]


_MEANINGS = {
    Protocol.OFFICIAL: (
        "The data set's own split, as published: figures compare with the literature, and say nothing about new "
        "patients where it leaks."
    ),
    Protocol.LEAK_FREE: (
        "The official test images that share no patient, copy or group with an image to learn from."
    ),
    Protocol.PATIENT_WISE: (
        "Cross-fitted: every image was answered by a model that saw no image of its patient or copy cluster."
    ),
    Protocol.EXTERNAL: (
        "Images given as coming from elsewhere. That the model was not trained on them holds as far as the notes say "
        "it was checked."
    ),
    Protocol.SHIFTED: (
        "Cross-fitted over looks: every image was answered by a model that saw no image of its intensity style "
        "(source, contrast, texture) and none of its patient or copy cluster."
    ),
}


def patient_wise(table: PredictionTable, command: str, *, allow_leaks: bool = False) -> Measured:
    """Evaluate out-of-fold answers.

    Parameters
    ----------
    table
        With folds; every image answered by the model that was fitted without its fold.
    command
        The command line that makes the same figures again.
    allow_leaks
        Whether to measure answers whose folds leak; the result says so.

    Returns
    -------
    Measured
        ``loss`` is that of the raw logits, ``loss_calibrated`` that under temperatures fitted on other folds.

    Raises
    ------
    InvalidManifest
        If there are fewer than two folds.
    LeakySplit
        If a group, slice or file lies in two folds, or the answers are stamped with such a leak.
    """
    folds = _folds(table, Protocol.PATIENT_WISE)
    return _cross_fitted(table, folds, Protocol.PATIENT_WISE, command, "--folds K", allow_leaks=allow_leaks)


def shifted(table: PredictionTable, command: str, *, allow_leaks: bool = False) -> Measured:
    """Evaluate out-of-fold answers whose folds hold out whole intensity styles.

    Parameters
    ----------
    table, command, allow_leaks
        As of :func:`patient_wise`; the table has the style of each answer.

    Returns
    -------
    Measured
        As :func:`patient_wise`.

    Raises
    ------
    InvalidManifest
        If there are fewer than two folds, an answer has no style, or a style lies in two folds.
    LeakySplit
        If a group, slice or file lies in two folds, or the answers are stamped with such a leak.
    """
    folds = _folds(table, Protocol.SHIFTED)
    refuse_divided_styles(table)
    option = "--by-style --folds K"
    return _cross_fitted(table, folds, Protocol.SHIFTED, command, option, allow_leaks=allow_leaks)


def not_estimable(manifest: Manifest, protocol: Protocol, command: str) -> Measured:
    """The counts of images that are too few for figures: none is given."""
    groups = {row.group for row in manifest}
    return Measured(
        protocol=protocol.value,
        images=len(manifest),
        slices=len({row.slice_id for row in manifest}),
        groups=len(groups),
        patients=len({row.group for row in manifest if row.has_real_patient}),
        figures={},
        confusion=(),
        command=command,
        leaks={},
    )


def measure(
    table: PredictionTable,
    protocol: Protocol,
    command: str,
    *,
    calibrated: NDArray[np.float64] | None = None,
    leaks: Mapping[str, int] | None = None,
) -> Measured:
    """Figures with intervals and the counts they rest on, as a bundle's card carries them.

    Parameters
    ----------
    table
        The answers beside the truth.
    protocol
        What they were made under.
    command
        The command line that makes the same figures again.
    calibrated
        Calibrated logits of the table's images, ``float64 [N, 4]``, for ``loss_calibrated``; ``None`` leaves that out.
    leaks
        How many keys of each kind lie on two sides of the split; ``None`` where that was not looked at.
    """
    named: dict[str, NDArray[np.float64]] = {"loss": losses(table.logits, table.labels)}
    if calibrated is not None:
        named["loss_calibrated"] = losses(calibrated, table.labels)
    matrix = confusion(table.labels, table.logits.argmax(axis=1), table.weights)
    return Measured(
        protocol=protocol.value,
        images=len(table),
        slices=table.slices,
        groups=table.group_count,
        patients=table.patients,
        figures=without_false_certainty(figures(table, named), table),
        confusion=tuple(tuple(float(cell) for cell in row) for row in matrix),
        command=command,
        leaks=None if leaks is None else dict(leaks),
    )


def notes(measured: Measured, images_by_class: Mapping[str, int]) -> tuple[str, ...]:
    """What a reader must know beside the figures: leaks, too few groups, absent classes, no real patients.

    Where there is no figure, nothing is said of intervals and averages.
    """
    found = []
    if measured.leaks:
        found.append(
            f"The split leaks: {describe_leaks(measured.leaks)} on two sides of it. Every figure here is too good to "
            "be quoted as one of new patients."
        )
    if measured.figures and measured.groups < FEW_GROUPS:
        found.append(f"Only {measured.groups} groups: intervals from so few are too narrow.")
    absent = [name for name, count in images_by_class.items() if count == 0]
    if measured.figures and absent:
        found.append(f"No images of {', '.join(absent)}: averages are over the other classes.")
    if measured.patients < measured.groups:
        found.append(
            f"{measured.patients} of {measured.groups} groups are real patients; the others are clusters of "
            "copies or single images whose patient is unknown."
        )
    return tuple(found)


def _folds(table: PredictionTable, protocol: Protocol) -> NDArray[np.int64]:
    folds = table.folds
    if folds is None or len(np.unique(folds)) < 2:
        raise InvalidManifest(
            f"the protocol {protocol} needs out-of-fold answers from at least two folds; "
            "make them with: tumorscope train --folds"
        )
    return folds


def _cross_fitted(
    table: PredictionTable,
    folds: NDArray[np.int64],
    protocol: Protocol,
    command: str,
    option: str,
    *,
    allow_leaks: bool,
) -> Measured:
    leaks = _leaks(table, folds)
    if not allow_leaks:
        refuse_leaks(leaks, "folds", option)
    calibrated = cross_fitted_logits("temperature", table.logits, table.labels, table.weights, folds)
    return measure(table, protocol, command, calibrated=calibrated, leaks=leaks)


def _leaks(table: PredictionTable, folds: NDArray[np.int64]) -> dict[str, int]:
    """What the answers were stamped with, and what their own columns show."""
    columns = {
        Key.GROUP: table.groups.tolist(),
        Key.SLICE: table.slice_ids.tolist(),
        Key.FILE: list(table.hashes),
    }
    seen = count_leaks(find_shared(columns, [str(fold) for fold in folds.tolist()]))
    both = {key.value: max(seen.get(key.value, 0), table.leaks.get(key.value, 0)) for key in Key}
    return {key: count for key, count in both.items() if count}
