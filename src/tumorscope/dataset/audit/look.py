"""What an audit notes of every image while its pixels are there.

Owns the one pass over the files, in blocks: an image's pixels, and what the network sees of them, are gone when its
block is done, so that memory does not grow with them. Of equal pixels the model is asked once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
        A bundle to ask, once for all images of equal pixels, in batches in their order, so that the same images get
        the same answers.
    progress
        Called with (done, total).
    """
    noted: list[_Noted] = []
    features: list[NDArray[np.float32]] = []
    asking = None if model is None else _Asking(model)
    failures: list[Failure] = []
    for start in range(0, len(manifest), BLOCK):
        rows = range(start, min(start + BLOCK, len(manifest)))
        found = scan(
            manifest.subset(rows), _noting(asking), progress=_shifted(progress, start, len(manifest))
        )
        failures += [replace(failure, row=start + failure.row) for failure in found.failures]
        if not found.found:
            continue
        features.append(
            appearance([one.facts for one in found.found], np.stack([one.sample for one in found.found]))
        )
        if asking is not None:
            asking.ask(found.found)
        noted += [replace(one, sample=_NOTHING, image=None) for one in found.found]
    read = Manifest(tuple(one.record for one in noted), manifest.root)
    return Seen(
        manifest=read,
        formats=tuple(one.facts.format for one in noted),
        thumbnails=np.stack([one.thumbnail for one in noted])
        if noted
        else np.empty((0, len(VIEWS), SIDE, SIDE), dtype=np.uint8),
        features=np.concatenate([np.empty((0, len(FEATURES)), dtype=np.float32), *features]),
        answers=None if asking is None else asking.answers(read),
        novelty=None if asking is None else asking.novelty(read),
        failures=tuple(failures),
    )


_NOTHING = np.empty(0, dtype=np.uint8)


def _noting(asking: _Asking | None) -> Callable[[ImageRecord, ImageFacts, Slice], _Noted]:
    def note(record: ImageRecord, facts: ImageFacts, image: Slice) -> _Noted:
        return _Noted(
            with_facts(record, facts),
            facts,
            thumbnail(image.pixels),
            sample(image),
            None if asking is None else asking.input_of(facts, image),
        )

    return note


class _Asking:
    """A model that is asked about images as they are read, and remembers its answers by their pixels."""

    def __init__(self, model: Asked) -> None:
        self._model = model
        self._prepared: set[str] = set()
        self._known: dict[str, tuple[NDArray[np.float64], float]] = {}

    def input_of(self, facts: ImageFacts, image: Slice) -> NDArray[np.uint8] | None:
        """What the network takes; ``None`` where an image of equal pixels was ready before."""
        if facts.pixels_sha256 in self._prepared:
            return None
        prepared = preprocess(image, self._model.size)
        # Only now: an image that cannot be prepared stands for no other.
        self._prepared.add(facts.pixels_sha256)
        return prepared

    def ask(self, noted: Iterable[_Noted]) -> None:
        """Ask about a block of images.

        Which of two equal images was ready first is the threads' affair; the order of the batches is not, since it
        decides about the last digit of an answer.
        """
        images: dict[str, NDArray[np.uint8] | None] = {}
        for one in noted:
            digest = one.facts.pixels_sha256
            images[digest] = images.get(digest) if one.image is None else one.image
        fresh = [(digest, image) for digest, image in images.items() if digest not in self._known]
        for at in range(0, len(fresh), BATCH):
            digests, batch = zip(*fresh[at : at + BATCH], strict=True)
            probabilities, novelty = self._model.answer(np.stack(batch))
            for digest, row, far in zip(digests, probabilities.astype(np.float64), novelty, strict=True):
                self._known[digest] = row, float(far)

    def answers(self, manifest: Manifest) -> Answers:
        """What was said of each image."""
        known = frozenset(self._model.trained_on)
        given = [self._known[row.pixels_sha256 or ""][0] for row in manifest]
        return Answers(
            name=self._model.name,
            probabilities=np.array(given, dtype=np.float64).reshape(-1, 4),
            seen=np.array([row.sha256[:PREFIX] in known for row in manifest], dtype=np.bool_),
        )

    def novelty(self, manifest: Manifest) -> NDArray[np.float64]:
        """How far each image is from those of training."""
        return np.array([self._known[row.pixels_sha256 or ""][1] for row in manifest], dtype=np.float64)


def _shifted(progress: Progress | None, start: int, total: int) -> Progress | None:
    if progress is None:
        return None
    tell = progress
    return lambda done, _: tell(start + done, total)
