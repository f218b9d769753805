"""Tables on the disk: CSV with the standard library, Parquet with Polars.

Owns the two formats and nothing of what the columns mean. Cells are read as text, whatever the format.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tumorscope.core.errors import InvalidManifest, MissingInput
from tumorscope.core.files import atomic_write
from tumorscope.core.optional import require

__all__ = ["TABLE_SUFFIXES", "Cell", "Table", "check_table_name", "read_table", "write_table"]

TABLE_SUFFIXES = (".csv", ".parquet")
Cell = str | int | float | bool | None

_PARQUET_MAGIC = b"PAR1"


@dataclass(frozen=True, slots=True)
class Table:
    """A table as text.

    Parameters
    ----------
    columns
        Their names, as the file writes them.
    rows
        One list of cells a row, as many as there are columns; a missing value is an empty text.
    places
        What to call each row in a message: ``line 7`` of a CSV file, ``row 6`` of a Parquet file.
    """

    columns: list[str]
    rows: list[list[str]]
    places: list[str]


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


def read_table(path: Path, wanted: Callable[[str], bool] = lambda _: True) -> Table:
    """Read a table as text; the content decides the format.

    Parameters
    ----------
    path
        CSV or Parquet.
    wanted
        Given the name of a column, whether its cells are needed. A Parquet column that is not needed may be of any
        type.

    Raises
    ------
    MissingInput
        If the file may not be read.
    InvalidManifest
        If it is neither CSV in UTF-8 nor Parquet, or a line has more cells than there are columns.
    MissingDependency
        If it is Parquet and Polars is not installed.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise MissingInput(f"{path} may not be read; check its permissions") from error
    if content[:4] == _PARQUET_MAGIC or path.suffix.lower() == ".parquet":
        return _read_parquet(content, path, wanted)
    return _read_csv(content, path)


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
        If the name ends otherwise, or a text cannot be written as UTF-8.
    MissingDependency
        If it is Parquet and Polars is not installed.
    """
    check_table_name(path)
    try:
        content = _parquet(columns, rows) if path.suffix.lower() == ".parquet" else _csv(columns, rows)
    except UnicodeEncodeError as error:
        raise InvalidManifest(
            f"{error.object!r} cannot be written: it is no valid Unicode text; rename the file"
        ) from error
    atomic_write(path, content)


def _read_csv(content: bytes, path: Path) -> Table:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidManifest(
            f"{path.name} is neither a CSV file in UTF-8 nor Parquet; save the table as one of them"
        ) from error
    reader = csv.reader(io.StringIO(text, newline=""))
    lines: list[list[str]] = []
    places: list[str] = []
    end = 0
    try:
        for cells in reader:
            begin, end = end + 1, reader.line_num  # a quoted cell may go over several lines
            if any(cells):
                lines.append(cells)
                places.append(f"line {begin}")
    except csv.Error as error:
        raise InvalidManifest(
            f"{path.name} line {reader.line_num} is no line of a CSV file: {error}"
        ) from error
    if not lines:
        return Table([], [], [])
    columns = lines[0]
    for cells, place in zip(lines, places, strict=True):
        if any(cells[len(columns) :]):
            raise InvalidManifest(
                f"{path.name} {place} has {len(cells)} cells, the first line {len(columns)}; put quotes round a cell "
                "that holds a comma"
            )
    rows = [[*cells, *[""] * (len(columns) - len(cells))][: len(columns)] for cells in lines[1:]]
    return Table(columns, rows, places[1:])


def _read_parquet(content: bytes, path: Path, wanted: Callable[[str], bool]) -> Table:
    polars = require("polars", extra="data", purpose="reading Parquet")
    try:
        frame = polars.read_parquet(io.BytesIO(content))
        texts = polars.DataFrame([_as_text(frame[name], polars) for name in frame.columns if wanted(name)])
    # Its decoders panic on some damaged files; that error of Polars is no Exception.
    except (polars.exceptions.PolarsError, polars.exceptions.PanicException, OSError, ValueError) as error:
        raise InvalidManifest(
            f"{path.name} is a damaged Parquet file, or its columns hold no plain values; write it again"
        ) from error
    rows = [list(row) for row in texts.iter_rows()]
    return Table(list(texts.columns), rows, [f"row {number}" for number in range(1, len(rows) + 1)])


def _as_text(column: Any, polars: Any) -> Any:
    """Cells as text; what is missing, not-a-number among it, is an empty one."""
    if column.dtype.is_float():  # how pandas writes whole numbers and truth values of which some are missing
        column = column.fill_nan(None)
    return column.cast(polars.String).fill_null("")


class _UnixLines:
    """Text that a CSV writer ends by CR LF, which makes it put quotes round either, with LF alone at the ends."""

    def __init__(self) -> None:
        self.stream = io.StringIO(newline="")

    def write(self, line: str) -> int:
        return self.stream.write(line.removesuffix("\r\n") + "\n")


def _csv(columns: Mapping[str, type], rows: Iterable[list[Cell]]) -> bytes:
    lines = _UnixLines()
    writer = csv.writer(lines, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([int(cell) if isinstance(cell, bool) else cell for cell in row] for row in rows)
    return lines.stream.getvalue().encode()


def _parquet(columns: Mapping[str, type], rows: Iterable[list[Cell]]) -> bytes:
    polars = require("polars", extra="data", purpose="writing Parquet")
    types = {str: polars.String, int: polars.Int64, float: polars.Float64, bool: polars.Boolean}
    schema = {name: types[kind] for name, kind in columns.items()}
    plain = [[str(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
    stream = io.BytesIO()
    polars.DataFrame(plain, schema=schema, orient="row").write_parquet(stream)
    return stream.getvalue()
