"""The answers of an evaluation that is under way, in a file, so that one that was interrupted goes on.

Owns the file: a line that says what the answers hang on, then a line a batch, each appended in one piece. A process
that is killed leaves at most a torn last line, which is dropped; whoever finishes the evaluation removes the file.
Knows neither images nor models.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.files import atomic_write
from tumorscope.core.labels import CLASS_ORDER

__all__ = ["SCHEMA", "KeptAnswers", "kept_beside"]

SCHEMA = "tumorscope/kept-answers/1"


def kept_beside(target: Path) -> Path:
    """Where the answers are kept while the evaluation that ends in ``target`` is under way."""
    return target.with_name(f"{target.name}.answers-so-far.jsonl")


class KeptAnswers:
    """Answers by the position of their image.

    Parameters
    ----------
    path
        The file; it need not exist.
    key
        Whatever the answers hang on: the digests of model and images, the size of a batch. Answers of another key
        are dropped, and so is a file of another version or a damaged one: the images are asked about again.
    """

    def __init__(self, path: str | os.PathLike[str], key: Sequence[object]) -> None:
        self._path = Path(path)
        digest = hashlib.sha256(json.dumps([str(part) for part in key]).encode()).hexdigest()
        self._head = json.dumps({"schema": SCHEMA, "key": digest})
        lines = self._read()
        self._known = {position: row for line in lines for position, row in line.items()}
        # Also without a torn end, so that the next line does not continue one.
        self._started = bool(lines)
        if self._started:
            atomic_write(self._path, "\n".join([self._head, *map(_as_text, lines)]) + "\n")

    @property
    def known(self) -> Mapping[int, NDArray[np.float64]]:
        """Logits ``float64 [4]`` by position."""
        return self._known

    def store(self, answers: Mapping[int, NDArray[Any]]) -> None:
        """Keep the answers of one batch: all of them, or none where the process ends on the way."""
        rows = {position: np.asarray(row, dtype=np.float64) for position, row in answers.items()}
        if not self._started:
            atomic_write(self._path, self._head + "\n")
            self._started = True
        line = (_as_text(rows) + "\n").encode()
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(descriptor, line)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self._known |= rows

    def _read(self) -> list[dict[int, NDArray[np.float64]]]:
        try:
            head, *lines = self._path.read_text(encoding="utf-8").split("\n")
        except (OSError, UnicodeDecodeError):
            return []
        if head != self._head:
            return []
        found = []
        for line in lines:
            answers = _of_text(line)
            if answers is None:
                break
            found.append(answers)
        return found


def _as_text(answers: Mapping[int, NDArray[np.float64]]) -> str:
    return json.dumps({str(position): row.tolist() for position, row in answers.items()})


def _of_text(line: str) -> dict[int, NDArray[np.float64]] | None:
    """The answers of a line; ``None`` where it is torn."""
    try:
        found = {int(position): np.array(row, dtype=np.float64) for position, row in json.loads(line).items()}
    except (ValueError, TypeError, AttributeError):
        return None
    good = all(row.shape == (len(CLASS_ORDER),) and np.isfinite(row).all() for row in found.values())
    return found if found and good else None
