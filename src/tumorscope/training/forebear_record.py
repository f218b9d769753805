"""What a run was made from, in its ``data.json``: who taught it, or whose weights it is the mean of.

Owns that entry, and the check that a run goes on from the same networks. Which may take part is
:mod:`tumorscope.training.forebears`.
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

__all__ = ["record_forebears", "sha256_of"]


def record_forebears(
    run: RunFolder, role: str, forebears: Sequence[Mapping[str, Any]], *, begun: bool = False
) -> None:
    """Write what a run is made from into its ``data.json``, or make sure that it is the same as before.

    Parameters
    ----------
    run
        The new one.
    role
        What one of those is called; the key is its plural.
    forebears
        See :meth:`tumorscope.training.forebears.Forebears.record`; weights that were not recorded yet are added.
    begun
        Whether the fit that they are for exists, so that others than were recorded are not what it is made from.

    Raises
    ------
    InvalidConfiguration
        If the run was made from others.
    """
    data, key = run.data(), f"{role}s"
    known = data.get(key)
    if known is None:
        known = [{**forebear, "weights": {}} for forebear in forebears]
    pairs = zip(known, forebears, strict=False)
    if len(known) != len(forebears) or not all(_same(old, new, begun=begun) for old, new in pairs):
        names = ", ".join(str(forebear["run"]) for forebear in known)
        raise InvalidConfiguration(
            f"{run.path} was made from other {key}, or they were trained again since (they were {names}); name the "
            "same ones in the same order, or choose another --out"
        )
    merged = [
        {**old, "weights": dict(sorted({**old["weights"], **new["weights"]}.items()))}
        for old, new in zip(known, forebears, strict=True)
    ]
    if data.get(key) != merged:
        atomic_write(run.path / "data.json", json.dumps(data | {key: merged}, indent=2) + "\n")


def _same(old: Mapping[str, Any], new: Mapping[str, Any], *, begun: bool) -> bool:
    known, given = old["weights"], new["weights"]
    if old["configuration_sha256"] != new["configuration_sha256"] or (begun and given.keys() - known.keys()):
        return False
    return all(known[fit] == given[fit] for fit in known.keys() & given.keys())


def sha256_of(path: Path) -> str:
    """Hash of a file, 64 hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
