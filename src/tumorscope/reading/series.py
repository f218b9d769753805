"""DICOM files to series, each in the order of its slices.

Owns the look into every header for series and position, before any pixel is read. Knows no pixels.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from tumorscope.core.errors import TumorscopeError
from tumorscope.reading.dicom_file import foreign_header, parse_header
from tumorscope.reading.dicom_geometry import Placement, placement_of, series_key
from tumorscope.reading.files import read_bytes
from tumorscope.reading.source import Source

__all__ = ["in_series_order"]

_USUAL_HEADER_BYTES = 1024**2


@dataclass(frozen=True, slots=True)
class _Entry:
    source: Source
    uid: str
    placement: Placement
    number: int


def in_series_order(sources: Iterable[Source]) -> list[Source]:
    """Group sources by ``SeriesInstanceUID`` and sort each group along the slice normal.

    Parameters
    ----------
    sources
        DICOM files.

    Returns
    -------
    list of Source
        Series in the order of their first file, those of several files with :attr:`Source.series` set. Within
        a series, files of one orientation stay together (a localizer has three); they are sorted by position,
        or by instance number where a position is missing. A file whose header cannot be read keeps its place
        and fails when it is opened.
    """
    groups: dict[str, list[_Entry]] = {}
    for place, source in enumerate(sources):
        entry = _look_into(source)
        groups.setdefault(entry.uid or f"single {place}", []).append(entry)
    return [source for group in groups.values() for source in _ordered(group)]


def _ordered(group: list[_Entry]) -> list[Source]:
    if len(group) == 1:
        return [group[0].source]
    salt = group[0].source.salt or ""
    key = series_key(group[0].uid, salt)
    by_number = sorted(group, key=lambda entry: entry.number)
    stacks: dict[object, list[_Entry]] = {}
    for entry in by_number:
        stacks.setdefault(_direction(entry.placement), []).append(entry)
    ordered: list[_Entry] = []
    for stack in stacks.values():
        depths = [entry.placement.depth for entry in stack]
        if None not in depths:
            stack.sort(key=lambda entry: entry.placement.depth or 0.0)
        ordered += stack
    return [replace(entry.source, series=key, salt=salt) for entry in ordered]


def _direction(placement: Placement) -> object:
    return tuple(round(part, 2) + 0.0 for part in placement.normal) if placement.normal else None


def _look_into(source: Source) -> _Entry:
    try:
        content = source.content()
        if isinstance(content, Path):
            content = _header_of(content, source.path)
        dataset = parse_header(content, source.path)
        with foreign_header(source.path):
            number = dataset.get("InstanceNumber")
            return _Entry(
                source,
                str(dataset.get("SeriesInstanceUID", "") or ""),
                placement_of([dataset]),
                int(number) if number not in (None, "") else 0,
            )
    except TumorscopeError:
        return _Entry(source, "", Placement(), 0)  # opening it tells why


def _header_of(path: Path, name: str) -> bytes:
    """The part of a file that holds its header: the start where that is enough, else all."""
    try:
        with path.open("rb") as stream:
            start = stream.read(_USUAL_HEADER_BYTES)
    except OSError:
        return read_bytes(path, name)  # raises with the reason
    if len(start) < _USUAL_HEADER_BYTES:
        return start
    try:
        with foreign_header(name):
            enough = bool(parse_header(start, name).get("SeriesInstanceUID"))
    except TumorscopeError:
        enough = False
    return start if enough else read_bytes(path, name)
