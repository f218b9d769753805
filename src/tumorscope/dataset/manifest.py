"""Rows of a data set: which image, which class, which group that may not be split.

Owns the records. How a file or a folder becomes them is in :mod:`tumorscope.dataset.manifest_file` and
:mod:`tumorscope.dataset.index`. Knows nothing of pixels and nothing of models.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.labels import Diagnosis
from tumorscope.synthesis import SYNTHETIC

__all__ = ["Box", "ImageRecord", "Manifest", "OfficialSplit", "Part"]


class OfficialSplit(StrEnum):
    """The side of the split that a data set was published with."""

    TRAINING = "Training"
    TESTING = "Testing"


class Part(StrEnum):
    """The side of a hold-out split that Tumorscope made."""

    TRAIN = "train"
    TEST = "test"
    EXCLUDED = "excluded"
    """On neither side: a copy or a shared patient would leak."""

    @property
    def reason(self) -> str:
        """Why images of the part stand where they do, to end a sentence with."""
        return {
            Part.TRAIN: "they are what is learnt from",
            Part.TEST: "they are kept for a test",
            Part.EXCLUDED: (
                "a copy, a patient or most of the group of each lies on another side of the split, or in an intensity "
                "style of another fold, and would have been learnt from"
            ),
        }[self]


class Box(NamedTuple):
    """Tumour box in fractions of the image's width and height, in [0, 1]."""

    center_x: float
    center_y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """One image of a data set; what is not known is ``None``.

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
        Number of its cross-validation fold.
    patient
        Key of the patient where ``group`` is one rather than a cluster of copies.
    source
        Where the image came from.
    dataset
        Name and version of the public data set it was recognised as part of.
    official_split
        Side of the split it was published with.
    part
        Side of a hold-out split made here.
    mirrored
        Whether it is the left-right mirror image of the slice it was traced to.
    source_label
        Class that the source it was traced to gives it; may contradict ``label``.
    box
        Tumour box in this image.
    width, height
        Size in pixels.
    mode
        PIL mode of a still image (``L``, ``RGB``...), the dtype of the pixels of any other file.
    pixels_sha256
        Hash of the decoded gray pixels with their shape and dtype: equal for a file saved again without loss.
    style
        Its intensity style: whether it looks as if one scanner, one contrast and one export had made it as others.
    """

    path: Path
    label: Diagnosis
    group: str
    slice_id: str
    sha256: str
    fold: int | None = None
    patient: str | None = None
    source: str = "unknown"
    dataset: str | None = None
    official_split: OfficialSplit | None = None
    part: Part | None = None
    mirrored: bool | None = None
    source_label: Diagnosis | None = None
    box: Box | None = None
    width: int | None = None
    height: int | None = None
    mode: str | None = None
    pixels_sha256: str | None = None
    style: str | None = None

    @property
    def has_real_patient(self) -> bool:
        """Whether a person is known whose image this is; those of synthetic images do not exist."""
        return self.patient is not None and self.source != SYNTHETIC


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
