"""Who is asked: the fold models of a run, or one bundle, each with images that it has not seen.

Owns the one shape that the slow parts of an evaluation ask a model through.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tumorscope.dataset.manifest import Manifest
from tumorscope.evaluation.cases import Answer, Cases, cases_of
from tumorscope.explanation.checked import HeldOut
from tumorscope.explanation.randomised import with_shuffled_head
from tumorscope.inference.bundle import read_bundle
from tumorscope.inference.classifier import Classifier
from tumorscope.inference.fold_models import FoldModels, open_fold_models
from tumorscope.inference.session import Session

__all__ = ["Examinee", "examinee_of_bundle", "examinee_of_run"]


@dataclass(frozen=True, slots=True, eq=False)
class Examinee:
    """A model, or one a fold, and images to ask about.

    Parameters
    ----------
    images
        The manifest; ``fold`` is where each image was held out.
    cases
        The same images, to be changed before the model sees them.
    answer
        The model that has not seen a case, to probabilities.
    size
        Side of its input in pixels.
    held_out
        Each model with the images held out from it.
    bundles
        The file of each of these models; ``None`` for the bundle that ships.
    models
        Each of these models.
    folds
        The fold that each of these models has not seen; ``None`` for one that has seen none of the images.
    key
        What identifies the models, for results that are kept.
    """

    images: Manifest
    cases: Cases
    answer: Answer
    size: int
    held_out: Sequence[HeldOut]
    bundles: Sequence[Path | None]
    models: Sequence[Classifier]
    folds: Sequence[int | None]
    key: tuple[str, ...]

    def beside_shuffled(self) -> list[HeldOut]:
        """:attr:`held_out`, each model beside itself with the weights of its head shuffled."""
        return [
            replace(part, shuffled=(Session(with_shuffled_head(read_bundle(bundle))).run,))
            for part, bundle in zip(self.held_out, self.bundles, strict=True)
        ]


def examinee_of_run(run: Path, images: Manifest) -> Examinee:
    """The fold models of a run, asked about the run's own images.

    Parameters
    ----------
    run
        Folder of a run made by ``tumorscope train --folds``.
    images
        The data it was made from, or a part of it.

    Raises
    ------
    MissingInput
        If a fold has no bundle.
    InvalidManifest
        If an image is none of the run's.
    """
    models = open_fold_models(run)
    folds = models.folds_of([row.sha256 for row in images])
    rows = tuple(replace(row, fold=int(fold)) for row, fold in zip(images, folds, strict=True))
    images = Manifest(rows, images.root)

    def answer(pixels: NDArray[np.uint8], positions: NDArray[np.int64]) -> NDArray[np.float32]:
        return models.run(pixels, folds[positions], ("probabilities",))["probabilities"]

    held_out = [
        HeldOut(images.subset(np.flatnonzero(folds == number).tolist()), models.input_size, model.session.run)
        for number, model in models.models.items()
    ]
    bundles = [run / "folds" / str(number) / "bundle.onnx" for number in models.models]
    return Examinee(
        images=images,
        cases=cases_of(images),
        answer=answer,
        size=models.input_size,
        held_out=held_out,
        bundles=bundles,
        models=tuple(models.models.values()),
        folds=tuple(models.models),
        key=_key(models),
    )


def examinee_of_bundle(classifier: Classifier, images: Manifest, path: Path | None = None) -> Examinee:
    """One bundle, asked about images that it was not made from (which the caller has checked)."""

    def answer(pixels: NDArray[np.uint8], _positions: NDArray[np.int64]) -> NDArray[np.float32]:
        return classifier.session.run(pixels, ("probabilities",))[0]

    size = classifier.facts.input_size
    held_out = [HeldOut(images, size, classifier.session.run)]
    cases = replace(cases_of(images), folds=None)
    key = (classifier.facts.label, classifier.card.created)
    return Examinee(images, cases, answer, size, held_out, [path], [classifier], [None], key)


def _key(models: FoldModels) -> tuple[str, ...]:
    return tuple(f"{number}:{model.card.created}" for number, model in sorted(models.models.items()))
