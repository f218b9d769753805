"""Who taught a run, in its ``data.json``.

Owns that entry, and the check that a run goes on learning from the same networks. Who may teach is
:mod:`tumorscope.training.teachers`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.core.files import atomic_write
from tumorscope.training.folder import RunFolder

__all__ = ["record_teachers", "sha256_of"]


def record_teachers(run: RunFolder, teachers: Sequence[Mapping[str, Any]]) -> None:
    """Write who teaches a run into its ``data.json``, or make sure that these are the same as before.

    Parameters
    ----------
    run
        The student's.
    teachers
        See :meth:`tumorscope.training.teachers.Teachers.record`; weights that were not recorded yet are added.

    Raises
    ------
    InvalidConfiguration
        If the run has learnt from others.
    """
    data = run.data()
    known = data.get("teachers")
    if known is None:
        # A run that exists without teachers has another configuration and was refused before.
        known = [{**teacher, "weights": {}} for teacher in teachers]
    if not (len(known) == len(teachers) and all(map(_same, known, teachers))):
        names = ", ".join(str(teacher["run"]) for teacher in known)
        raise InvalidConfiguration(
            f"{run.path} learns from other teachers, or they were trained again since (they were {names}); name the "
            "same ones in the same order, or choose another --out"
        )
    merged = [
        {**old, "weights": dict(sorted({**old["weights"], **new["weights"]}.items()))}
        for old, new in zip(known, teachers, strict=True)
    ]
    if data.get("teachers") != merged:
        atomic_write(run.path / "data.json", json.dumps(data | {"teachers": merged}, indent=2) + "\n")


def _same(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    shared = old["weights"].keys() & new["weights"].keys()
    return old["configuration_sha256"] == new["configuration_sha256"] and all(
        old["weights"][fit] == new["weights"][fit] for fit in shared
    )


def sha256_of(path: Path) -> str:
    """Hash of a file, 64 hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
