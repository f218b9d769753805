"""The fold models of a run: every image is answered by the one that has not seen it.

Owns the way from a run's folder to answers that a run may be measured by, whatever is done to the images first. Free
of torch: each fold is a bundle, made by ``tumorscope train --folds``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import InvalidBundle, InvalidManifest, MissingInput, TrainedOnError
from tumorscope.evaluation.predictions import PREDICTIONS_NAME, read_predictions
from tumorscope.inference.classifier import Classifier, load

__all__ = ["FoldModels", "open_fold_models"]

_BATCH_SIZE = 32


class FoldModels:
    """Bundles by fold, and the fold of every image. Made by :func:`open_fold_models`.

    Parameters
    ----------
    models
        The bundle that has not seen a fold, by the number of the fold.
    folds
        The fold of each image of the run, by its SHA-256.
    """

    def __init__(self, models: Mapping[int, Classifier], folds: Mapping[str, int]) -> None:
        self.models = dict(models)
        self._folds = dict(folds)

    @property
    def input_size(self) -> int:
        """Side of the input in pixels, the same for all."""
        return next(iter(self.models.values())).facts.input_size

    def folds_of(self, hashes: Sequence[str]) -> NDArray[np.int64]:
        """The fold that each image was held out in, ``int64 [N]``.

        Raises
        ------
        InvalidManifest
            If an image is none of the run's. Any fold model may answer for it: use :attr:`models`.
        """
        unknown = sum(digest not in self._folds for digest in hashes)
        if unknown:
            raise InvalidManifest(
                f"{unknown} of {len(hashes)} images are none of those the run was cross-fitted on; "
                "give the data that it was trained with"
            )
        return np.array([self._folds[digest] for digest in hashes], dtype=np.int64)

    def run(
        self,
        images: NDArray[np.uint8],
        folds: NDArray[np.int64],
        outputs: Sequence[str],
        *,
        batch_size: int = _BATCH_SIZE,
    ) -> dict[str, NDArray[np.float32]]:
        """Answer each image by the model that held its fold out.

        Parameters
        ----------
        images
            ``uint8 [N, S, S]``, N at least 1: those of the run, or changed copies of them.
        folds
            ``int64 [N]``, see :meth:`folds_of`.
        outputs
            Names out of :data:`~tumorscope.inference.bundle.OUTPUTS`.
        batch_size
            Images in one run of a graph.

        Returns
        -------
        dict
            ``float32 [N, ...]`` by name, in the order of the images.

        Raises
        ------
        InvalidManifest
            If a fold has no model.
        """
        missing = sorted(set(folds.tolist()) - set(self.models))
        if missing:
            raise InvalidManifest(f"there is no model of fold {missing[0]}; folds are {_listed(self.models)}")
        results: dict[str, NDArray[np.float32]] = {}
        for number in np.unique(folds):
            rows = np.flatnonzero(folds == number)
            for first in range(0, len(rows), batch_size):
                batch = rows[first : first + batch_size]
                answers = self.models[int(number)].session.run(np.ascontiguousarray(images[batch]), outputs)
                for name, answer in zip(outputs, answers, strict=True):
                    if name not in results:
                        results[name] = np.zeros((len(images), *answer.shape[1:]), dtype=np.float32)
                    results[name][batch] = answer
        return results

    def limits(self, folds: NDArray[np.int64]) -> NDArray[np.float64]:
        """The novelty limit of the model that answers for each fold given, ``float64 [N]``."""
        return np.array([self.models[int(fold)].facts.novelty_limit for fold in folds], dtype=np.float64)


def open_fold_models(run: str | os.PathLike[str], *, threads: int | None = None) -> FoldModels:
    """Open the bundles of a run's folds.

    Parameters
    ----------
    run
        Folder of a run made by ``tumorscope train --folds``.
    threads
        Threads each model may use, see :func:`~tumorscope.inference.classifier.load`.

    Raises
    ------
    MissingInput
        If the run has no out-of-fold answers, or a fold has no bundle.
    InvalidBundle
        If a bundle is not that of its fold, or of another run.
    TrainedOnError
        If a bundle's card says that it was made from an image of the fold it is to answer for.
    """
    folder = Path(run)
    table = read_predictions(folder)
    if table.folds is None or len(table.hashes) != len(table):
        raise MissingInput(f"{folder / PREDICTIONS_NAME} lacks folds or hashes; train with --folds")
    folds = dict(zip(table.hashes, (int(fold) for fold in table.folds), strict=True))
    models: dict[int, Classifier] = {}
    for number in sorted(set(folds.values())):
        path = folder / "folds" / str(number) / "bundle.onnx"
        if not path.is_file():
            raise MissingInput(
                f"fold {number} of the run {folder} has no bundle; make it, without training again, by: "
                "tumorscope train --folds --resume, with the options the run was trained with"
            )
        models[number] = load(path, threads=threads)
        _check(models[number], number, folds, path)
    configurations = {model.card.configuration_sha256 for model in models.values()}
    data = {model.card.data.manifest_sha256 for model in models.values()}
    if len(configurations) > 1 or len(data) > 1:
        raise InvalidBundle(f"the fold bundles of {folder} are of several runs; make them again")
    return FoldModels(models, folds)


def _check(model: Classifier, number: int, folds: Mapping[str, int], path: Path) -> None:
    """A model that has seen what it is asked about would give figures that are too good, and nobody would notice."""
    data = model.card.data
    if data.held_out_fold != number:
        raise InvalidBundle(f"{path} is not the bundle of a fold model that held fold {number} out")
    prefixes = set(data.image_sha256_prefixes)
    seen = [
        digest for digest, fold in folds.items() if fold == number and digest[: _digits(prefixes)] in prefixes
    ]
    # Eight digits of two images may agree by chance; that many of them never do.
    if len(seen) > _CHANCE:
        raise TrainedOnError(
            f"{path} was made from {len(seen)} images of the fold it should answer for; make the run again"
        )


_CHANCE = 2


def _digits(prefixes: set[str]) -> int:
    return len(next(iter(prefixes), ""))


def _listed(models: Mapping[int, Classifier]) -> str:
    return ", ".join(str(number) for number in sorted(models))
