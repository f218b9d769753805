"""A whole search: from a request to ``search.json``, ``best.yaml`` and the plots.

Owns what belongs together: data, space, study, worker and files. Imports torch: whatever can be wrong in a
request is found before this module is imported.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from optuna.exceptions import ExperimentalWarning

from tumorscope.core.errors import InvalidManifest
from tumorscope.core.files import check_writable
from tumorscope.dataset.manifest import Manifest
from tumorscope.search.liveness import Watch
from tumorscope.search.options import Metric, Pruner, Sampler
from tumorscope.search.plots import draw, importances
from tumorscope.search.result import SEARCH, SearchResult, best_of, record_places, write_best, write_result
from tumorscope.search.space import Space, Value, as_setting
from tumorscope.search.storage import Location, opened, storage_errors
from tumorscope.search.study import grid_order, make_pruner, open_study, places
from tumorscope.search.trial import run_trial
from tumorscope.search.validation import InnerFold, SearchData, Validation, split_inside
from tumorscope.search.worker import Worker
from tumorscope.training.boxes import open_boxes
from tumorscope.training.config import TrainingConfig, configure
from tumorscope.training.failures import is_out_of_memory
from tumorscope.training.run import load_images

if TYPE_CHECKING:
    import optuna

__all__ = ["Prepared", "SearchRequest", "prepare"]

Announce = Callable[[str], None]
Count = Callable[[int, int], None]

TRIALS = "trials"
"""Sub-folder of the search where trials keep what they need while they run, and their ``metrics.csv`` after."""


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What a user asked for; the words are those of ``tumorscope search``."""

    recipe: str
    settings: tuple[str, ...]
    space: Space
    metric: Metric
    sampler: Sampler
    pruner: Pruner
    trials: int
    validation: Validation
    seed: int
    name: str
    out: Path
    skip_unreadable: bool = False

    def configuration(self, values: Mapping[str, Value]) -> TrainingConfig:
        """The configuration of a trial with these values."""
        return configure(self.recipe, [*self.settings, *(as_setting(key, values[key]) for key in values)])


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A search whose data was read and divided: nothing of it can be wrong any more."""

    request: SearchRequest
    manifest: Manifest
    left_out: dict[str, int]
    folds: tuple[InnerFold, ...]
    images: dict[int, NDArray[np.uint8]]

    def run(
        self, location: Location, *, progress: Count, announce: Announce, watch: Watch | None = None
    ) -> SearchResult:
        """Work on the study until all its trials are settled, then write and draw what came of it.

        Parameters
        ----------
        location
            Where the study is kept.
        progress
            Called with (settled trials, all trials).
        announce
            Told of trials that fail, and of waiting.
        watch
            Judge of whether other workers live.

        Raises
        ------
        InvalidConfiguration
            If the storage cannot be used, or holds another search of this name.
        """
        request = self.request
        request.out.mkdir(parents=True, exist_ok=True)
        with storage_errors(location), warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            study = open_study(opened(location), request.name, request.metric, self._identity())
            steps = self._steps_a_fold() * len(self.folds)
            study.pruner = make_pruner(request.pruner, steps)

            written: SearchResult | None = None

            def after_trial() -> None:
                nonlocal written
                result = self._result(study, location)
                if result != written:
                    self._write(result)
                written = result
                settled = len(result.trials) - result.count("running") - result.count("waiting")
                progress(settled, len(result.trials))

            Worker(
                study=study,
                space=request.space,
                trials=request.trials,
                sampler=request.sampler,
                seed=request.seed,
                grid=grid_order(request.space, request.seed) if request.sampler is Sampler.GRID else None,
                run=self._run_trial,
                is_out_of_memory=is_out_of_memory,
                announce=announce,
                after_trial=after_trial,
                watch=watch or Watch(),
            ).work()
            result = self._result(study, location).model_copy(update={"importances": importances(study)})
            self._write(result)
            draw(study, request.metric, request.out)
        return result

    def _run_trial(
        self, values: Mapping[str, Value], report: Callable[[int, float], None], name: str
    ) -> float:
        request = self.request
        config = request.configuration(values)
        folder = request.out / TRIALS / name
        shutil.rmtree(folder, ignore_errors=True)
        try:
            return run_trial(
                config,
                self.manifest,
                self._images(config.image_size),
                self.folds,
                metric=request.metric,
                folder=folder,
                boxes=open_boxes(self.manifest) if config.supervision.active else None,
                steps_a_fold=self._steps_a_fold(),
                report=report,
            )
        finally:
            # A hundred trials would leave a hundred networks and checkpoints behind.
            for path in [*folder.rglob("*.safetensors"), *folder.rglob("*.ckpt")]:
                path.unlink(missing_ok=True)

    def _images(self, size: int) -> NDArray[np.uint8]:
        if size not in self.images:
            # Skips nothing: an image that was read at another size and is gone since is an error.
            _, self.images[size] = load_images(self.manifest, size)
        return self.images[size]

    def _steps_a_fold(self) -> int:
        fixed = configure(self.request.recipe, self.request.settings).epochs
        return self.request.space.highest("epochs", fixed)

    def _identity(self) -> dict[str, Any]:
        """All that decides what a trial means; a study with another one is another study."""
        request, validation = self.request, self.request.validation
        kind = {"hold_out": validation.hold_out} if validation.folds is None else {"folds": validation.folds}
        return {
            "recipe": request.recipe,
            "settings": configure(request.recipe, request.settings).model_dump(mode="json"),
            "space": request.space.record(),
            "metric": request.metric.value,
            "data": self.manifest.digest,
            "validation": kind | {"trained": list(validation.trained)},
            "sampler": request.sampler.value,
            "pruner": request.pruner.value,
            "seed": request.seed,
        }

    def _result(self, study: optuna.Study, location: Location) -> SearchResult:
        request, rows = self.request, self.manifest
        trials = record_places(places(study.get_trials(deepcopy=False), request.trials))
        data = {
            "images": len(rows),
            "slices": len({row.slice_id for row in rows}),
            "groups": len({row.group for row in rows}),
            "patients": len({row.group for row in rows if row.has_real_patient}),
            "left_out": self.left_out,
        }
        return SearchResult(
            study=request.name,
            storage=location.shown,
            metric=request.metric,
            direction=request.metric.direction,
            identity=self._identity(),
            data=data,
            trials=trials,
            best=best_of(trials, request.metric),
        )

    def _write(self, result: SearchResult) -> None:
        write_result(result, self.request.out)
        if result.best is not None:
            write_best(result, self.request.configuration(result.best.parameters), self.request.out)


def prepare(request: SearchRequest, data: SearchData, *, progress: Count, announce: Announce) -> Prepared:
    """Read the images and divide them.

    Parameters
    ----------
    request
        What was asked for.
    data
        What the search may see.
    progress
        Called with (done, total) while images are read.
    announce
        Told of images that are left out.

    Raises
    ------
    InvalidManifest
        If images cannot be read, or a class has too few groups for the validation.
    """
    check_writable(request.out / SEARCH)
    size = _sizes(request)[0]
    manifest, images = load_images(
        data.manifest, size, skip_unreadable=request.skip_unreadable, progress=progress, announce=announce
    )
    if not len(manifest):
        raise InvalidManifest("none of the images can be read")
    return Prepared(
        request, manifest, data.left_out, split_inside(manifest, request.validation), {size: images}
    )


def _sizes(request: SearchRequest) -> Sequence[int]:
    for dimension in request.space.dimensions:
        if dimension.key == "image_size" and dimension.values:
            return sorted(value for value in dimension.values if isinstance(value, int))
    return [configure(request.recipe, request.settings).image_size]
