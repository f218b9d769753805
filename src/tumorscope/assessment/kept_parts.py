"""Finished passes of an evaluation in a file, so that the same command after an interruption does not make them again.

Owns the file. Stress ladders have one of their own (:class:`~tumorscope.evaluation.stress.LadderFile`), since each of
them takes long.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from tumorscope.core.files import atomic_write
from tumorscope.core.version import __version__
from tumorscope.evaluation.report import ExplanationPart, ShortcutTest

__all__ = ["NAME", "FinishedParts", "KeptParts"]

NAME = "finished-passes.json"


class FinishedParts(BaseModel):
    """What is finished; ``None`` for what is not."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    shortcut: ShortcutTest | None = None
    explanation: ExplanationPart | None = None


class KeptParts:
    """Passes that are finished.

    Parameters
    ----------
    folder
        Of the report, where the file lies and stays.
    key
        Whatever the parts hang on: model, images, limit. Parts of another key or version are dropped, and a damaged
        file is the same as none.
    """

    def __init__(self, folder: Path, key: Sequence[object]) -> None:
        self._path = folder / NAME
        text = json.dumps([*map(str, key), __version__])
        digest = hashlib.sha256(text.encode()).hexdigest()
        self._finished = self._read(digest) or FinishedParts(key=digest)

    @property
    def finished(self) -> FinishedParts:
        """What is kept for this key."""
        return self._finished

    def store(self, part: ShortcutTest | ExplanationPart) -> None:
        """Keep one more part, atomically."""
        name = "shortcut" if isinstance(part, ShortcutTest) else "explanation"
        self._finished = self._finished.model_copy(update={name: part})
        atomic_write(self._path, self._finished.model_dump_json(indent=1))

    def _read(self, key: str) -> FinishedParts | None:
        try:
            found = FinishedParts.model_validate_json(self._path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, ValidationError):
            return None
        return found if found.key == key else None
