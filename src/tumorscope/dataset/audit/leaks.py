"""The checks for patients and groups on two sides of a split.

Owns how such leaks are counted and told. A leak never names the patient: one of the images stands for it. The search
itself is :mod:`tumorscope.dataset.leaks`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Literal

from tumorscope.dataset.audit.document import Check, Leak, Verdict
from tumorscope.dataset.audit.sides import Split, existing
from tumorscope.dataset.audit.words import counted, listed
from tumorscope.dataset.groups import Key
from tumorscope.dataset.leaks import find_shared
from tumorscope.dataset.manifest import Manifest

__all__ = ["leak_checks"]

_DIVIDE = {
    "official": "the official split divides",
    "fold": "the folds divide",
    "part": "the hold-out split divides",
}
_NONE_KNOWN = {
    "patient": "The manifest names no patients, so whether one lies on two sides of a split cannot be told.",
    "group": "Every group is one known patient, see the check of patients.",
}
_NO_GROUPS = (
    "The data set names no groups: each file is one of its own, and cannot lie on two sides. See the copies."
)


def leak_checks(manifest: Manifest) -> tuple[tuple[Check, Check], tuple[Leak, ...]]:
    """Find patients, then groups of unknown patient, that lie on two sides of a split.

    Parameters
    ----------
    manifest
        The data set.

    Returns
    -------
    tuple
        The two checks, and the leaks sorted by split, kind and example. A group whose images all name one patient
        is counted as that patient only.
    """
    owners: dict[str, set[str | None]] = defaultdict(set)
    for row in manifest:
        owners[row.group].add(row.patient)
    patients = [row.patient for row in manifest]
    groups = [
        row.group if None in owners[row.group] or len(owners[row.group]) > 1 else None for row in manifest
    ]
    known, unknown = len({*patients} - {None}), len({*groups} - {None})
    splits = tuple(existing(manifest))
    leaks = sorted(_leaks(manifest, patients, groups), key=lambda leak: (leak.split, leak.by, leak.example))
    titles: tuple[tuple[Literal["patient", "group"], str, str], ...] = (
        ("patient", "Patients on both sides", counted(known, "known patient")),
        (
            "group",
            "Groups on both sides",
            counted(unknown, "group of unknown patient", "groups of unknown patient"),
        ),
    )
    checks = []
    for by, title, of in titles:
        found = [leak for leak in leaks if leak.by == by]
        verdict, sentence = _judge(found, splits, of)
        if not (known if by == "patient" else unknown):
            verdict, sentence = Verdict.NOT_RUN, _NONE_KNOWN[by]
        elif by == "group" and not found and splits and all(row.group == row.sha256 for row in manifest):
            verdict, sentence = Verdict.NOT_RUN, _NO_GROUPS
        count = None if verdict is Verdict.NOT_RUN else len(found)
        checks.append(Check(key=f"{by}s-apart", title=title, verdict=verdict, sentence=sentence, count=count))
    return (checks[0], checks[1]), tuple(leaks)


def _leaks(manifest: Manifest, patients: list[str | None], groups: list[str | None]) -> list[Leak]:
    names: dict[Key, Literal["patient", "group"]] = {Key.PATIENT: "patient", Key.GROUP: "group"}
    return [
        Leak(
            split=split,
            by=names[leak.key],
            sides=dict(leak.sides),
            example=min(manifest.display_path(manifest.records[row]) for row in leak.rows),
        )
        for split, places in existing(manifest).items()
        for leak in find_shared({Key.PATIENT: patients, Key.GROUP: groups}, places)
    ]


def _judge(leaks: Sequence[Leak], splits: Sequence[Split], of: str) -> tuple[Verdict, str]:
    if not splits:
        return Verdict.NOT_RUN, "The data set has no split with two sides."
    counts = Counter(leak.split for leak in leaks)
    told = listed([f"{_DIVIDE[split]} {counts[split] or 'none'}" for split in splits])
    if not leaks:
        return Verdict.GOOD, f"Of {of}, {told}."
    return Verdict.PROBLEM, f"Of {of}, {told}; scores across such a split are too good."
