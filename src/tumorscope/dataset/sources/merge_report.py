"""What merging the study's sources gave, and how it differs from the published set.

Owns the document ``merge.json`` and its lines for people. Knows neither pixels nor folders.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from tumorscope.core.labels import CLASS_ORDER, Diagnosis
from tumorscope.dataset.copies.pair import CopyKind, CopyPair
from tumorscope.dataset.manifest import Manifest
from tumorscope.dataset.sources.catalogue import SOURCES, SourceName

__all__ = ["ClassCount", "LeftOut", "MergeReport", "NearCopies", "count_near", "make_report"]

PUBLISHED = SOURCES[SourceName.KAGGLE]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ClassCount(_Part):
    """Images of one class: from each source, together, in the published set."""

    label: Diagnosis
    by_source: dict[SourceName, int]
    images: int
    published: int

    @property
    def difference(self) -> int:
        """How many more than published; negative for fewer."""
        return self.images - self.published


class LeftOut(_Part):
    """Images of one source that are no part of the set."""

    source: SourceName
    label: Diagnosis | None
    images: int
    reason: str


class NearCopies(_Part):
    """Pairs of the set that show one picture without equal pixels."""

    pairs: int
    images: int
    mirrored: int
    turned: int
    two_labels: int
    """Pairs of two classes."""
    joined: int
    """Pairs that the sources have in two groups, now in one."""


class MergeReport(_Part):
    """The document ``merge.json``, below the keys that mark its folder."""

    copies: Literal["keep", "remove"]
    images: int
    published: str
    classes: tuple[ClassCount, ...]
    left_out: tuple[LeftOut, ...]
    exact_copies: int
    """Images that another one has the decoded pixels of, kept or removed."""
    two_labels: int
    """Images with the decoded pixels of an image of another class."""
    near_copies: NearCopies
    unreadable: int
    datasets: tuple[str, ...]
    citations: tuple[str, ...]
    licences: tuple[str, ...]

    def lines(self) -> list[str]:
        """A few lines for people."""
        said = [
            f"{self.images:,} images; {self.published} has {sum(row.published for row in self.classes):,}"
        ]
        for row in self.classes:
            parts = ", ".join(f"{source.value} {count:,}" for source, count in row.by_source.items())
            said.append(
                f"  {row.label.value}: {row.images:,} ({parts or 'none'}); published {row.published:,}, "
                f"difference {row.difference:+,}"
            )
        said += [
            f"left out: {entry.images:,} of {entry.source.value}"
            f"{'' if entry.label is None else ' ' + entry.label.value}: {entry.reason}"
            for entry in self.left_out
        ]
        kept = "kept, in one group with what they copy" if self.copies == "keep" else "removed"
        said.append(f"exact copies (equal decoded pixels): {self.exact_copies:,}, {kept}")
        if self.two_labels:
            said.append(f"images with a copy of another class: {self.two_labels:,}")
        near = self.near_copies
        said.append(
            f"near copies: {near.pairs:,} pairs of {near.images:,} images ({near.mirrored:,} mirrored, {near.turned:,} "
            f"turned), kept, in one group; the sources had {near.joined:,} of the pairs in two groups"
        )
        if near.two_labels:
            said.append(
                f"near copies of two classes: {near.two_labels:,} pairs; see them with 'tumorscope data audit'"
            )
        return said


def count_near(manifest: Manifest, pairs: Iterable[CopyPair]) -> NearCopies:
    """Count near copies; exact ones are counted elsewhere.

    Parameters
    ----------
    manifest
        With the groups of the sources.
    pairs
        As positions in it.
    """
    near = [pair for pair in pairs if pair.kind is not CopyKind.EXACT]
    ends = [(manifest.records[pair.first], manifest.records[pair.second]) for pair in near]
    return NearCopies(
        pairs=len(near),
        images=len({position for pair in near for position in (pair.first, pair.second)}),
        mirrored=sum(pair.kind is CopyKind.MIRRORED for pair in near),
        turned=sum(pair.kind is CopyKind.ROTATED for pair in near),
        two_labels=sum(first.label is not second.label for first, second in ends),
        joined=sum(first.group != second.group for first, second in ends),
    )


def make_report(
    manifest: Manifest,
    *,
    copies: Literal["keep", "remove"],
    left_out: Iterable[LeftOut],
    exact_copies: int,
    two_labels: int,
    near: NearCopies,
    unreadable: int,
    sources: Sequence[SourceName],
) -> MergeReport:
    """Count a merged set.

    Parameters
    ----------
    manifest
        Its rows.
    copies
        What was done with exact copies.
    left_out
        What is no part of it.
    exact_copies, two_labels, near, unreadable
        As in :class:`MergeReport`.
    sources
        What it was made of.
    """
    counts = Counter((row.label, row.source) for row in manifest)
    classes = tuple(
        ClassCount(
            label=label,
            by_source={
                source: counts[label, source.value] for source in sources if counts[label, source.value]
            },
            images=sum(counts[label, source.value] for source in sources),
            published=PUBLISHED.counts[label],
        )
        for label in CLASS_ORDER
    )
    return MergeReport(
        copies=copies,
        images=len(manifest),
        published=PUBLISHED.stamp,
        classes=classes,
        left_out=tuple(left_out),
        exact_copies=exact_copies,
        two_labels=two_labels,
        near_copies=near,
        unreadable=unreadable,
        datasets=tuple(sorted({row.dataset for row in manifest if row.dataset})),
        citations=tuple(SOURCES[source].citation for source in sources),
        licences=tuple(f"{source.value}: {SOURCES[source].licence}" for source in sources),
    )
