"""DICOM: one MR file, single or multi-frame, to slices.

Owns the way from a parsed file to :class:`Slice` records, in spatial order where the header tells it.
Parsing, frames, brightness and geometry are each a module of their own. No value of the header but modality,
plane, edges, spacing, rescale and window leaves this module.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tumorscope.core.errors import UnsupportedImage
from tumorscope.core.slice import Origin, Slice
from tumorscope.reading.dicom_file import PixelLayout, foreign_header, layout_of, parse
from tumorscope.reading.dicom_frames import frame_reader
from tumorscope.reading.dicom_geometry import Placement, placement_of, series_key
from tumorscope.reading.dicom_present import before_window, present, presentation_of
from tumorscope.reading.files import read_bytes

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["read_dicom"]


def read_dicom(
    data: bytes | Path, name: str, *, salt: str | None = None, in_series: bool = False
) -> Iterator[Slice]:
    """Read the frames of a DICOM file lazily.

    Parameters
    ----------
    data
        The file's content, or the file.
    name
        What to call it in :attr:`Origin.path` and in messages.
    salt
        See :func:`~tumorscope.reading.dicom_geometry.series_key`; the folder of ``name`` where ``None``.
    in_series
        Whether other files of the same series are read too, so that a blank one is skipped without complaint.

    Yields
    ------
    Slice
        Along the slice normal where the header tells positions, else in stored order. Frames of a single
        value, as at the edges of a volume, are skipped; :attr:`Origin.frames` counts them.

    Raises
    ------
    UnreadableImage
        If the file is truncated, corrupted, a bomb, or its codestream and header disagree.
    UnsupportedImage
        If it is not a grayscale MR image, or every frame of a multi-frame file is blank.
    """
    content = data if isinstance(data, bytes) else read_bytes(data, name)
    dataset = parse(content, name)
    layout = layout_of(dataset, name)
    with foreign_header(name):
        placements = [placement_of(_groups(dataset, layout, frame)) for frame in range(layout.frames)]
        series = series_key(dataset.get("SeriesInstanceUID"), salt if salt is not None else _folder(name))
    read = frame_reader(dataset, layout, name)
    skip_blank = in_series or layout.frames > 1
    shown = 0
    for frame in _spatial_order(placements):
        stored = read(frame)
        if skip_blank and stored.min() == stored.max():
            continue
        with foreign_header(name):
            groups = _groups(dataset, layout, frame)
        how = presentation_of(groups, layout, name)
        pixels, value_range = present(stored, how, layout, name)
        place = placements[frame]
        origin = Origin(
            name, frame, layout.frames, series, place.plane, place.spacing, "MR", edges=place.edges
        )
        shown += 1
        yield Slice(pixels, origin, value_range, before_window(stored, how, value_range))
    if not shown and not in_series:
        raise UnsupportedImage(
            f"{name}: all {layout.frames} frames are blank; an image with content is needed"
        )


def _groups(dataset: Dataset, layout: PixelLayout, frame: int) -> list[Dataset]:
    """Places that may hold an attribute of a frame, the most specific first (PS3.3, C.7.6.16)."""
    found = []
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or []
    if len(per_frame) == layout.frames:
        found.append(per_frame[frame])
    found += list(dataset.get("SharedFunctionalGroupsSequence") or [])[:1]
    return [*found, dataset]


def _spatial_order(placements: list[Placement]) -> list[int]:
    """Frame numbers along the normal; as stored where positions are missing or repeat (echoes, time)."""
    depths = [place.depth for place in placements]
    same_direction = len({_rounded(place) for place in placements}) == 1
    known = [depth for depth in depths if depth is not None]
    if not same_direction or len({round(depth, 3) for depth in known}) < len(depths):
        return list(range(len(placements)))
    return sorted(range(len(placements)), key=lambda frame: known[frame])


def _rounded(place: Placement) -> tuple[float, ...] | None:
    return tuple(round(part, 2) for part in place.normal) if place.normal else None


def _folder(name: str) -> str:
    return os.path.dirname(os.path.abspath(name.partition("!")[0]))  # noqa: PTH100, PTH120 - a key, not a path
