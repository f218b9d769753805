"""A manifest on the disk: CSV with the standard library, Parquet with Polars.

Owns the columns, their version and their checks. One row is one image; its path is relative to the folder of the
manifest, or to the folder that the column ``root`` names, and may not leave it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, TypeVar

from tumorscope.core.errors import InvalidManifest, MissingInput
from tumorscope.core.labels import Diagnosis
from tumorscope.dataset.class_names import ClassNames
from tumorscope.dataset.facts import file_hash
from tumorscope.dataset.index import index_folder
from tumorscope.dataset.manifest import Box, ImageRecord, Manifest, OfficialSplit, Part
from tumorscope.dataset.row_paths import RowPaths, relative_root, shown
from tumorscope.dataset.table import TABLE_SUFFIXES, Cell, read_table, write_table

__all__ = ["COLUMNS", "MANIFEST_NAMES", "SCHEMA", "manifest_in", "read_manifest", "write_manifest"]

SCHEMA = "tumorscope/manifest/1"
MANIFEST_NAMES = ("manifest.parquet", "manifest.csv")
COLUMNS: Mapping[str, type] = {
    "path": str,
    "label": str,
    "source": str,
    "dataset": str,
    "official_split": str,
    "patient": str,
    "group": str,
    "slice_id": str,
    "source_label": str,
    "fold": int,
    "part": str,
    "style": str,
    "mirrored": bool,
    "box_cx": float,
    "box_cy": float,
    "box_w": float,
    "box_h": float,
    "width": int,
    "height": int,
    "mode": str,
    "sha256": str,
    "pixels_sha256": str,
    "root": str,
    "schema": str,
}
"""Columns in the order in which they are written, with their types in Parquet."""

# Names that the field's own tables use for the same thing.
_ALIASES = {"patient_id": "patient", "mirrored_copy": "mirrored", "cheng_label": "source_label"}
_REQUIRED = ("path", "label")
_SLICE_NUMBER: Final = "cheng_slice"  # its number in Figshare article 1512427, from which slice_id is made
_KNOWN = frozenset({*COLUMNS, *_ALIASES, _SLICE_NUMBER})
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHOWN_COLUMNS = 8
_WHOLE = re.compile(r"[+-]?\d{1,18}(\.0*)?")  # tables of other tools write 3 as 3.0 where some rows have none
_TRUTH = {"1": True, "0": False, "true": True, "false": False, "1.0": True, "0.0": False}

_Value = TypeVar("_Value")


def read_manifest(source: str | Path, class_names: ClassNames | None = None) -> Manifest:
    """Read a manifest, or a folder that holds one, or a folder per class.

    Parameters
    ----------
    source
        A CSV or Parquet file with at least the columns ``path`` and ``label``; :data:`COLUMNS` lists what else is
        understood, other columns are passed over. Or a folder with a ``manifest.parquet`` or ``manifest.csv``. Or
        a folder with sub-folders, at any depth, named after the classes.
    class_names
        Further names of the classes.

    Returns
    -------
    Manifest
        At least one row; without a group column exact copies of a file form a group.

    Raises
    ------
    MissingInput
        If ``source`` does not exist.
    InvalidManifest
        If columns, labels or files are missing, a path occurs twice or leaves its folder, a value is impossible,
        or the file was written under another version of the schema.
    MissingDependency
        If it is Parquet and the extra ``data`` is not installed.
    """
    path = Path(source)
    names = class_names or ClassNames()
    if not path.exists():
        raise MissingInput(
            f"{path} does not exist; give a manifest ({', '.join(TABLE_SUFFIXES)}) or a folder with one "
            "sub-folder per class"
        )
    if path.is_file():
        return _read_file(path, names)
    inside = manifest_in(path)
    return index_folder(path, names) if inside is None else _read_file(inside, names)


def manifest_in(folder: Path) -> Path | None:
    """The manifest that a folder holds; ``None`` where it is to be read as a folder per class."""
    return next((folder / name for name in MANIFEST_NAMES if (folder / name).is_file()), None)


def write_manifest(manifest: Manifest, path: str | Path) -> None:
    """Write a manifest, whole or not at all.

    Parameters
    ----------
    manifest
        The rows; they are written in their order.
    path
        A ``.csv`` or ``.parquet`` file. Images below its folder are written relative to it. For all others the
        column ``root`` holds the folder that the manifest's paths are relative to: relative to that of the file
        where it lies above or beside it (``..``, ``../images``), its absolute path otherwise.

    Raises
    ------
    InvalidManifest
        If the name ends otherwise.
    MissingDependency
        If it is Parquet and the extra ``data`` is not installed.
    """
    target = Path(path)
    folder = _absolute(target.parent)
    root = _absolute(manifest.root)
    write_table(target, COLUMNS, (_cells(row, folder, root) for row in manifest))


def _read_file(path: Path, names: ClassNames) -> Manifest:
    table = read_table(path, lambda name: name.strip() in _KNOWN)
    header = _canonical([name.strip() for name in table.columns], path.name)
    column = header.index("label")
    names.refuse_unknown(
        (f"{path.name} {place}", cells[column]) for place, cells in zip(table.places, table.rows, strict=True)
    )
    reader = _RowReader(path, names)
    rows = [
        (place, record)
        for place, cells in zip(table.places, table.rows, strict=True)
        if (record := reader.record(place, dict(zip(header, cells, strict=True)))) is not None
    ]
    if not rows:
        raise InvalidManifest(f"{path.name} has no rows that are not left out; each image needs one")
    absent = [(place, record) for place, record in rows if not record.sha256]
    if absent:
        place, first = absent[0]
        raise InvalidManifest(
            f"{len(absent)} of {len(rows)} images named in {path.name} do not exist, the first is "
            f"{shown(first.path.name)} in {place}; paths are relative to the folder of the manifest, or to root"
        )
    return Manifest(tuple(record for _, record in rows), reader.common_root())


def _canonical(header: list[str], file_name: str) -> list[str]:
    """Column names of this schema for those of the file."""
    renamed = [_ALIASES.get(name, name) for name in header]
    missing = [name for name in _REQUIRED if name not in renamed]
    if missing:
        raise InvalidManifest(_lacks(missing, header, file_name))
    twice = next((name for name in renamed if name in _KNOWN and renamed.count(name) > 1), None)
    if twice is not None:
        also = "".join(f" or {alias!r}" for alias, name in _ALIASES.items() if name == twice)
        raise InvalidManifest(f"{file_name} has the column {twice!r}{also} more than once; keep one of them")
    return renamed


def _lacks(missing: list[str], header: list[str], file_name: str) -> str:
    """What to say of a table without the columns that are needed: what it has instead, and what to do."""
    columns = "columns" if len(missing) > 1 else "column"
    told = f"{file_name} lacks the {columns} {' and '.join(map(repr, missing))}"
    if len(header) == 1:
        separator = next((sign for sign in (";", "\t", "|") if sign in header[0]), None)
        if separator is not None:
            mark = "a tab" if separator == "\t" else repr(separator)
            return (
                f"{told}: its first line, {shown(header[0])!r}, is separated by {mark}; save the table with commas "
                "between the cells"
            )
    there = ", ".join(repr(shown(name)) for name in header[:_SHOWN_COLUMNS]) or "none"
    more = f" and {len(header) - _SHOWN_COLUMNS} more" if len(header) > _SHOWN_COLUMNS else ""
    return f"{told}; its columns are {there}{more}; call that of the image files path and that of the classes label"


class _RowReader:
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
        number = row.whole(_SLICE_NUMBER)
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


def _cells(row: ImageRecord, folder: Path, root: Path) -> list[Cell]:
    path = _absolute(row.path)
    base = folder if path.is_relative_to(folder) else (root if path.is_relative_to(root) else path.parent)
    box = row.box or (None, None, None, None)
    return [
        path.relative_to(base).as_posix(),
        row.label.value,
        row.source,
        row.dataset,
        row.official_split,
        row.patient,
        row.group,
        row.slice_id,
        row.source_label,
        row.fold,
        row.part,
        row.style,
        row.mirrored,
        *box,
        row.width,
        row.height,
        row.mode,
        row.sha256,
        row.pixels_sha256,
        None if base == folder else relative_root(base, folder),
        SCHEMA,
    ]


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - Path.absolute keeps "..", resolve follows links
