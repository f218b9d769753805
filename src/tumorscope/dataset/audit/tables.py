"""Counts of images: classes against split, source, size, mode and format.

Owns the tables. Knows no verdict; the shortcut probe says what they are worth to a model.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal

from tumorscope.core.labels import CLASS_ORDER, Diagnosis
from tumorscope.dataset.audit.document import CrossTable
from tumorscope.dataset.audit.sides import Split, existing
from tumorscope.dataset.manifest import Manifest

__all__ = ["MOST_SIZES", "cross_tables"]

MOST_SIZES = 12
"""Rows of the table of sizes; downloads from the web have hundreds, and the rest is summed up."""

_OTHERS = " other sizes"
_Key = Literal["split", "source", "size", "mode", "format"]
_SPLIT_TITLES: dict[Split, str] = {"official": "Official split", "fold": "Folds", "part": "Hold-out split"}


def cross_tables(manifest: Manifest, formats: Sequence[str]) -> tuple[CrossTable, ...]:
    """Count.

    Parameters
    ----------
    manifest
        The readable images, with size and mode.
    formats
        The file format of each.

    Returns
    -------
    tuple of CrossTable
        One for each split that has two sides, then source, size, mode and format. Rows of a split are in the order of
        their names, all others in descending order of images.
    """
    tables = [
        _table(
            "split",
            _SPLIT_TITLES[split],
            "side",
            [(place or "on no side", row.label) for place, row in zip(places, manifest, strict=True)],
        )
        for split, places in existing(manifest).items()
    ]
    sizes = [(f"{row.width} x {row.height}", row.label) for row in manifest]
    common = {size for size, _ in Counter(size for size, _ in sizes).most_common(MOST_SIZES)}
    others = len({size for size, _ in sizes} - common)
    shown = [(size if size in common else f"{others}{_OTHERS}", label) for size, label in sizes]
    return (
        *tables,
        _table("source", "Source", "source", [(row.source, row.label) for row in manifest]),
        _table("size", "Size in pixels", "width x height", shown),
        _table("mode", "Pixel mode", "mode", [(str(row.mode), row.label) for row in manifest]),
        _table("format", "File format", "format", zip(formats, (row.label for row in manifest), strict=True)),
    )


def _table(key: _Key, title: str, first: str, cells: Iterable[tuple[str, Diagnosis]]) -> CrossTable:
    counts: dict[str, Counter[Diagnosis]] = defaultdict(Counter)
    for name, label in cells:
        counts[name][label] += 1

    def order(name: str) -> tuple[int, str]:
        if key == "split":
            return 0, name
        return (1 if name.endswith(_OTHERS) else -counts[name].total()), name

    return CrossTable(
        key=key,
        title=title,
        columns=(first, *(label.value for label in CLASS_ORDER), "all"),
        rows=tuple(
            (name, *(counts[name][label] for label in CLASS_ORDER), counts[name].total())
            for name in sorted(counts, key=order)
        ),
    )
