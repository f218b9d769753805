"""The rows of a manifest, from the text of their cells.

Owns what each cell may hold and the words for what it may not, what stands in for an empty one, and the version of the
schema. Knows no file format.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, TypeVar

from tumorscope.core.errors import InvalidManifest
from tumorscope.core.labels import Diagnosis
from tumorscope.dataset.class_names import ClassNames
from tumorscope.dataset.facts import file_hash
from tumorscope.dataset.manifest import Box, ImageRecord, OfficialSplit, Part
from tumorscope.dataset.row_paths import RowPaths, shown

__all__ = ["SCHEMA", "SLICE_NUMBER", "RowReader"]

SCHEMA = "tumorscope/manifest/1"
SLICE_NUMBER: Final = "cheng_slice"
"""Column of a slice's number in Figshare article 1512427, from which ``slice_id`` is made."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_WHOLE = re.compile(r"[+-]?\d{1,18}(\.0*)?")  # tables of other tools write 3 as 3.0 where some rows have none
_TRUTH = {"1": True, "0": False, "true": True, "false": False, "1.0": True, "0.0": False}

_Value = TypeVar("_Value")


class RowReader:
    """Cells to records, with what a row may not repeat."""

    def __init__(self, manifest: Path, names: ClassNames) -> None:
        self._manifest = manifest
        self._names = names
        self._paths = RowPaths(manifest.parent)

    def common_root(self) -> Path:
        """The folder that all paths are relative to; the manifest's own where there are several."""
        roots = self._paths.roots
        return roots[0] if len(roots) == 1 else self._manifest.parent

    def record(self, place: str, cells: Mapping[str, str]) -> ImageRecord | None:
        """One row; ``None`` where its class was asked to be left out."""
        where = f"{self._manifest.name} {place}"
        row = _Row(cells, where)
        if row["schema"] not in ("", SCHEMA):
            raise InvalidManifest(
                f"{where}: schema is {shown(row['schema'])!r}; this version reads {SCHEMA}; "
                "make the manifest again with 'tumorscope data index'"
            )
        label = self._names.diagnosis(row["label"], where)
        if label is None:
            return None
        path = self._paths.file(row.raw("path"), row.raw("root"), where)
        # The function of os.path also answers for a name that no disk can hold.
        sha256 = (row.hash("sha256") or file_hash(path)) if os.path.isfile(path) else ""  # noqa: PTH113
        group = row["group"] or (f"patient:{row['patient']}" if row["patient"] else sha256)
        number = row.whole(SLICE_NUMBER)
        traced = row["slice_id"] or ("" if number is None else f"figshare:{number}")
        return ImageRecord(
            path=path,
            label=label,
            group=group,
            # Without a traced slice a cluster of near copies is the closest there is to "the same slice".
            slice_id=traced or (group if group.startswith("cluster:") else sha256),
            sha256=sha256,
            fold=row.whole("fold"),
            patient=row["patient"] or None,
            source=row["source"] or "unknown",
            dataset=row["dataset"] or None,
            official_split=row.one_of("official_split", OfficialSplit),
            part=row.one_of("part", Part),
            mirrored=row.one_of("mirrored", _TRUTH.__getitem__, _TRUTH),
            source_label=row.one_of("source_label", Diagnosis),
            box=row.box(),
            width=row.whole("width"),
            height=row.whole("height"),
            mode=row["mode"] or None,
            pixels_sha256=row.hash("pixels_sha256") or None,
            style=row["style"] or None,
        )


class _Row:
    """The cells of one row by column, parsed on demand; a column that the file lacks reads as empty cells."""

    def __init__(self, cells: Mapping[str, str], where: str) -> None:
        self._cells = cells
        self.where = where

    def __getitem__(self, column: str) -> str:
        return self._cells.get(column, "").strip()

    def raw(self, column: str) -> str:
        """The cell with the spaces round it, which are part of some file names."""
        return self._cells.get(column, "")

    def whole(self, column: str) -> int | None:
        text = self[column]
        if not text:
            return None
        if not _WHOLE.fullmatch(text):
            raise InvalidManifest(f"{self.where}: {column} is {shown(text)!r}; a whole number is needed")
        return int(text.partition(".")[0])

    def hash(self, column: str) -> str:
        """The hash that the manifest vouches for, so that large data sets are not read only to be hashed."""
        text = self[column].lower()
        if text and not _SHA256.fullmatch(text):
            raise InvalidManifest(
                f"{self.where}: {column} is {shown(text)!r}; 64 hexadecimal digits are needed, or leave it empty to "
                "have it computed"
            )
        return text

    def one_of(
        self, column: str, parse: Callable[[str], _Value], choices: Iterable[str] | None = None
    ) -> _Value | None:
        text = self[column]
        if not text:
            return None
        allowed = list(choices or [str(choice) for choice in parse])  # type: ignore[attr-defined]
        by_name = {choice.lower(): choice for choice in allowed}
        if text.lower() not in by_name:
            raise InvalidManifest(
                f"{self.where}: {column} is {shown(text)!r}; accepted are {', '.join(allowed)}"
            )
        return parse(by_name[text.lower()])

    def box(self) -> Box | None:
        texts = [self[name] for name in ("box_cx", "box_cy", "box_w", "box_h")]
        if not any(texts):
            return None
        try:
            box = Box(*map(float, texts))
        except ValueError:
            box = Box(-1, -1, -1, -1)
        if not all(0 <= value <= 1 for value in box):
            raise InvalidManifest(
                f"{self.where}: box_cx, box_cy, box_w, box_h are {', '.join(texts)}; four fractions from 0 to 1 are "
                "needed, or none"
            )
        return box
