"""What was measured already, so that a comparison that is made again does not ask every model again.

Owns the files below ``DIR/measured``: a result and, where a bundle was asked, its answers. Each hangs on all that
decides it; what hangs on something else is measured anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from tumorscope.core.errors import InvalidManifest
from tumorscope.core.files import atomic_write
from tumorscope.core.version import __version__
from tumorscope.dataset.manifest import Manifest
from tumorscope.evaluation.predictions import PredictionTable, read_predictions, write_predictions
from tumorscope.study.document import SCHEMA, Result

__all__ = ["KeptResults", "digest_of_file", "digest_of_split"]


class KeptResults:
    """Results by row and protocol.

    Parameters
    ----------
    folder
        Where they are kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def answers_so_far(self, row: str, protocol: str) -> Path:
        """Where answers lie while a bundle is asked."""
        return self._folder / f"{_file_name(row)}.{protocol}.answers-so-far.jsonl"

    def find(
        self, row: str, protocol: str, key: Sequence[str], answers: Path | None = None
    ) -> tuple[Result, PredictionTable | None] | None:
        """A result and its answers, if it hangs on the same.

        Parameters
        ----------
        row, protocol
            Whose.
        key
            All that decides it.
        answers
            Where the answers lie; beside the result for ``None``.
        """
        file = self._file(row, protocol)
        try:
            record = json.loads(file.read_text(encoding="utf-8"))
            if record["key"] != _digest(key):
                return None
            result = Result.model_validate(record["result"])
            beside = answers or file.with_suffix(".csv")
            return result, None if result.measured is None else read_predictions(beside)
        except (OSError, ValueError, KeyError, TypeError, ValidationError, InvalidManifest):
            return None

    def store(
        self, row: str, protocol: str, key: Sequence[str], result: Result, table: PredictionTable | None
    ) -> None:
        """Keep a result, and its answers where they lie nowhere else."""
        file = self._file(row, protocol)
        if table is not None:
            write_predictions(table, file.with_suffix(".csv"))
        record = {"key": _digest(key), "result": result.model_dump(mode="json")}
        atomic_write(file, json.dumps(record) + "\n")
        self.answers_so_far(row, protocol).unlink(missing_ok=True)

    def _file(self, row: str, protocol: str) -> Path:
        return self._folder / f"{_file_name(row)}.{protocol}.json"


def digest_of_file(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest_of_split(manifest: Manifest) -> str:
    """What of a data set decides who is tested: content, classes, groups, and the official split."""
    sides = ",".join(row.official_split or "" for row in manifest)
    return hashlib.sha256(f"{manifest.digest},{sides}".encode()).hexdigest()


def _digest(key: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps([SCHEMA, __version__, *key]).encode()).hexdigest()


def _file_name(row: str) -> str:
    """A row's name as that of a file; a mark keeps apart what would become the same."""
    plain = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in row)
    return plain if plain == row else f"{plain}-{hashlib.sha256(row.encode()).hexdigest()[:6]}"
