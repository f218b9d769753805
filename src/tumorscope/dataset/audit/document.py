"""The document that an audit writes, ``audit.json``, schema ``tumorscope/audit/1``.

Owns its shape. Paths are relative to the root of the data set, with forward slashes.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from tumorscope.core.labels import Diagnosis
from tumorscope.dataset.copies.pair import CopyKind, Orientation

__all__ = [
    "AUDIT_SCHEMA",
    "Audit",
    "Check",
    "CrossTable",
    "LabelConflict",
    "Leak",
    "Pair",
    "ShortcutFigures",
    "SuspectedLabel",
    "UnlikeBrain",
    "Unreadable",
    "Verdict",
]

AUDIT_SCHEMA = "tumorscope/audit/1"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_serialization_defaults_required=True)


class Verdict(StrEnum):
    """The outcome of one check."""

    GOOD = "good"
    NOTICE = "notice"
    PROBLEM = "problem"
    NOT_RUN = "not-run"


class Check(_Part):
    """One check and its verdict line."""

    key: str = Field(description="Stable name, such as 'exact-copies'.")
    title: str
    verdict: Verdict
    sentence: str = Field(description="What was found, with counts, in one sentence.")
    count: int | None = Field(default=None, description="How many were found; null where it was not run.")


class Pair(_Part):
    """Two images that are one picture."""

    first: str
    second: str
    kind: CopyKind
    orientation: Orientation
    score: float
    first_label: Diagnosis
    second_label: Diagnosis
    same_group: bool = Field(description="Whether the manifest puts them in one group.")
    across_split: bool = Field(description="Whether they lie on two sides of the official split.")
    across_folds: bool
    across_parts: bool


class Leak(_Part):
    """A patient or group on two sides of a split."""

    split: Literal["official", "fold", "part"]
    by: Literal["patient", "group"]
    sides: dict[str, int] = Field(description="Images of it on each side.")
    example: str = Field(description="One of its images.")


class LabelConflict(_Part):
    """Images that are one picture, or one image and the source it was traced to, with different classes."""

    paths: tuple[str, ...]
    labels: tuple[Diagnosis, ...]
    found_by: Literal["copies", "group", "source"]


class SuspectedLabel(_Part):
    """An image whose class confident learning doubts (Northcutt et al., 2021)."""

    path: str
    label: Diagnosis
    suggested: Diagnosis
    quality: float = Field(description="Self-confidence of the given label, 0 to 1; low is suspect.")


class UnlikeBrain(_Part):
    """An image that the bundle's novelty rejects."""

    path: str
    label: Diagnosis
    novelty: float
    limit: float


class Unreadable(_Part):
    """A file that is named or found and cannot be read."""

    path: str
    code: str
    message: str


class ShortcutFigures(_Part):
    """How well the class is predicted without looking at the brain."""

    images: int
    groups: int
    folds: int
    accuracy: float
    low: float
    high: float
    chance: float = Field(description="Accuracy of always saying the most frequent class, same protocol.")
    sensitivity: dict[str, float]
    importances: dict[str, float] = Field(
        description="Loss of accuracy when the feature is shuffled, descending."
    )
    protocol: str


class CrossTable(_Part):
    """Counts of images, classes against something else."""

    key: Literal["split", "source", "size", "mode", "format"]
    title: str
    columns: tuple[str, ...] = Field(
        description="First the name of the row's key, then the classes, then 'all'."
    )
    rows: tuple[tuple[str | int, ...], ...]


class Audit(_Part):
    """All that was found."""

    model_config = ConfigDict(populate_by_name=True)

    schema_: Literal["tumorscope/audit/1"] = Field(default="tumorscope/audit/1", alias="schema")
    tumorscope: str = Field(description="Version that wrote this.")
    command: str
    data: str = Field(description="Name of the folder or manifest.")
    manifest_sha256: str
    datasets: tuple[str, ...] = Field(description="Public data sets and versions it was recognised as.")
    images: int
    images_by_class: dict[str, int]
    groups: int
    patients: int
    model: str | None = Field(description="Bundle asked for novelty and label errors.")
    checks: tuple[Check, ...]
    pairs: tuple[Pair, ...]
    leaks: tuple[Leak, ...]
    conflicts: tuple[LabelConflict, ...]
    suspected_labels: tuple[SuspectedLabel, ...]
    unlike_brain: tuple[UnlikeBrain, ...]
    unreadable: tuple[Unreadable, ...]
    shortcut: ShortcutFigures | None
    tables: tuple[CrossTable, ...]
    notice: str
