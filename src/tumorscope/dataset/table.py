"""Tables on the disk: CSV with the standard library, Parquet with Polars.

Owns the two formats and nothing of what the columns mean. Cells are read as text, whatever the format.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

from tumorscope.core.errors import InvalidManifest, MissingInput
from tumorscope.core.files import atomic_write
from tumorscope.core.optional import require

__all__ = ["TABLE_SUFFIXES", "Cell", "check_table_name", "read_table", "write_table"]

TABLE_SUFFIXES = (".csv", ".parquet")
Cell = str | int | float | bool | None

_PARQUET_MAGIC = b"PAR1"


def check_table_name(path: Path) -> None:
    """Make sure, before long work, that the name of a table to be written ends in a known suffix.

    Raises
    ------
    InvalidManifest
        If it does not.
    """
    if path.suffix.lower() not in TABLE_SUFFIXES:
        raise InvalidManifest(
            f"{path.name} names no table; its name must end in {' or '.join(TABLE_SUFFIXES)}"
        )


def read_table(path: Path) -> tuple[list[str], list[list[str]]]:
    """Read a table as text; the content decides the format.

    Returns
    -------
    tuple
        Column names, and one list of cells a row; a missing value is an empty text.

    Raises
    ------
    MissingInput
        If the file may not be read.
    InvalidManifest
        If it is neither CSV in UTF-8 nor Parquet.
    MissingDependency
        If it is Parquet and Polars is not installed.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise MissingInput(f"{path} may not be read; check its permissions") from error
    return _read_parquet(content, path) if content[:4] == _PARQUET_MAGIC else _read_csv(content, path)


def write_table(path: Path, columns: Mapping[str, type], rows: Iterable[list[Cell]]) -> None:
    """Write a table, whole or not at all.

    Parameters
    ----------
    path
        ``.csv`` or ``.parquet``.
    columns
        Names and types of the columns.
    rows
        One list of cells a row, in the order of the columns.

    Raises
    ------
    InvalidManifest
        If the name ends otherwise.
    MissingDependency
        If it is Parquet and Polars is not installed.
    """
    check_table_name(path)
    content = _parquet(columns, rows) if path.suffix.lower() == ".parquet" else _csv(columns, rows)
    atomic_write(path, content)


def _read_csv(content: bytes, path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        lines = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidManifest(
            f"{path.name} is neither a CSV file in UTF-8 nor Parquet; needed are the columns path, label"
        ) from error
    lines = [line for line in lines if line]
    return (lines[0], lines[1:]) if lines else ([], [])


def _read_parquet(content: bytes, path: Path) -> tuple[list[str], list[list[str]]]:
    polars = require("polars", extra="data", purpose="reading Parquet")
    try:
        frame = polars.read_parquet(io.BytesIO(content))
        texts = frame.cast(polars.String).fill_null("")
    except (polars.exceptions.PolarsError, OSError) as error:
        raise InvalidManifest(
            f"{path.name} is a damaged Parquet file, or one with nested columns; write it again"
        ) from error
    return list(texts.columns), [list(row) for row in texts.iter_rows()]


def _csv(columns: Mapping[str, type], rows: Iterable[list[Cell]]) -> bytes:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([int(cell) if isinstance(cell, bool) else cell for cell in row] for row in rows)
    return stream.getvalue().encode()


def _parquet(columns: Mapping[str, type], rows: Iterable[list[Cell]]) -> bytes:
    polars = require("polars", extra="data", purpose="writing Parquet")
    types = {str: polars.String, int: polars.Int64, float: polars.Float64, bool: polars.Boolean}
    schema = {name: types[kind] for name, kind in columns.items()}
    plain = [[str(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
    stream = io.BytesIO()
    polars.DataFrame(plain, schema=schema, orient="row").write_parquet(stream)
    return stream.getvalue()
