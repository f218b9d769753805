"""Rows of a data set: which image, which class, which group that may not be split.

Owns the records and how a CSV or a folder per class becomes them. Knows nothing of pixels beyond the hash of a
file, and nothing of models.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import InvalidManifest, MissingInput
from tumorscope.core.labels import CLASS_ORDER, Diagnosis

__all__ = ["ImageRecord", "Manifest", "read_manifest"]

MANIFEST_NAME = "manifest.csv"
_REQUIRED = ("path", "label")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """One image of a data set.

    Parameters
    ----------
    path
        Where the file is.
    label
        Its class.
    group
        Patient, or cluster of near copies: never on two sides of a split.
    slice_id
        Images of one slice (copies, plain or mirrored) share it; each weighs 1/n.
    sha256
        Hash of the file, 64 hex digits.
    fold
        Number of its cross-validation fold where the manifest gives one.
    patient
        Whether ``group`` is a real patient rather than a cluster of copies.
    source
        Where the image came from.
    """

    path: Path
    label: Diagnosis
    group: str
    slice_id: str
    sha256: str
    fold: int | None = None
    patient: bool = False
    source: str = "unknown"


@dataclass(frozen=True, slots=True)
class Manifest:
    """An ordered data set; ``root`` is the folder its paths are shown relative to."""

    records: tuple[ImageRecord, ...]
    root: Path

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[ImageRecord]:
        return iter(self.records)

    @property
    def digest(self) -> str:
        """SHA-256 over content, class and grouping of every row: the identity of the data set."""
        digest = hashlib.sha256()
        for row in self.records:
            digest.update(f"{row.sha256},{row.label},{row.group},{row.slice_id},{row.fold}\n".encode())
        return digest.hexdigest()

    def labels(self) -> NDArray[np.int64]:
        """Class positions, ``int64 [N]``."""
        return np.array([row.label.position for row in self.records], dtype=np.int64)

    def weights(self) -> NDArray[np.float64]:
        """``float64 [N]``: 1/n for each of the n images of one slice."""
        copies = Counter(row.slice_id for row in self.records)
        return np.array([1.0 / copies[row.slice_id] for row in self.records])

    def display_path(self, row: ImageRecord) -> str:
        """The row's path relative to the root where it lies below it."""
        return (
            row.path.relative_to(self.root).as_posix()
            if row.path.is_relative_to(self.root)
            else row.path.name
        )

    def with_folds(self, folds: Sequence[int]) -> Manifest:
        """The same rows with new fold numbers."""
        rows = tuple(replace(row, fold=int(fold)) for row, fold in zip(self.records, folds, strict=True))
        return Manifest(rows, self.root)

    def subset(self, rows: Iterable[int]) -> Manifest:
        """The rows at the given positions, in that order."""
        return Manifest(tuple(self.records[i] for i in rows), self.root)


def read_manifest(source: str | Path) -> Manifest:
    """Read a CSV manifest, or a folder that holds one, or a folder per class.

    Parameters
    ----------
    source
        A CSV with at least the columns ``path`` (relative to the CSV) and ``label``; further columns that count
        are ``group``, ``slice_id`` (or ``cheng_slice``), ``fold``, ``patient_id``, ``source``, ``sha256``. Or a
        folder with a ``manifest.csv``. Or a folder with sub-folders, at any depth, named after the four classes.

    Returns
    -------
    Manifest
        At least one row; without a group column exact copies of a file form a group.

    Raises
    ------
    MissingInput
        If ``source`` does not exist.
    InvalidManifest
        If columns, labels or files are missing.
    """
    path = Path(source)
    if not path.exists():
        raise MissingInput(
            f"{path} does not exist; give a manifest (CSV) or a folder with one sub-folder per class"
        )
    if path.is_file():
        return _read_csv(path)
    if (path / MANIFEST_NAME).is_file():
        return _read_csv(path / MANIFEST_NAME)
    return _index_folder(path)


def _read_csv(path: Path) -> Manifest:
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            missing = [name for name in _REQUIRED if name not in (reader.fieldnames or ())]
            if missing:
                raise InvalidManifest(f"{path.name} lacks the column {missing[0]!r}; needed are: path, label")
            rows = [_record(path, number, row) for number, row in enumerate(reader, start=2)]
    except OSError as error:
        raise MissingInput(f"{path} may not be read; check its permissions") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidManifest(
            f"{path.name} is not a CSV file in UTF-8; needed are the columns path, label"
        ) from error
    if not rows:
        raise InvalidManifest(f"{path.name} has no rows; each image needs one")
    absent = [row for row in rows if not row.sha256]
    if absent:
        raise InvalidManifest(
            f"{len(absent)} of {len(rows)} images named in {path.name} do not exist, the first is "
            f"{absent[0].path.name}; paths are relative to the folder of the manifest"
        )
    return Manifest(tuple(rows), path.parent)


def _record(manifest: Path, number: int, row: dict[str, str]) -> ImageRecord:
    where = f"{manifest.name} line {number}"
    # A line with too few cells gives None for the rest.
    label = _diagnosis(row["label"] or "", where)
    path = manifest.parent / (row["path"] or "")
    sha256 = "" if not path.is_file() else (_given_hash(row, where) or _file_hash(path))
    group = row.get("group") or sha256
    traced = row.get("slice_id") or (f"figshare:{row['cheng_slice']}" if row.get("cheng_slice") else "")
    # Without a traced slice a cluster of near copies is the closest there is to "the same slice".
    slice_id = traced or (group if group.startswith("cluster:") else sha256)
    try:
        fold = int(row["fold"]) if row.get("fold") else None
    except ValueError:
        raise InvalidManifest(f"{where}: fold is {row['fold']!r}; a whole number is needed") from None
    return ImageRecord(
        path=path,
        label=label,
        group=group,
        slice_id=slice_id,
        sha256=sha256,
        fold=fold,
        patient=bool(row.get("patient_id")),
        source=row.get("source") or "unknown",
    )


def _index_folder(folder: Path) -> Manifest:
    rows = []
    for label in CLASS_ORDER:
        for place in sorted(p for p in folder.rglob(label.value) if p.is_dir()):
            for path in sorted(p for p in place.iterdir() if p.is_file() and not p.name.startswith(".")):
                sha256 = _file_hash(path)
                rows.append(
                    ImageRecord(path, label, group=sha256, slice_id=sha256, sha256=sha256, source=folder.name)
                )
    if not rows:
        names = ", ".join(CLASS_ORDER)
        raise InvalidManifest(
            f"{folder} holds no images in sub-folders named {names}; make one folder per class"
        )
    return Manifest(tuple(rows), folder)


def _diagnosis(text: str, where: str) -> Diagnosis:
    try:
        return Diagnosis(text.strip().lower())
    except ValueError:
        raise InvalidManifest(
            f"{where}: label {text!r} is unknown; labels are {', '.join(CLASS_ORDER)}"
        ) from None


def _given_hash(row: dict[str, str], where: str) -> str:
    """The hash that the manifest vouches for, so that large data sets are not read only to be hashed."""
    text = (row.get("sha256") or "").strip().lower()
    if text and not _SHA256.fullmatch(text):
        raise InvalidManifest(
            f"{where}: sha256 is {text!r}; 64 hexadecimal digits are needed, or leave it empty to have it computed"
        )
    return text


def _file_hash(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise InvalidManifest(f"{path} may not be read; check its permissions") from error
