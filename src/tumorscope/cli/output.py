"""Where answers go: one writer a format, to the terminal, a pipe or a file.

Owns the formats and the file that ``--output`` names, which appears whole or not at all.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TextIO

from tumorscope.cli.table import Table
from tumorscope.cli.text import complain, encodable
from tumorscope.core.files import atomic_stream
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.core.prediction import Prediction
from tumorscope.inference.record import Answer, Failure, record

__all__ = ["CSV_COLUMNS", "Format", "Write", "format_of", "opened", "writer"]

Write = Callable[[Answer], None]

CSV_COLUMNS = (
    "kind",
    "path",
    "frame",
    "diagnosis",
    *(key.value for key in CLASS_ORDER),
    "prediction_set",
    "coverage",
    "verdict",
    "novelty",
    "window",
    "model",
    "notice",
    "error_code",
    "error_message",
)


class Format(StrEnum):
    """How answers are written."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


def format_of(asked: Format | None, output: Path | None) -> Format:
    """Choose the format: what was asked for, else what the file's name says, else a table."""
    if asked is None and output is not None and output.suffix.lower().removeprefix(".") in tuple(Format):
        return Format(output.suffix.lower().removeprefix("."))
    return asked or Format.TABLE


@contextmanager
def opened(output: Path | None) -> Iterator[TextIO]:
    """Open the destination; a file takes its name only when everything has been written."""
    if output is None:
        yield sys.stdout
        sys.stdout.flush()
        return
    with atomic_stream(output) as stream:
        yield stream


@contextmanager
def writer(form: Format, stream: TextIO) -> Iterator[Write]:
    """Give the function that writes one answer; what belongs before and after all answers comes by itself."""
    make = {Format.TABLE: _table, Format.JSON: _json, Format.JSONL: _jsonl, Format.CSV: _csv}[form]
    with make(stream) as write:
        yield write


@contextmanager
def _jsonl(stream: TextIO) -> Iterator[Write]:
    def write(answer: Answer) -> None:
        stream.write(json.dumps(record(answer)) + "\n")
        stream.flush()

    yield write


@contextmanager
def _json(stream: TextIO) -> Iterator[Write]:
    before = "[\n"

    def write(answer: Answer) -> None:
        nonlocal before
        stream.write(before + json.dumps(record(answer)))
        before = ",\n"

    yield write
    stream.write("[]\n" if before == "[\n" else "\n]\n")


@contextmanager
def _csv(stream: TextIO) -> Iterator[Write]:
    import csv

    rows = csv.DictWriter(stream, CSV_COLUMNS, lineterminator="\n")
    rows.writeheader()

    def write(answer: Answer) -> None:
        row = record(answer)
        if "error" in row:
            cells = {"kind": "error", "path": row["path"]}
            cells |= {f"error_{key}": value for key, value in row["error"].items()}
        else:
            cells = {key: row[key] for key in CSV_COLUMNS if key in row} | row["probabilities"]
            cells |= {key: " ".join(map(str, row[key])) for key in ("prediction_set", "window") if key in row}
        rows.writerow(
            {key: encodable(str(value), stream) for key, value in cells.items() if value is not None}
        )

    yield write


@contextmanager
def _table(stream: TextIO) -> Iterator[Write]:
    from shutil import get_terminal_size

    terminal = stream.isatty()
    table = Table(
        width=get_terminal_size((100, 24)).columns if terminal else 132,
        colour=terminal and _wants_colour(),
        blocks=encodable("█░…", stream) == "█░…",
    )
    answered = 0
    last: Prediction | None = None

    def emit(lines: Iterator[str]) -> None:
        for line in lines:
            stream.write(encodable(line, stream) + "\n")

    def write(answer: Answer) -> None:
        nonlocal answered, last
        if isinstance(answer, Failure):
            stream.flush()
            complain(answer.message)
            return
        if not answered:
            emit(table.heading())
        if isinstance(answer, Prediction):
            last = answer
        answered += 1
        emit(table.rows(answer))
        stream.flush()

    yield write
    if answered:
        emit(table.footing(answered, last))


def _wants_colour() -> bool:
    import os

    return "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
