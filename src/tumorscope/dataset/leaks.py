"""What lies on two sides of a split and so makes figures too good.

Owns the search by the keys of a manifest, the words for what it found, and the refusal. Near copies that no key
ties together are found by :mod:`tumorscope.dataset.copies`; ``tumorscope data split`` writes them into the groups.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tumorscope.core.errors import LeakySplit
from tumorscope.dataset.groups import Key, key_of
from tumorscope.dataset.manifest import Manifest, Part

__all__ = [
    "Leak",
    "count_leaks",
    "describe_leaks",
    "find_leaks",
    "find_shared",
    "fold_sides",
    "part_sides",
    "refuse_leaks",
]

Sides = Sequence[str | None]

_WORDS = {
    Key.PATIENT: ("patient", "patients"),
    Key.GROUP: ("group", "groups"),
    Key.SLICE: ("slice", "slices"),
    Key.FILE: ("file", "files"),
    Key.PIXELS: ("picture (equal pixels)", "pictures (equal pixels)"),
}


@dataclass(frozen=True, slots=True)
class Leak:
    """One value of a key that lies on several sides.

    Parameters
    ----------
    key
        Which key.
    name
        Its value; it may identify a patient, so it is in no message and no ``repr``.
    sides
        Images of it on each side.
    rows
        Positions of these images.
    """

    key: Key
    name: str = field(repr=False)
    sides: Mapping[str, int]
    rows: tuple[int, ...]


def fold_sides(manifest: Manifest) -> tuple[str | None, ...]:
    """Each fold is a side; rows without one are on none."""
    return tuple(None if row.fold is None else str(row.fold) for row in manifest)


def part_sides(manifest: Manifest) -> tuple[str | None, ...]:
    """``train`` against ``test``; excluded rows are on neither side.

    Rows without a part are learnt from, so they are on the side of training where others have a part.
    """
    if all(row.part is None for row in manifest):
        return (None,) * len(manifest)
    parts = (row.part or Part.TRAIN for row in manifest)
    return tuple(None if part is Part.EXCLUDED else part.value for part in parts)


def find_leaks(manifest: Manifest, sides: Sides) -> tuple[Leak, ...]:
    """Find every patient, group, slice, file and picture that lies on two sides or more.

    Parameters
    ----------
    manifest
        The data set.
    sides
        The side of each row; ``None`` where it is on none.

    Returns
    -------
    tuple of Leak
        By key in the order of :class:`~tumorscope.dataset.groups.Key`, then by name.
    """
    return find_shared({key: [key_of(row, key) for row in manifest] for key in Key}, sides)


def find_shared(columns: Mapping[Key, Sequence[str | None]], sides: Sides) -> tuple[Leak, ...]:
    """As :func:`find_leaks`, for what has some of the keys only; empty values are unknown ones."""
    leaks = []
    for key in Key:
        rows: defaultdict[str, list[int]] = defaultdict(list)
        for position, (value, side) in enumerate(zip(columns.get(key, ()), sides, strict=False)):
            if value and side is not None:
                rows[value].append(position)
        for name in sorted(rows):
            found = Counter(side for row in rows[name] if (side := sides[row]) is not None)
            if len(found) > 1:
                leaks.append(Leak(key, name, dict(sorted(found.items())), tuple(rows[name])))
    return tuple(leaks)


def count_leaks(leaks: Sequence[Leak]) -> dict[str, int]:
    """How many of each kind of key; kinds that do not leak are absent."""
    counts = Counter(leak.key for leak in leaks)
    return {key.value: counts[key] for key in Key if counts[key]}


def describe_leaks(counts: Mapping[str, int]) -> str:
    """Words for what :func:`count_leaks` gives: ``2 patients, 1 file``."""
    parts = ((counts.get(key.value, 0), _WORDS[key]) for key in Key)
    return ", ".join(f"{count:,} {one if count == 1 else many}" for count, (one, many) in parts if count)


def refuse_leaks(counts: Mapping[str, int], between: str, option: str) -> None:
    """Raise if anything leaks.

    Parameters
    ----------
    counts
        As :func:`count_leaks` gives.
    between
        What the sides are, for the message: ``folds`` or ``parts train and test``.
    option
        The option of ``tumorscope data split`` that makes these sides anew.

    Raises
    ------
    LeakySplit
        With the number of keys of each kind and what to do.
    """
    if counts:
        verb = "lies" if sum(counts.values()) == 1 else "lie"
        raise LeakySplit(
            f"{describe_leaks(counts)} {verb} in two {between}, so the figures would be too good; split anew with "
            f"'tumorscope data split MANIFEST {option} --out NEW', or go on with --allow-leaks: results are stamped"
        )
