"""What a certificate says of folds that are whole intensity styles.

Owns the shape and the counting, on the finished rows. How styles are found is in :mod:`tumorscope.dataset.styles`.
"""

from __future__ import annotations

from collections import Counter, defaultdict

from pydantic import BaseModel, ConfigDict, Field

from tumorscope.core.labels import CLASS_ORDER
from tumorscope.dataset.manifest import ImageRecord, Manifest, Part

__all__ = ["FoldOfStyles", "StylesOfSplit", "describe_styles"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FoldOfStyles(_Part):
    """One fold, by style."""

    fold: int
    images_by_class: dict[str, int]
    styles: dict[str, dict[str, int]] = Field(description="Its styles, and the images of each by class.")
    absent: tuple[str, ...] = Field(
        description="Classes without an image in it: no figure of them comes of it."
    )


class StylesOfSplit(_Part):
    """Whether the folds hold whole styles, and what that cost."""

    asked: int = Field(description="Styles that were looked for.")
    across_folds: int = Field(description="Styles that lie in two folds.")
    excluded: int = Field(
        description="Images excluded here, since most of their group lies in a style of another fold."
    )
    folds: tuple[FoldOfStyles, ...]


def describe_styles(before: Manifest, after: Manifest, asked: int) -> StylesOfSplit:
    """Count the styles of each fold.

    Parameters
    ----------
    before, after
        The rows before and after the split, in the same order.
    asked
        How many styles were looked for.
    """
    folds: defaultdict[int, list[ImageRecord]] = defaultdict(list)
    where: defaultdict[str, set[int]] = defaultdict(set)
    for row in after:
        if row.fold is not None:
            folds[row.fold].append(row)
            where[row.style or ""].add(row.fold)
    return StylesOfSplit(
        asked=asked,
        across_folds=sum(len(found) > 1 for found in where.values()),
        excluded=sum(
            new.part is Part.EXCLUDED and old.part is not Part.EXCLUDED
            for old, new in zip(before, after, strict=True)
        ),
        folds=tuple(_fold(fold, folds[fold]) for fold in sorted(folds)),
    )


def _fold(fold: int, rows: list[ImageRecord]) -> FoldOfStyles:
    names = sorted({row.style or "" for row in rows}, key=lambda name: (len(name), name))
    images = _by_class(rows)
    return FoldOfStyles(
        fold=fold,
        images_by_class=images,
        styles={name: _by_class([row for row in rows if (row.style or "") == name]) for name in names},
        absent=tuple(key for key, count in images.items() if not count),
    )


def _by_class(rows: list[ImageRecord]) -> dict[str, int]:
    counts = Counter(row.label for row in rows)
    return {key.value: counts[key] for key in CLASS_ORDER}
