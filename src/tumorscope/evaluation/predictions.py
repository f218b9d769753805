"""Answers of a model beside the truth, and the file they are kept in.

Owns :class:`PredictionTable`, on which every figure rests, and its CSV form, which cross-fitted training
writes as ``predictions.csv``. Knows neither who made the logits nor what is computed from them.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import InvalidManifest, MissingInput
from tumorscope.core.files import atomic_write
from tumorscope.core.labels import CLASS_ORDER, Diagnosis
from tumorscope.dataset.groups import Key

if TYPE_CHECKING:
    from tumorscope.dataset.manifest import Manifest

__all__ = [
    "COLUMNS",
    "LEAKS_COLUMN",
    "PREDICTIONS_NAME",
    "STYLE_COLUMN",
    "PredictionTable",
    "read_predictions",
    "tabulate",
    "write_predictions",
]

PREDICTIONS_NAME = "predictions.csv"
_STAMP = re.compile(rf"((^| )({'|'.join(Key)})=\d+)*")
_LOGITS = tuple(f"logit_{key.value}" for key in CLASS_ORDER)
COLUMNS = ("path", "sha256", "label", "group", "slice_id", "patient", "fold", *_LOGITS)
LEAKS_COLUMN = "leaks"
"""A further column of answers made on a split that leaks, the same text in every row: ``patient=2 file=1``."""
STYLE_COLUMN = "style"
"""A further column where the manifest knows intensity styles (:mod:`tumorscope.dataset.styles`)."""


@dataclass(frozen=True, slots=True, eq=False)
class PredictionTable:
    """One row an image; rows are in no particular order.

    Parameters
    ----------
    labels
        True class positions, ``int64 [N]`` in 0..3.
    logits
        Raw outputs, ``float64 [N, 4]`` in class order, finite.
    groups
        ``str [N]``: patient or cluster of near copies; figures resample whole groups.
    slice_ids
        ``str [N]``: images of one slice share it and together count as one.
    is_patient
        ``bool [N]``: whether the group is a real patient.
    folds
        ``int64 [N]``: the fold an image was held out in; ``None`` where nothing was cross-fitted.
    paths, hashes
        ``str [N]``: where each image came from and its SHA-256; empty strings where unknown.
    leaks
        How many keys of each kind lay on two sides of the split the answers were made on.
    styles
        ``str [N]``: the intensity style of each image, empty where unknown; ``None`` where none is known.

    Raises
    ------
    InvalidManifest
        If lengths, shapes or values do not fit together.
    """

    labels: NDArray[np.int64]
    logits: NDArray[np.float64]
    groups: NDArray[np.str_]
    slice_ids: NDArray[np.str_]
    is_patient: NDArray[np.bool_]
    folds: NDArray[np.int64] | None = None
    paths: Sequence[str] = ()
    hashes: Sequence[str] = ()
    leaks: Mapping[str, int] = field(default_factory=dict)
    styles: NDArray[np.str_] | None = None

    def __post_init__(self) -> None:
        n = len(self.labels)
        if n == 0:
            raise InvalidManifest("the predictions hold no rows; at least one image is needed")
        lengths = {
            "groups": len(self.groups),
            "slice_ids": len(self.slice_ids),
            "is_patient": len(self.is_patient),
            "folds": n if self.folds is None else len(self.folds),
            "paths": len(self.paths) or n,
            "hashes": len(self.hashes) or n,
            "styles": n if self.styles is None else len(self.styles),
        }
        for name, length in lengths.items():
            if length != n:
                raise InvalidManifest(f"the predictions have {n} labels but {length} {name}")
        if self.logits.shape != (n, len(CLASS_ORDER)):
            raise InvalidManifest(f"the logits have the shape {self.logits.shape}; ({n}, 4) is needed")
        if not np.isfinite(self.logits).all():
            row = int(np.flatnonzero(~np.isfinite(self.logits).all(axis=1))[0])
            raise InvalidManifest(f"row {row + 1} of the predictions has a logit that is not finite")
        if self.labels.min() < 0 or self.labels.max() >= len(CLASS_ORDER):
            raise InvalidManifest("a label of the predictions is not a class position from 0 to 3")

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def weights(self) -> NDArray[np.float64]:
        """``float64 [N]``: 1/n for each of the n images of one slice in this table."""
        _, position, count = np.unique(self.slice_ids, return_inverse=True, return_counts=True)
        return np.asarray(1.0 / count[position])

    @property
    def slices(self) -> int:
        """Number of distinct slices."""
        return len(np.unique(self.slice_ids))

    @property
    def group_count(self) -> int:
        """Number of groups."""
        return len(np.unique(self.groups))

    @property
    def patients(self) -> int:
        """Number of groups that are real patients."""
        return len(np.unique(self.groups[self.is_patient]))

    def subset(self, rows: NDArray[np.int64]) -> PredictionTable:
        """The given rows, in the given order, with all that is known of them; ``rows`` are positions, ``int64 [M]``."""
        return replace(
            self,
            labels=self.labels[rows],
            logits=self.logits[rows],
            groups=self.groups[rows],
            slice_ids=self.slice_ids[rows],
            is_patient=self.is_patient[rows],
            folds=None if self.folds is None else self.folds[rows],
            paths=tuple(self.paths[row] for row in rows) if len(self.paths) else (),
            hashes=tuple(self.hashes[row] for row in rows) if len(self.hashes) else (),
            styles=None if self.styles is None else self.styles[rows],
        )


def tabulate(
    manifest: Manifest,
    logits: NDArray[np.float64],
    folds: NDArray[np.int64] | None = None,
    leaks: Mapping[str, int] | None = None,
) -> PredictionTable:
    """Put answers beside the truth of the rows they are about.

    Parameters
    ----------
    manifest
        The rows.
    logits
        ``float64 [N, 4]`` in their order.
    folds
        ``int64 [N]`` where each row was answered by the model fitted without its fold.
    leaks
        How many keys of each kind lie in two of these folds.
    """
    return PredictionTable(
        labels=manifest.labels(),
        logits=logits,
        groups=np.array([row.group for row in manifest]),
        slice_ids=np.array([row.slice_id for row in manifest]),
        is_patient=np.array([row.has_real_patient for row in manifest]),
        folds=folds,
        paths=[manifest.display_path(row) for row in manifest],
        hashes=[row.sha256 for row in manifest],
        leaks=dict(leaks or {}),
        styles=_known([row.style or "" for row in manifest]),
    )


def write_predictions(table: PredictionTable, path: str | os.PathLike[str]) -> None:
    """Write the table as CSV (:data:`COLUMNS`), atomically; logits keep every bit.

    Styles go into the column :data:`STYLE_COLUMN` where any is known. Answers made on a split that leaks say so in
    every row, in the column :data:`LEAKS_COLUMN`.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    stamp = [" ".join(f"{key}={count}" for key, count in table.leaks.items())] if table.leaks else []
    styled = [] if table.styles is None else [STYLE_COLUMN]
    writer.writerow([*COLUMNS, *styled, *([LEAKS_COLUMN] if stamp else [])])
    for i in range(len(table)):
        writer.writerow(
            [
                table.paths[i] if len(table.paths) else "",
                table.hashes[i] if len(table.hashes) else "",
                CLASS_ORDER[table.labels[i]].value,
                table.groups[i],
                table.slice_ids[i],
                int(table.is_patient[i]),
                "" if table.folds is None else int(table.folds[i]),
                *(repr(float(value)) for value in table.logits[i]),
                *([] if table.styles is None else [table.styles[i]]),
                *stamp,
            ]
        )
    atomic_write(path, text.getvalue())


def read_predictions(source: str | os.PathLike[str]) -> PredictionTable:
    """Read a ``predictions.csv``, or the one in a run's folder.

    Raises
    ------
    MissingInput
        If there is none.
    InvalidManifest
        If it is not such a file; the message names the line.
    """
    path = Path(source)
    if path.is_dir():
        path /= PREDICTIONS_NAME
        if not path.is_file():
            raise MissingInput(
                f"the run {path.parent} holds no {PREDICTIONS_NAME}; "
                "out-of-fold answers are written by: tumorscope train --folds"
            )
    if not path.is_file():
        raise MissingInput(f"{path} does not exist; give a run's folder or its {PREDICTIONS_NAME}")
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise InvalidManifest(
                    f"{path.name} lacks the column {missing[0]!r}; needed are: {', '.join(COLUMNS)}"
                )
            rows = [_row(row, f"{path.name} line {reader.line_num}") for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidManifest(f"{path.name} is not a CSV file in UTF-8") from error
    if not rows:
        raise InvalidManifest(f"{path.name} has no rows; one an image is needed")
    return _table(rows, path.name)


def _row(row: Mapping[str, str | None], where: str) -> dict[str, Any]:
    absent = [name for name in COLUMNS if row.get(name) is None]
    if absent:
        raise InvalidManifest(f"{where} ends before the column {absent[0]!r}; is the file cut off?")
    text = {name: str(row[name]) for name in COLUMNS}
    if text["label"] not in set(CLASS_ORDER):
        raise InvalidManifest(
            f"{where}: the label is {text['label']!r}; accepted are: {', '.join(CLASS_ORDER)}"
        )
    if text["patient"] not in {"0", "1"}:
        raise InvalidManifest(f"{where}: patient is {text['patient']!r}; 0 or 1 is needed")
    if not text["group"] or not text["slice_id"]:
        raise InvalidManifest(f"{where}: group and slice_id must not be empty")
    try:
        fold = int(text["fold"]) if text["fold"] else None
        logits = [float(text[name]) for name in _LOGITS]
    except ValueError:
        raise InvalidManifest(f"{where}: the fold or a logit is not a number") from None
    if not np.isfinite(logits).all():
        raise InvalidManifest(f"{where}: a logit is not finite")
    leaks = (row.get(LEAKS_COLUMN) or "").strip()
    if not _STAMP.fullmatch(leaks):
        raise InvalidManifest(
            f"{where}: {LEAKS_COLUMN} is {leaks!r}; kinds and counts such as patient=2 are needed"
        )
    style = (row.get(STYLE_COLUMN) or "").strip()
    return {**text, "fold": fold, "logits": logits, "leaks": leaks, "style": style}


def _table(rows: Sequence[Mapping[str, Any]], name: str) -> PredictionTable:
    with_fold = sum(row["fold"] is not None for row in rows)
    if with_fold not in {0, len(rows)}:
        raise InvalidManifest(f"{name}: only {with_fold} of {len(rows)} rows have a fold; all or none must")
    return PredictionTable(
        labels=np.array([Diagnosis(row["label"]).position for row in rows], dtype=np.int64),
        logits=np.array([row["logits"] for row in rows], dtype=np.float64),
        groups=np.array([row["group"] for row in rows]),
        slice_ids=np.array([row["slice_id"] for row in rows]),
        is_patient=np.array([row["patient"] == "1" for row in rows]),
        folds=np.array([row["fold"] for row in rows], dtype=np.int64) if with_fold else None,
        paths=tuple(row["path"] for row in rows),
        hashes=tuple(row["sha256"] for row in rows),
        leaks=_stamped(rows),
        styles=_known([row["style"] for row in rows]),
    )


def _known(styles: Sequence[str]) -> NDArray[np.str_] | None:
    return np.array(styles) if any(styles) else None


def _stamped(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """What any row says that leaks; files put together keep the larger count."""
    leaks: dict[str, int] = {}
    for text in sorted({row["leaks"] for row in rows}):
        for word in text.split():
            key, _, count = word.partition("=")
            leaks[key] = max(leaks.get(key, 0), int(count))
    return leaks
