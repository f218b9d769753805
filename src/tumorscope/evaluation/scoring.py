"""Labelled images to a table of answers, through any function that turns images into logits.

Owns the guard against testing a model on its own training images, and the loop over files. Knows no model:
the caller hands in the function that answers.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import InvalidManifest, TrainedOnError, TumorscopeError
from tumorscope.dataset.load import load_input
from tumorscope.dataset.manifest import ImageRecord, Manifest
from tumorscope.evaluation.kept_answers import KeptAnswers
from tumorscope.evaluation.predictions import PredictionTable, tabulate

__all__ = ["PREFIX", "Scored", "refuse_trained_on", "score", "trained_on"]

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
    seen = trained_on(manifest, prefixes)
    if seen:
        first = ", ".join(manifest.display_path(row) for row in seen[:_SHOWN])
        raise TrainedOnError(
            f"{len(seen)} of {len(manifest)} images were used to train {model} ({first}"
            f"{', ...' if len(seen) > _SHOWN else ''}); an evaluation needs images that it has not seen"
        )


def trained_on(manifest: Manifest, prefixes: Collection[str]) -> tuple[ImageRecord, ...]:
    """The rows whose files, byte for byte, were used to make the model; parameters as :func:`refuse_trained_on`.

    A training image that was saved again has another hash and is not among them.
    """
    known = frozenset(prefixes)
    return tuple(row for row in manifest if row.sha256[:PREFIX] in known)


def score(
    manifest: Manifest,
    size: int,
    answer: Answer,
    *,
    batch_size: int = 32,
    kept: KeptAnswers | None = None,
    progress: Progress | None = None,
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
    kept
        Answers of an earlier, interrupted call with the same arguments: these images are neither read nor asked about
        again. New ones are added after each batch.
    progress
        Called with (done, total) after each batch.

    Raises
    ------
    InvalidManifest
        If not one image could be read; a few that could not are listed in the result.
    """
    failures: list[tuple[str, TumorscopeError]] = []
    logits = dict(kept.known) if kept is not None else {}
    for first in range(0, len(manifest), batch_size):
        positions = range(first, min(first + batch_size, len(manifest)))
        images: dict[int, NDArray[np.uint8]] = {}
        for position in positions:
            row = manifest.records[position]
            if position in logits:
                continue
            try:
                images[position] = load_input(row.path, size)
            except TumorscopeError as error:
                failures.append((manifest.display_path(row), error))
        if images:
            said = dict(zip(images, answer(np.stack(list(images.values()))), strict=True))
            if kept is not None:
                kept.store(said)
            logits |= said
        if progress is not None:
            progress(positions.stop, len(manifest))
    rows = [position for position in range(len(manifest)) if position in logits]
    if not rows:
        raise InvalidManifest(
            f"none of the {len(manifest)} images could be read; the first: {failures[0][0]}: {failures[0][1]}"
        )
    said_in_order = np.stack([logits[position] for position in rows]).astype(np.float64)
    return Scored(tabulate(manifest.subset(rows), said_in_order), tuple(failures))
