"""Images traced to the slices of a source that knows its patients.

Owns which slice an image came from, plain, mirrored or turned, and what the image takes over from it: patient, group,
fold, class and tumour box. The source is any manifest with patients; for the study's data set it is Figshare's
(Cheng et al., https://doi.org/10.6084/m9.figshare.1512427).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import InvalidManifest
from tumorscope.core.slice import Slice
from tumorscope.dataset.copies.descriptor import normalised
from tumorscope.dataset.copies.lookup import Proposals, look_up
from tumorscope.dataset.copies.orientation import ORIENTATIONS, is_reflection, turn_each, turn_point
from tumorscope.dataset.copies.pair import Orientation
from tumorscope.dataset.copies.registration import Warps, register
from tumorscope.dataset.copies.thumbnail import HeadBox, head_view, thumbnail
from tumorscope.dataset.facts import ImageFacts
from tumorscope.dataset.index import with_facts
from tumorscope.dataset.manifest import Box, ImageRecord, Manifest
from tumorscope.dataset.scan import Failure, Progress, scan

__all__ = ["THRESHOLD", "Match", "Traced", "trace"]

Begin = Callable[[str], Progress]

THRESHOLD = 0.93
"""Correlation of the fitted heads, 96 pixels wide, from which on a match is accepted."""

_SIDE, _STEPS = 96, 3
_PROPOSALS = 6  # of an image that are compared in detail
_CHUNK = 128


@dataclass(frozen=True, slots=True)
class Match:
    """An image and the slice it came from.

    Parameters
    ----------
    image
        Position in the data set.
    source
        Position in the source.
    orientation
        What was done to the slice.
    score
        Correlation of the two heads, at most 1.
    runner_up
        Score of the best other slice that was compared; 0 where there was none.
    box
        The slice's tumour box in this image.
    """

    image: int
    source: int
    orientation: Orientation
    score: float
    runner_up: float
    box: Box | None


@dataclass(frozen=True, slots=True)
class Traced:
    """The result of a trace.

    Parameters
    ----------
    manifest
        The data set, traced images with what their slice knows, and the facts of each file; unreadable images are no
        part of it.
    matches
        One for each traced image, positions in ``manifest`` and in the source as given.
    failures, source_failures
        Images and slices that could not be read.
    """

    manifest: Manifest
    matches: tuple[Match, ...]
    failures: tuple[Failure, ...]
    source_failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """What is kept of an image: some 11 KB."""

    facts: ImageFacts
    thumbnail: NDArray[np.uint8]
    head: NDArray[np.uint8]
    box: HeadBox


def trace(
    images: Manifest, source: Manifest, *, threshold: float = THRESHOLD, begin: Begin | None = None
) -> Traced:
    """Find the slice that each image came from.

    Parameters
    ----------
    images
        The data set.
    source
        Slices with ``slice_id`` and what is known of them.
    threshold
        Correlation from which on a match is accepted, in (0, 1].
    begin
        Called with the title of each step; returns what is called with (done, total).

    Raises
    ------
    InvalidManifest
        If no image or no slice can be read.
    """
    step = begin or (lambda _title: lambda _done, _total: None)
    slices = scan(source, _look, progress=step("source slices"))
    seen = scan(images, _look, progress=step("images"))
    for name, result in (("source", slices), ("data set", seen)):
        if not result.found:
            raise InvalidManifest(
                f"no image of the {name} can be read, the first error is: {result.failures[0].error}"
            )
    proposals = _leading(
        look_up(
            np.stack([image.thumbnail for image in seen.found]),
            np.stack([image.thumbnail for image in slices.found]),
            progress=step("comparing"),
        )
    )
    scores, warps = _compare(proposals, seen.found, slices.found, step("fitting"))
    rows = [
        with_facts(images.records[row], image.facts) for row, image in zip(seen.rows, seen.found, strict=True)
    ]
    keys = [source.records[row].slice_id for row in slices.rows]
    matches = []
    for best, runner_up in _decided(proposals, scores, keys, threshold):
        image, reference = int(proposals.query[best]), int(proposals.reference[best])
        record = source.records[slices.rows[reference]]
        orientation = ORIENTATIONS[proposals.orientation[best]]
        box = None
        if record.box is not None:
            frames = slices.found[reference].box, seen.found[image].box
            box = _moved(record.box, frames, orientation, warps[best])
        match = Match(
            image, slices.rows[reference], orientation, min(1.0, float(scores[best])), runner_up, box
        )
        matches.append(match)
        rows[image] = _told(rows[image], record, match)
    return Traced(Manifest(tuple(rows), images.root), tuple(matches), seen.failures, slices.failures)


def _look(_record: ImageRecord, facts: ImageFacts, image: Slice) -> _Seen:
    head, box = head_view(image.pixels, _SIDE)
    return _Seen(facts, thumbnail(image.pixels), head, box)


def _leading(proposals: Proposals) -> Proposals:
    """The best few of each image; they come sorted."""
    starts = np.searchsorted(proposals.query, proposals.query)
    return proposals.where(np.arange(len(proposals.query)) - starts < _PROPOSALS)


def _compare(
    proposals: Proposals, images: Sequence[_Seen], slices: Sequence[_Seen], progress: Progress
) -> tuple[NDArray[Any], Warps]:
    """Fit each proposal in detail: correlations ``[P]`` and warps ``[P, 4]``."""
    total = len(proposals.query)
    scores, warps = np.zeros(total, np.float32), np.zeros((total, 4), np.float32)
    for at in range(0, total, _CHUNK):
        part = slice(at, at + _CHUNK)
        fixed = normalised(np.stack([slices[position].head for position in proposals.reference[part]]))
        turn_each(fixed, proposals.orientation[part])
        moving = normalised(np.stack([images[position].head for position in proposals.query[part]]))
        scores[part], warps[part] = register(fixed, moving, _STEPS, proposals.warp[part])
        progress(min(at + _CHUNK, total), total)
    return scores, warps


def _decided(
    proposals: Proposals, scores: NDArray[Any], slice_ids: Sequence[str], threshold: float
) -> Iterator[tuple[int, float]]:
    """Row of the accepted proposal of each traced image, and the score of the best one of another slice."""
    order = np.lexsort((-scores, proposals.query))
    for rows in np.split(order, np.flatnonzero(np.diff(proposals.query[order])) + 1):
        if not len(rows) or scores[rows[0]] < threshold:
            continue
        best = slice_ids[proposals.reference[rows[0]]]
        others = [row for row in rows if slice_ids[proposals.reference[row]] != best]
        yield int(rows[0]), float(scores[others[0]]) if others else 0.0


def _moved(box: Box, frames: tuple[HeadBox, HeadBox], orientation: Orientation, warp: Warps) -> Box:
    """The box of the slice in the image: into the slice's head, turned, fitted, out of the image's head."""
    corners = []
    for side in (-0.5, 0.5):
        x, y = box.center_x + side * box.width, box.center_y + side * box.height
        x, y = turn_point(_into(frames[0], x, y), orientation)
        corners.append(_out_of(frames[1], warp[0] * x + warp[1], warp[2] * y + warp[3]))
    (one_x, one_y), (other_x, other_y) = np.clip(corners, 0.0, 1.0).tolist()
    return Box((one_x + other_x) / 2, (one_y + other_y) / 2, abs(other_x - one_x), abs(other_y - one_y))


def _into(frame: HeadBox, x: float, y: float) -> tuple[float, float]:
    """Fractions of the image to half sides of the frame from its centre."""
    left, top, right, bottom = frame
    return 2 * (x - left) / (right - left) - 1, 2 * (y - top) / (bottom - top) - 1


def _out_of(frame: HeadBox, x: float, y: float) -> tuple[float, float]:
    left, top, right, bottom = frame
    return left + (x + 1) / 2 * (right - left), top + (y + 1) / 2 * (bottom - top)


def _told(row: ImageRecord, source: ImageRecord, match: Match) -> ImageRecord:
    """The row with what its slice knows."""
    return replace(
        row,
        group=source.group,
        slice_id=source.slice_id,
        patient=source.patient,
        fold=source.fold if source.fold is not None else row.fold,
        source=source.source,
        source_label=source.label,
        mirrored=is_reflection(match.orientation) != bool(source.mirrored),
        box=match.box or row.box,
    )
