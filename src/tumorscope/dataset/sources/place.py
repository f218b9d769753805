"""A folder that one command fills and may go on filling.

Owns the note ``FILE.json`` that says which command made a folder, and the refusal of folders that hold anything else.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.core.files import atomic_write, check_writable

__all__ = ["Workplace"]


class Workplace:
    """A folder for the result of one command.

    Parameters
    ----------
    folder
        The folder; it need not exist.
    note
        Name of the file that marks it.
    identity
        What the command was asked to do; only the same command may go on.
    """

    def __init__(self, folder: Path, note: str, identity: dict[str, Any]) -> None:
        self.folder = folder
        self._note = folder / note
        self._identity = json.loads(json.dumps(identity))

    def open(self) -> dict[str, Any] | None:
        """Mark the folder as this command's.

        Returns
        -------
        dict or None
            What :meth:`complete` wrote, where the command is done already.

        Raises
        ------
        InvalidConfiguration
            If the folder holds something else, or cannot be written to.
        """
        check_writable(self._note)
        found = self._read()
        if found is None:
            if self.folder.exists() and any(self.folder.iterdir()):
                raise InvalidConfiguration(
                    f"{self.folder} is not an empty folder and was not made by this command; name another one"
                )
            self._write({"complete": False})
            return None
        if {key: found.get(key) for key in self._identity} != self._identity:
            raise InvalidConfiguration(
                f"{self.folder} was made by this command with other settings; name another folder, or delete it"
            )
        return found if found.get("complete") is True else None

    def clear(self, name: str) -> Path:
        """Give the path of a part of the folder, without what an interrupted run left there."""
        path = self.folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        return path

    def sweep(self, pattern: str) -> None:
        """Delete what a killed run left behind under temporary names; ``pattern`` is relative to the folder."""
        for path in list(self.folder.glob(pattern)):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    def complete(self, report: dict[str, Any]) -> None:
        """Write down that the command is done, and its report."""
        self._write({"complete": True, **report})

    def _write(self, state: dict[str, Any]) -> None:
        atomic_write(self._note, json.dumps({**self._identity, **state}, indent=2, ensure_ascii=False) + "\n")

    def _read(self) -> dict[str, Any] | None:
        try:
            found = json.loads(self._note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None
