"""A manifest on the disk: CSV with the standard library, Parquet with Polars.

Owns the columns, and which of them are needed; what a cell may hold is in :mod:`tumorscope.dataset.manifest_rows`. One
row is one image; its path is relative to the folder of the manifest, or to the folder that the column ``root`` names,
and may not leave it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from tumorscope.core.errors import InvalidManifest, MissingInput
from tumorscope.dataset.class_names import ClassNames
from tumorscope.dataset.index import index_folder
from tumorscope.dataset.manifest import ImageRecord, Manifest
from tumorscope.dataset.manifest_rows import SCHEMA, SLICE_NUMBER, RowReader
from tumorscope.dataset.row_paths import relative_root, shown
from tumorscope.dataset.table import TABLE_SUFFIXES, Cell, read_table, write_table

__all__ = ["COLUMNS", "MANIFEST_NAMES", "SCHEMA", "manifest_in", "read_manifest", "write_manifest"]

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
_KNOWN = frozenset({*COLUMNS, *_ALIASES, SLICE_NUMBER})
_SHOWN_COLUMNS = 8


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
    reader = RowReader(path, names)
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
