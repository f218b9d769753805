"""The certificate of a split, written beside its manifest, schema ``tumorscope/split-certificate/1``.

Owns the shape in which what was checked and counted is kept, and its file. How it is measured is in
:mod:`tumorscope.dataset.certify`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from tumorscope.core.files import atomic_write
from tumorscope.dataset.groups import Key
from tumorscope.dataset.style_certificate import StylesOfSplit

__all__ = [
    "FEWEST_GROUPS",
    "CheckedKey",
    "Estimability",
    "NearCopies",
    "Side",
    "SplitCertificate",
    "UnevenClass",
    "certificate_path",
    "write_certificate",
]

FEWEST_GROUPS = 10
"""Groups that each class needs before a figure on a test part is worth printing."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CheckedKey(_Part):
    """One key, and whether any of its values lies on two sides."""

    key: Key
    images: int = Field(
        description="Images whose value of the key is known; the others could not be checked."
    )
    across_folds: int = Field(description="Values that lie in two folds.")
    across_parts: int = Field(description="Values that lie in both train and test.")


class NearCopies(_Part):
    """Copies, near ones and exact ones, found by comparing the pictures."""

    searched: bool = Field(description="False: only the manifest's keys were checked.")
    images: int | None = Field(description="Images that were compared; the others could not be read.")
    pairs: int | None = Field(description="Pairs found; null where they were not searched.")
    pairs_in_different_groups: int | None = Field(
        description="Those that the manifest had in two groups; they were joined."
    )
    across_folds: int | None
    across_parts: int | None


class Side(_Part):
    """What lies on one side of the split."""

    split: Literal["fold", "part"]
    side: str
    images: int
    slices: int
    groups: int
    patients: int
    images_by_class: dict[str, int]
    groups_by_class: dict[str, int]


class UnevenClass(_Part):
    """How far the share of a class on a side is from what was asked for."""

    split: Literal["fold", "part"]
    side: str
    label: str
    share: float = Field(description="Share of the class's images that lie on the side.")
    wanted: float


class Estimability(_Part):
    """Whether the part ``test`` can carry a figure."""

    estimable: bool
    too_few: tuple[str, ...] = Field(description=f"Classes with fewer than {FEWEST_GROUPS} groups in it.")


class SplitCertificate(_Part):
    """What was split, checked and found."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_: Literal["tumorscope/split-certificate/1"] = Field(
        default="tumorscope/split-certificate/1", alias="schema"
    )
    tumorscope: str = Field(description="Version that wrote this.")
    command: str
    seed: int
    folds: int | None = Field(description="Folds made; null where none were.")
    folds_kept: bool = Field(description="Whether the folds are the manifest's own.")
    hold_out: float | None = Field(description="Share asked to be held out.")
    leak_free: bool = Field(description="Whether the parts come from the official split.")
    manifest_sha256_before: str = Field(description="Identity of the data set that was read.")
    manifest_sha256_after: str = Field(description="Identity of the data set that was written.")
    file_sha256: str = Field(description="Of the manifest's file, parts included.")
    images: int
    left_out: int = Field(
        default=0, description="Images that could not be read, or were other ones than the manifest said."
    )
    groups_before: int = Field(description="The manifest's own, of the images that were not left out.")
    groups_after: int = Field(description="Undivided groups: by patient and copy.")
    groups_with_two_labels: int = Field(
        description="Wrong labels or wrong ties; these groups are kept whole."
    )
    images_in_groups_with_two_labels: int
    checked: tuple[CheckedKey, ...]
    near_copies: NearCopies
    sides: tuple[Side, ...]
    most_uneven: tuple[UnevenClass, ...] = Field(
        description="For each split that was made by share, the class and side farthest from it."
    )
    test_part: Estimability | None
    by_style: StylesOfSplit | None = Field(
        default=None, description="Where the folds were made of whole intensity styles."
    )


def certificate_path(manifest: Path) -> Path:
    """Where the certificate of a manifest lies."""
    return manifest.with_name(f"{manifest.stem}.certificate.json")


def write_certificate(certificate: SplitCertificate, path: Path) -> None:
    """Write it as JSON, whole or not at all."""
    atomic_write(path, certificate.model_dump_json(indent=2, by_alias=True) + "\n")
