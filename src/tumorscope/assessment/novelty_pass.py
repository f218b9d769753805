"""Novelty of brain slices and of foreign images, by the bundles' own score and by others beside it.

Owns who is asked what: a brain slice goes to the model that has not seen it, a foreign image to every model, and an
image made out of a brain slice to the model that has not seen that. Scores that need training images are made where
these are at hand, which is so for the fold models of a run. What each model said is kept, so that an interrupted pass
goes on with the next model.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from tumorscope.assessment.examinee import Examinee
from tumorscope.assessment.foreign_images import Foreign
from tumorscope.core.errors import InvalidManifest, TumorscopeError
from tumorscope.core.files import atomic_write
from tumorscope.dataset.load import load_input
from tumorscope.evaluation.cases import draw_balanced
from tumorscope.evaluation.novelty_scores import (
    BRAIN,
    DIRECTIONS,
    Scores,
    energy,
    mahalanobis,
    measure_novelty,
    nearest_neighbour,
    react,
    residual,
)
from tumorscope.evaluation.report import NoveltyPart
from tumorscope.explanation.checked import Run
from tumorscope.inference.bundle import read_bundle
from tumorscope.inference.graph_facts import deep_weights
from tumorscope.synthesis.foreign import ForeignKind

__all__ = ["LEARNT", "ask_for_novelty"]

LEARNT = 800
"""Training images of each model that scores are made of at most, as many of each class."""

Floats = NDArray[np.float64]
Progress = Callable[[int, int], None]

_BATCH = 32
_OUTPUTS = ("logits", "embedding", "novelty")


_MIXED = "mixed"
"""The name of the score where models of several kinds answer."""


class _Said(BaseModel):
    """Scores by name of images at positions."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    positions: list[int]
    scores: dict[str, list[float]]


class _Answers(BaseModel):
    """What one model said, and the reason for each image that could not be read, by path."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    brain: _Said
    foreign: dict[str, _Said]
    unread: dict[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class _Outputs:
    """``logits [N, 4]``, ``embedding [N, d]`` and ``novelty [N]`` of images."""

    logits: NDArray[np.float32]
    embedding: NDArray[np.float32]
    novelty: NDArray[np.float32]


def ask_for_novelty(
    examinee: Examinee,
    foreign: Mapping[str, Foreign],
    *,
    limit: int,
    kept: Path,
    learnt: int = LEARNT,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[NoveltyPart, dict[str, str]]:
    """Measure how well foreign images are told from brain slices.

    Parameters
    ----------
    examinee
        Whom to ask, and the brain slices.
    foreign
        Foreign images by kind.
    limit
        Brain slices that are used at most, as many of each class, from as many groups as there are.
    kept
        File for what each model said; a later call with the same models and images goes on from there.
    learnt
        Training images of each model that scores are made of at most.
    seed
        Of the choice of slices.
    progress
        Called with (done, total) in images.

    Returns
    -------
    tuple
        The part, and the reason for each brain slice that could not be read, by path.

    Raises
    ------
    InvalidManifest
        If no brain slice could be read, or no model was asked about a kind.
    """
    asking = _Asking(examinee, foreign, limit=limit, learnt=learnt, seed=seed, progress=progress)
    file = _AnswerFile(kept, asking.key())
    answers = []
    for number in asking.members():
        found = file.answers.get(str(number))
        if found is None:
            found = asking.ask(number)
            file.store(str(number), found)
        asking.done(number)
        answers.append(found)
    unread = {path: reason for said in answers for path, reason in said.unread.items()}
    return _part(examinee, foreign, asking.name, answers), unread


class _Asking:
    """What the questions to all models share."""

    def __init__(
        self,
        examinee: Examinee,
        foreign: Mapping[str, Foreign],
        *,
        limit: int,
        learnt: int,
        seed: int,
        progress: Progress | None,
    ) -> None:
        self._examinee = examinee
        self._foreign = foreign
        self._progress = progress
        self._asked = 0
        self._unread: dict[str, str] = {}
        self.slices = draw_balanced(examinee.cases, limit, seed)
        self._bundles = [read_bundle(path) for path in examinee.bundles]
        names = {model.card.thresholds.novelty_score for model in examinee.models}
        self.name = names.pop() if len(names) == 1 else _MIXED
        several = len(examinee.models)
        # One draw for all: each model takes those of it that it was trained on, all but its own fold.
        whole = int(np.ceil(learnt * several / (several - 1))) if several > 1 else 0
        self._pool = (
            draw_balanced(examinee.cases, max(whole, 4), seed) if whole else np.zeros(0, dtype=np.int64)
        )
        self._read: dict[int, NDArray[np.uint8]] = {}

    def key(self) -> str:
        """Whatever the answers hang on."""
        key = [
            *self._examinee.key,
            self._examinee.images.digest,
            _listed(self.slices),
            _listed(self._pool),
            {kind: [each.digest, _listed(each.folds)] for kind, each in self._foreign.items()},
            [model.facts.novelty_limit for model in self._examinee.models],
            self.name,
        ]
        return hashlib.sha256(json.dumps(key).encode()).hexdigest()

    def members(self) -> range:
        """The models by number."""
        return range(len(self._examinee.models))

    def ask(self, number: int) -> _Answers:
        """Ask one model about everything that it may be asked about."""
        own = self._own(number)
        read = [(row, image) for row in own.tolist() if (image := self._load(row)) is not None]
        positions = {BRAIN: [row for row, _ in read]}
        images = [image for _, image in read]
        for kind, each in self._foreign.items():
            allowed = np.ones(len(each.images), dtype=np.bool_)
            if each.folds is not None:
                allowed = each.folds == self._examinee.folds[number]
            positions[kind] = np.flatnonzero(allowed).tolist()
            images += list(each.images[allowed])
        # All at once: the fit to the training images, which each score begins with, takes longest.
        scores = self._scores(number, images) if images else {}
        ends = np.cumsum([len(rows) for rows in positions.values()])
        said = {
            kind: _Said(
                positions=rows,
                scores={name: values[end - len(rows) : end].tolist() for name, values in scores.items()},
            )
            for (kind, rows), end in zip(positions.items(), ends.tolist(), strict=True)
        }
        return _Answers(brain=said.pop(BRAIN), foreign=said, unread=dict(self._unread))

    def done(self, number: int) -> None:
        """Count a model as asked, whether now or by an earlier call."""
        self._asked = round(self._total() * (number + 1) / len(self.members()))
        self._tell()

    def _scores(self, number: int, images: Sequence[NDArray[np.uint8]]) -> dict[str, Floats]:
        """The scores that this model's outputs and training images allow."""
        model = self._examinee.models[number]
        run, limit = model.session.run, model.facts.novelty_limit
        found = self._outputs(run, images)
        scores = {"energy": energy(found.logits)}
        rows = self._pool[self._learnt(number)]
        read = [(row, image) for row in rows.tolist() if (image := self._load(row, keep=True)) is not None]
        if read:
            training = self._outputs(run, [image for _, image in read]).embedding
            head = deep_weights(self._bundles[number])
            if head is not None:
                scores["react"] = react(found.logits, found.embedding, training, head)
            scores["nearest-neighbour"] = nearest_neighbour(training, found.embedding)
            if min(training.shape) > DIRECTIONS:
                labels = self._examinee.cases.labels[[row for row, _ in read]]
                scores["mahalanobis"] = mahalanobis(training, labels, found.embedding)
                scores["embedding-residual"] = residual(training, found.embedding)
        # Last: where a bundle keeps one of these, its own is what is measured.
        scores[self.name] = found.novelty.astype(np.float64) / max(limit, float(np.finfo(np.float64).tiny))
        return scores

    def _own(self, number: int) -> NDArray[np.int64]:
        """The brain slices that this model has not seen, out of those drawn."""
        fold, folds = self._examinee.folds[number], self._examinee.cases.folds
        return self.slices if folds is None or fold is None else self.slices[folds[self.slices] == fold]

    def _learnt(self, number: int) -> NDArray[np.bool_]:
        fold, folds = self._examinee.folds[number], self._examinee.cases.folds
        if folds is None or fold is None:
            return np.zeros(len(self._pool), dtype=np.bool_)
        return np.asarray(folds[self._pool] != fold)

    def _load(self, row: int, *, keep: bool = False) -> NDArray[np.uint8] | None:
        if row in self._read:
            return self._read[row]
        images = self._examinee.images
        try:
            image = load_input(images.records[row].path, self._examinee.size)
        except TumorscopeError as error:
            self._unread[images.display_path(images.records[row])] = str(error)
            return None
        if keep:
            self._read[row] = image
        return image

    def _outputs(self, run: Run, images: Sequence[NDArray[np.uint8]]) -> _Outputs:
        found = []
        for first in range(0, len(images), _BATCH):
            batch = images[first : first + _BATCH]
            found.append(run(np.stack(batch), _OUTPUTS))
            self._asked += len(batch)
            self._tell()
        logits, embedding, novelty = (np.concatenate(each) for each in zip(*found, strict=True))
        return _Outputs(logits, embedding, novelty)

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(min(self._asked, self._total()), self._total())

    def _total(self) -> int:
        foreign = sum(
            len(each.images) * (len(self.members()) if each.folds is None else 1)
            for each in self._foreign.values()
        )
        return len(self.slices) + foreign + sum(int(self._learnt(number).sum()) for number in self.members())


def _part(
    examinee: Examinee, foreign: Mapping[str, Foreign], name: str, answers: Sequence[_Answers]
) -> NoveltyPart:
    answered = np.concatenate(
        [np.full(len(said.brain.positions), k) for k, said in enumerate(answers)]
    ).astype(np.int64)
    if not len(answered):
        raise InvalidManifest("none of the brain slices could be read; novelty is measured against them")
    rows = np.concatenate([said.brain.positions for said in answers]).astype(np.int64)
    # A model without slices of its own says nothing: which scores there are, the others tell.
    of = [said.brain.scores for said in answers if said.brain.positions]
    names = [score for score in of[0] if all(score in scores for scores in of)]
    ordered = [name, *(score for score in names if score != name)]
    scores = {
        score: Scores(
            brain=np.concatenate([said.brain.scores[score] for said in answers if said.brain.positions]),
            foreign={kind: _table(kind, len(each.images), score, answers) for kind, each in foreign.items()},
        )
        for score in ordered
    }
    # One copy of each slice was drawn for each class: a slice under two labels has two.
    _, slice_of, copies = np.unique(examinee.cases.slice_ids[rows], return_inverse=True, return_counts=True)
    part = measure_novelty(
        scores,
        examinee.cases.groups[rows],
        1.0 / copies[slice_of],
        answered=answered,
        kept=name,
        promised=examinee.models[0].card.thresholds.novelty_false_rejection,
    )
    made = tuple(kind for kind in foreign if kind in set(ForeignKind))
    return part.model_copy(update={"made": made})


def _table(kind: str, images: int, score: str, answers: Sequence[_Answers]) -> Floats:
    """``float64 [K, F]``, NaN where a model was not asked."""
    table = np.full((len(answers), images), np.nan)
    for row, said in enumerate(answers):
        found = said.foreign[kind]
        if score in found.scores:
            table[row, found.positions] = found.scores[score]
    return table


def _listed(values: NDArray[np.int64] | None) -> list[int] | None:
    return None if values is None else values.tolist()


class _AnswerFile:
    """Answers by model in a file; those of another key, or in a damaged file, are none."""

    def __init__(self, path: Path, key: str) -> None:
        self._path = path
        self._key = key
        self.answers = self._load()

    def store(self, model: str, answers: _Answers) -> None:
        """Keep what one more model said, atomically."""
        self.answers[model] = answers
        content = {
            "key": self._key,
            "answers": {number: said.model_dump(mode="json") for number, said in self.answers.items()},
        }
        atomic_write(self._path, json.dumps(content))

    def _load(self) -> dict[str, _Answers]:
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
            if content["key"] != self._key:
                return {}
            return {number: _Answers.model_validate(said) for number, said in content["answers"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ValidationError):
            return {}
