"""Labelled images to a table of answers, through any function that turns images into logits.

Owns the guard against testing a model on its own training images, and the loop over files. Knows no model:
the caller hands in the function that answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import InvalidManifest, TrainedOnError, TumorscopeError
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.dataset.certificate import FEWEST_GROUPS
from tumorscope.dataset.leaks import count_leaks, find_leaks, part_sides, refuse_leaks
from tumorscope.dataset.load import load_input
from tumorscope.dataset.manifest import ImageRecord, Manifest, Part
from tumorscope.evaluation.predictions import PredictionTable, tabulate

__all__ = ["PREFIX", "ImagesToTest", "Scored", "images_to_test", "refuse_trained_on", "score"]

PREFIX = 8
"""Hex digits of an image's SHA-256 that a bundle's card keeps."""

Answer = Callable[[NDArray[np.uint8]], NDArray[Any]]
Progress = Callable[[int, int], None]

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Scored:
    """The answers, and the images that could not be answered with the reason for each."""

    table: PredictionTable
    failures: tuple[tuple[str, TumorscopeError], ...]


@dataclass(frozen=True, slots=True)
class ImagesToTest:
    """The images of a manifest that may be tested on.

    Parameters
    ----------
    manifest
        The rows of the part ``test``, or all where the manifest has no parts.
    notes
        What a reader must know of the choice.
    leaks
        How many keys of each kind they share with the rows of the part ``train``; ``None`` where there are no parts.
    """

    manifest: Manifest
    notes: tuple[str, ...]
    leaks: dict[str, int] | None


def images_to_test(manifest: Manifest, *, allow_leaks: bool = False) -> ImagesToTest:
    """Choose the rows to test on.

    Parameters
    ----------
    manifest
        The labelled images, with or without parts.
    allow_leaks
        Whether the parts may leak.

    Raises
    ------
    InvalidManifest
        If the manifest has parts and none of its rows is of the part ``test``.
    LeakySplit
        If a key lies in both parts, train and test, and leaks are not allowed.
    """
    if all(row.part is None for row in manifest):
        return ImagesToTest(manifest, (), None)
    rows = [position for position, row in enumerate(manifest) if row.part is Part.TEST]
    if not rows:
        raise InvalidManifest(
            f"none of the {len(manifest)} rows is of the part test; hold some out with 'tumorscope data split', or "
            "empty the column part to test on all"
        )
    leaks = count_leaks(find_leaks(manifest, part_sides(manifest)))
    if not allow_leaks:
        refuse_leaks(leaks, "parts, train and test", "--hold-out FRACTION")
    test = manifest.subset(rows)
    left_out = len(manifest) - len(rows)
    notes = [f"Only the {len(rows):,} images of the part test were used; {left_out:,} others were left out."]
    groups = Counter(label for label, _ in {(row.label, row.group) for row in test})
    few = [label.value for label in CLASS_ORDER if groups[label] < FEWEST_GROUPS]
    if few:
        notes.append(
            f"The part test has fewer than {FEWEST_GROUPS} groups of {', '.join(few)}: no figure on it is an "
            "estimate for new patients."
        )
    return ImagesToTest(test, tuple(notes), leaks)


def refuse_trained_on(manifest: Manifest, prefixes: Collection[str], model: str) -> None:
    """Raise if any image was used to make the model.

    Parameters
    ----------
    manifest
        The images to be evaluated.
    prefixes
        First eight hex digits of the SHA-256 of every image the model was made from. Eight digits of 5,000
        images collide with a new image once in about 860,000.
    model
        What to call the model in the message.

    Raises
    ------
    TrainedOnError
        With the number of such images and the first of them.
    """
    known = frozenset(prefixes)
    seen = [row for row in manifest if row.sha256[:PREFIX] in known]
    if seen:
        first = ", ".join(manifest.display_path(row) for row in seen[:_SHOWN])
        raise TrainedOnError(
            f"{len(seen)} of {len(manifest)} images were used to train {model} ({first}"
            f"{', ...' if len(seen) > _SHOWN else ''}); an evaluation needs images that it has not seen"
        )


def score(
    manifest: Manifest, size: int, answer: Answer, *, batch_size: int = 32, progress: Progress | None = None
) -> Scored:
    """Read, preprocess and answer every image of a manifest.

    Parameters
    ----------
    manifest
        The labelled images.
    size
        Side of the network's input in pixels.
    answer
        ``uint8 [M, size, size]`` to raw logits ``[M, 4]``.
    batch_size
        Images answered in one call, at least 1.
    progress
        Called with (done, total) after each batch.

    Raises
    ------
    InvalidManifest
        If not one image could be read; a few that could not are listed in the result.
    """
    failures: list[tuple[str, TumorscopeError]] = []
    rows: list[ImageRecord] = []
    logits: list[NDArray[Any]] = []
    for batch in _batches(manifest.records, batch_size):
        images: list[NDArray[np.uint8]] = []
        for row in batch:
            try:
                images.append(load_input(row.path, size))
                rows.append(row)
            except TumorscopeError as error:
                failures.append((manifest.display_path(row), error))
        if images:
            logits.append(answer(np.stack(images)))
        if progress is not None:
            progress(len(rows) + len(failures), len(manifest))
    if not rows:
        raise InvalidManifest(
            f"none of the {len(manifest)} images could be read; the first: {failures[0][0]}: {failures[0][1]}"
        )
    table = tabulate(Manifest(tuple(rows), manifest.root), np.concatenate(logits).astype(np.float64))
    return Scored(table, tuple(failures))


def _batches(records: tuple[ImageRecord, ...], size: int) -> Iterator[tuple[ImageRecord, ...]]:
    for first in range(0, len(records), size):
        yield records[first : first + size]
