"""Answers of any software, in a table that a user brings.

Owns what such a table must hold: a label and the probabilities (or logits) of the four classes. What a
``predictions.csv`` of our own must hold beyond that is taken where it is there. Knows neither images nor models.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import InvalidManifest, MissingInput
from tumorscope.core.labels import CLASS_ORDER, Diagnosis
from tumorscope.dataset.class_names import ClassNames
from tumorscope.evaluation.predictions import PredictionTable

__all__ = ["PROBABILITIES", "read_answers"]

PROBABILITIES = tuple(f"probability_{key.value}" for key in CLASS_ORDER)
_LOGITS = tuple(f"logit_{key.value}" for key in CLASS_ORDER)
_TOLERANCE = 1e-3
_SMALLEST = 1e-12
_WHOLE = re.compile(r"\d{0,9}")
_WANTED = f"{', '.join(PROBABILITIES)} (or logit_CLASS)"


def read_answers(source: str | os.PathLike[str], class_names: ClassNames | None = None) -> PredictionTable:
    """Read a table of answers beside the truth.

    Parameters
    ----------
    source
        A CSV file in UTF-8 with a header, a row an image. Needed are ``label`` and the four columns
        :data:`PROBABILITIES`, from 0 to 1 and together 1 within 0.001, or the four ``logit_CLASS``, which count where
        both are there. Understood are ``path``, ``sha256``, ``group`` (patient or cluster of copies), ``slice_id``,
        ``patient`` (1 where the group is a patient, else 0; or, as in a manifest, the key of the patient, which counts
        as the group where there is none) and ``fold``; others are passed over. Without a group each image is its own,
        and without a slice each content is.
    class_names
        Further names of the classes in ``label``; rows whose label is mapped to nothing are left out.

    Returns
    -------
    PredictionTable
        Logits are the logarithms of probabilities; a probability of 0 counts as 1e-12, since a loss would be endless.

    Raises
    ------
    MissingInput
        If there is no such file.
    InvalidManifest
        If it is no such table; the message names the line.
    """
    path = Path(source)
    if not path.is_file():
        raise MissingInput(f"{path} does not exist; give a table of answers (.csv)")
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
            columns = _columns(reader.fieldnames, path.name)
            lines = [(reader.line_num, row) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidManifest(f"{path.name} is not a CSV file in UTF-8") from error
    names = class_names or ClassNames()
    keyed = any(_cell(cells, "patient") not in {"", "0", "1"} for _, cells in lines)
    rows = [
        row
        for number, cells in lines
        if (row := _row(cells, columns, names, f"{path.name} line {number}", keyed=keyed))
    ]
    if not rows:
        raise InvalidManifest(f"{path.name} has no rows that are not left out; one an image is needed")
    return _table(rows, path.name)


@dataclass(frozen=True, slots=True)
class _Row:
    """One answer."""

    label: Diagnosis
    logits: NDArray[np.float64]
    group: str
    slice_id: str
    is_patient: bool
    fold: int | None
    path: str
    sha256: str


def _columns(header: Sequence[str], name: str) -> tuple[str, ...]:
    """Which four columns hold the answers."""
    if "label" not in header:
        raise InvalidManifest(
            f"{name} lacks the column 'label', the true class; needed beside it are: {_WANTED}"
        )
    found = next((columns for columns in (_LOGITS, PROBABILITIES) if set(columns) <= set(header)), None)
    if found is None:
        missing = next(column for column in PROBABILITIES if column not in header)
        raise InvalidManifest(f"{name} lacks the column {missing!r}; needed are label and {_WANTED}")
    return found


def _row(
    cells: Mapping[str, str | None], columns: tuple[str, ...], names: ClassNames, where: str, *, keyed: bool
) -> _Row | None:
    """One row; ``None`` where its class is to be left out. ``keyed``: the column patient holds keys, not 0 and 1."""
    if any(cells.get(name) is None for name in ("label", *columns)):
        raise InvalidManifest(f"{where} ends before its last column; is the file cut off?")
    label = names.diagnosis(_cell(cells, "label"), where)
    if label is None:
        return None
    path, sha256 = _cell(cells, "path"), _cell(cells, "sha256")
    patient, fold = _cell(cells, "patient"), _cell(cells, "fold")
    # A key is told to nobody: it may be the name of a person.
    group = _cell(cells, "group") or (patient if keyed else "") or sha256 or path or where
    if not _WHOLE.fullmatch(fold):
        raise InvalidManifest(f"{where}: fold is {fold[:20]!r}; a whole number is needed, or nothing")
    return _Row(
        label=label,
        logits=_logits([_cell(cells, name) for name in columns], columns, where),
        group=group,
        slice_id=_cell(cells, "slice_id") or sha256 or path or where,
        is_patient=bool(patient) if keyed else patient == "1",
        fold=int(fold) if fold else None,
        path=path,
        sha256=sha256,
    )


def _cell(cells: Mapping[str, str | None], column: str) -> str:
    return (cells.get(column) or "").strip()


def _logits(texts: Sequence[str], columns: tuple[str, ...], where: str) -> NDArray[np.float64]:
    try:
        values = np.array([float(text) for text in texts])
    except ValueError:
        wrong = next(name for name, text in zip(columns, texts, strict=True) if not _is_number(text))
        raise InvalidManifest(f"{where}: {wrong} is not a number; a finite one is needed") from None
    if not np.isfinite(values).all():
        wrong = columns[int(np.flatnonzero(~np.isfinite(values))[0])]
        raise InvalidManifest(f"{where}: {wrong} is not finite; a finite number is needed")
    if columns == _LOGITS:
        return values
    if values.min() < 0 or values.max() > 1 + _TOLERANCE or abs(values.sum() - 1) > _TOLERANCE:
        raise InvalidManifest(
            f"{where}: the probabilities are {', '.join(f'{value:g}' for value in values)} and sum to "
            f"{values.sum():.6g}; four from 0 to 1 that sum to 1 within {_TOLERANCE:g} are needed; raw outputs go into "
            f"columns named {_LOGITS[0]} and so on"
        )
    return np.asarray(np.log(np.maximum(values / values.sum(), _SMALLEST)))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _table(rows: Sequence[_Row], name: str) -> PredictionTable:
    folds = [row.fold for row in rows if row.fold is not None]
    if len(folds) not in {0, len(rows)}:
        raise InvalidManifest(f"{name}: only {len(folds)} of {len(rows)} rows have a fold; all or none must")
    return PredictionTable(
        labels=np.array([row.label.position for row in rows], dtype=np.int64),
        logits=np.stack([row.logits for row in rows]),
        groups=np.array([row.group for row in rows]),
        slice_ids=np.array([row.slice_id for row in rows]),
        is_patient=np.array([row.is_patient for row in rows]),
        folds=np.array(folds, dtype=np.int64) if folds else None,
        paths=tuple(row.path for row in rows),
        hashes=tuple(row.sha256 for row in rows),
    )
