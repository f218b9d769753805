"""How the network of each fit of a run comes about: by training, under a guide, or as the mean of others' weights.

Owns these ways and what each checks and records before its first fit. What is learnt and what is held out is
:mod:`tumorscope.training.run`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.core.files import atomic_write
from tumorscope.dataset.manifest import Manifest
from tumorscope.dataset.scan import Progress
from tumorscope.models.close_up import CloseUpNetwork
from tumorscope.models.network import SliceNetwork
from tumorscope.training.averaging import batches_of_an_epoch, mean_weights, measure_norms
from tumorscope.training.batches import TrainingRows
from tumorscope.training.close_ups import close_ups
from tumorscope.training.counters import Purpose, stream_seed
from tumorscope.training.devices import is_first, wait_for_all
from tumorscope.training.fit import fit, load_fitted, network_of, write_weights
from tumorscope.training.folder import INITIAL_WEIGHTS, WEIGHTS, RunFolder
from tumorscope.training.forebear_record import record_forebears
from tumorscope.training.forebears import Forebears, check_answers_of_folds
from tumorscope.training.guides import Guide, write_guide
from tumorscope.training.members import Members
from tumorscope.training.teachers import Teachers

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger

__all__ = ["Averaging", "LookingCloser", "Maker", "Training"]

_MEMBERS = f"{Members.role}s"

FitLoggers = Callable[[Path], "Sequence[Logger]"]


class Maker(Protocol):
    """A way to the networks of a run. ``None`` in place of a fold's number means the final fit."""

    def begin(
        self,
        run: RunFolder,
        manifest: Manifest,
        folds: NDArray[np.int64] | None,
        *,
        allow_leaks: bool = False,
    ) -> None:
        """Check what the networks are made from, and write it into the folder of the run."""

    def describe(self, number: int | None, images: int) -> str:
        """What is going to be done with so many images, for a line."""

    def network(
        self, run: RunFolder, number: int | None, learn: TrainingRows, watch: TrainingRows
    ) -> SliceNetwork:
        """Make the network of a fit, or read it where it is finished; in evaluation mode, on the CPU."""

    def hearsay(self, number: int | None) -> frozenset[str]:
        """Images that a network knows of without having learnt from them, by the first digits of their SHA-256."""


@dataclass(frozen=True, slots=True)
class Training:
    """Every network learns.

    Parameters
    ----------
    progress
        Whether to draw progress bars.
    teachers
        Whom the networks learn from, where the configuration asks for it; each fold from those that have not seen it.
    loggers
        Gives Lightning's loggers for the folder of a fit.
    """

    progress: bool = True
    teachers: Teachers | None = None
    loggers: FitLoggers | None = None

    def begin(
        self,
        run: RunFolder,
        manifest: Manifest,
        folds: NDArray[np.int64] | None,
        *,
        allow_leaks: bool = False,
    ) -> None:
        """See :class:`Maker`."""
        if _MEMBERS in run.data():
            raise InvalidConfiguration(
                f"{run.path} holds the mean of other runs; go on with it by --average, or choose another --out"
            )
        if self.teachers is not None:
            _begin(self.teachers, run, manifest, folds, allow_leaks=allow_leaks)

    def describe(self, number: int | None, images: int) -> str:  # noqa: ARG002  # all fits learn alike
        """See :class:`Maker`."""
        return f"{images} images to learn from"

    def network(
        self, run: RunFolder, number: int | None, learn: TrainingRows, watch: TrainingRows
    ) -> SliceNetwork:
        """See :class:`Maker`."""
        return fit(
            run.config,
            learn,
            watch,
            run.fit(number),
            progress=self.progress,
            teaching=None if self.teachers is None else self.teachers.teaching(number),
            loggers=self.loggers,
        )

    def hearsay(self, number: int | None) -> frozenset[str]:
        """What the teachers have seen."""
        return frozenset() if self.teachers is None else self.teachers.seen(number)


@dataclass(frozen=True, slots=True)
class LookingCloser:
    """Every network learns from close-ups of where another one looks, and answers together with it.

    Parameters
    ----------
    training
        How the networks learn.
    guide
        The run that shows where to look; for each fold by the model that has not seen it.
    counting
        Gives a progress bar by its title.
    """

    training: Training
    guide: Guide
    counting: Callable[[str], AbstractContextManager[Progress]]

    def begin(
        self,
        run: RunFolder,
        manifest: Manifest,
        folds: NDArray[np.int64] | None,
        *,
        allow_leaks: bool = False,
    ) -> None:
        """See :class:`Maker`."""
        self.training.begin(run, manifest, folds, allow_leaks=allow_leaks)
        _begin(self.guide, run, manifest, folds, allow_leaks=allow_leaks)

    def describe(self, number: int | None, images: int) -> str:  # noqa: ARG002  # all fits learn alike
        """See :class:`Maker`."""
        return f"close-ups of {images} images to learn from"

    def network(
        self, run: RunFolder, number: int | None, learn: TrainingRows, watch: TrainingRows
    ) -> SliceNetwork:
        """See :class:`Maker`."""
        folder = run.fit(number)
        if not (folder / WEIGHTS).is_file():
            guide = self.guide.network(number)
            if is_first():
                write_guide(folder, guide, self.guide.run.config)
            config = run.config
            unread = CloseUpNetwork(
                guide, network_of(config), config.zoom, config.network_size, config.reader_share
            ).eval()
            draws = np.random.default_rng(stream_seed(config.seed, Purpose.CLOSE_UPS, number or 0))
            with self.counting("close-ups") as count:
                learn = close_ups(learn, unread, rng=draws, supervision=config.supervision, progress=count)
                watch = close_ups(watch, unread, progress=count)
            self.training.network(run, number, learn, watch)
        wait_for_all()
        return load_fitted(run.config, folder)

    def hearsay(self, number: int | None) -> frozenset[str]:
        """What the guide has seen."""
        return self.guide.seen(number)


@dataclass(frozen=True, slots=True)
class Averaging:
    """Every network is the mean of those of finished runs, see :mod:`tumorscope.training.averaging`."""

    members: Members

    def begin(
        self,
        run: RunFolder,
        manifest: Manifest,
        folds: NDArray[np.int64] | None,
        *,
        allow_leaks: bool = False,
    ) -> None:
        """See :class:`Maker`."""
        if _MEMBERS not in run.data() and any(run.path.rglob(WEIGHTS)):
            raise InvalidConfiguration(f"{run.path} holds a run that was trained; choose another --out")
        _begin(self.members, run, manifest, folds, allow_leaks=allow_leaks)

    def describe(self, number: int | None, images: int) -> str:
        """See :class:`Maker`."""
        fits = self.members.fits(number)
        models = (
            "fold models, since not all runs have a final fit"
            if len(fits) > len(self.members.runs)
            else "networks"
        )
        return f"the mean of {len(fits)} {models}; its norms are measured on {images} images"

    def network(
        self,
        run: RunFolder,
        number: int | None,
        learn: TrainingRows,
        watch: TrainingRows,  # noqa: ARG002  # there are no epochs to watch
    ) -> SliceNetwork:
        """See :class:`Maker`."""
        folder = run.fit(number)
        if is_first() and not (folder / WEIGHTS).is_file():
            network = network_of(run.config)
            network.load_state_dict(mean_weights([fit for _, fit in self.members.fits(number)]))
            measure_norms(network, batches_of_an_epoch(run.config, learn))
            folder.mkdir(parents=True, exist_ok=True)
            atomic_write(folder / INITIAL_WEIGHTS, self.members.origin + "\n")
            write_weights(network, folder / WEIGHTS)
        wait_for_all()
        return load_fitted(run.config, folder)

    def hearsay(self, number: int | None) -> frozenset[str]:
        """What the members have seen."""
        return self.members.seen(number)


def _begin(
    forebears: Forebears,
    run: RunFolder,
    manifest: Manifest,
    folds: NDArray[np.int64] | None,
    *,
    allow_leaks: bool,
) -> None:
    if folds is None:
        check_answers_of_folds(run.path, forebears.role)
    else:
        forebears.check_folds(manifest, folds, allow_leaks=allow_leaks)
    if is_first():
        begun = folds is None and run.final.exists()
        record_forebears(run, forebears.role, forebears.record(folds=folds), begun=begun)
