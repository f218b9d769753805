"""What an audit notes of every image while its pixels are there.

Owns the one pass over the files, in blocks: an image's pixels, and what the network sees of them, are gone when its
block is done, so that memory does not grow with them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.slice import Slice
from tumorscope.dataset.audit.appearance import FEATURES, appearance, sample
from tumorscope.dataset.audit.model import PREFIX, Answers, Asked
from tumorscope.dataset.copies.thumbnail import SIDE, VIEWS, thumbnail
from tumorscope.dataset.facts import ImageFacts
from tumorscope.dataset.index import with_facts
from tumorscope.dataset.manifest import ImageRecord, Manifest
from tumorscope.dataset.scan import Failure, Progress, scan
from tumorscope.preprocess import preprocess

__all__ = ["Seen", "see"]

BLOCK = 4096
BATCH = 32


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """All images that could be read.

    Parameters
    ----------
    manifest
        Their rows, with size, mode and hashes measured anew.
    formats
        File format of each.
    thumbnails
        ``uint8 [N, 2, 32, 32]`` for the search for copies.
    features
        ``float32 [N, F]`` for the shortcut probe.
    answers, novelty
        What the model said; ``None`` where none was asked.
    failures
        The other images; rows are positions in the whole data set.
    """

    manifest: Manifest
    formats: tuple[str, ...]
    thumbnails: NDArray[np.uint8]
    features: NDArray[np.float32]
    answers: Answers | None
    novelty: NDArray[np.float64] | None
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Noted:
    record: ImageRecord
    facts: ImageFacts
    thumbnail: NDArray[np.uint8]
    sample: NDArray[np.uint8]
    image: NDArray[np.uint8] | None


def see(manifest: Manifest, model: Asked | None = None, progress: Progress | None = None) -> Seen:
    """Open every image once.

    Parameters
    ----------
    manifest
        The data set.
    model
        A bundle to ask, in batches in the order of the images, so that the same images get the same answers.
    progress
        Called with (done, total).
    """
    noted: list[_Noted] = []
    features: list[NDArray[np.float32]] = []
    answers: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    failures: list[Failure] = []
    for start in range(0, len(manifest), BLOCK):
        rows = range(start, min(start + BLOCK, len(manifest)))
        found = scan(manifest.subset(rows), _noting(model), progress=_shifted(progress, start, len(manifest)))
        failures += [replace(failure, row=start + failure.row) for failure in found.failures]
        if not found.found:
            continue
        features.append(
            appearance([one.facts for one in found.found], np.stack([one.sample for one in found.found]))
        )
        if model is not None:
            answers.append(_ask(model, [one.image for one in found.found if one.image is not None]))
        noted += [replace(one, sample=_NOTHING, image=None) for one in found.found]
    read = Manifest(tuple(one.record for one in noted), manifest.root)
    return Seen(
        manifest=read,
        formats=tuple(one.facts.format for one in noted),
        thumbnails=np.stack([one.thumbnail for one in noted])
        if noted
        else np.empty((0, len(VIEWS), SIDE, SIDE), dtype=np.uint8),
        features=np.concatenate([np.empty((0, len(FEATURES)), dtype=np.float32), *features]),
        answers=None if model is None else _answers(read, model, answers),
        novelty=None
        if model is None
        else np.concatenate([np.empty(0), *(novelty for _, novelty in answers)]),
        failures=tuple(failures),
    )


_NOTHING = np.empty(0, dtype=np.uint8)


def _noting(model: Asked | None) -> Callable[[ImageRecord, ImageFacts, Slice], _Noted]:
    def note(record: ImageRecord, facts: ImageFacts, image: Slice) -> _Noted:
        return _Noted(
            with_facts(record, facts),
            facts,
            thumbnail(image.pixels),
            sample(image),
            None if model is None else preprocess(image, model.size),
        )

    return note


def _ask(model: Asked, images: list[NDArray[np.uint8]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    given = [model.answer(np.stack(images[at : at + BATCH])) for at in range(0, len(images), BATCH)]
    probabilities, novelty = (np.concatenate(part).astype(np.float64) for part in zip(*given, strict=True))
    return probabilities, novelty


def _answers(
    manifest: Manifest, model: Asked, given: list[tuple[NDArray[np.float64], NDArray[np.float64]]]
) -> Answers:
    known = frozenset(model.trained_on)
    return Answers(
        name=model.name,
        probabilities=np.concatenate([np.empty((0, 4)), *(probabilities for probabilities, _ in given)]),
        seen=np.array([row.sha256[:PREFIX] in known for row in manifest], dtype=np.bool_),
    )


def _shifted(progress: Progress | None, start: int, total: int) -> Progress | None:
    if progress is None:
        return None
    tell = progress
    return lambda done, _: tell(start + done, total)
