"""Which networks may teach which fit.

Owns the runs that a student learns from and the rule that keeps its figures honest: the student that will be asked
about a fold learns from teachers that have not seen the fold either, or what they know of it would reach the student
through their soft labels. How a student learns is :mod:`tumorscope.training.distillation`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tumorscope.core.errors import InvalidConfiguration, MissingInput, TrainedOnError
from tumorscope.dataset.leaks import refuse_leaks
from tumorscope.dataset.manifest import Manifest
from tumorscope.evaluation.predictions import PREDICTIONS_NAME, PredictionTable, read_predictions
from tumorscope.evaluation.scoring import PREFIX
from tumorscope.training.config import TrainingConfig
from tumorscope.training.folder import SEEN, RunFolder, open_run
from tumorscope.training.teacher_record import sha256_of

if TYPE_CHECKING:
    from tumorscope.models.network import SliceNetwork
    from tumorscope.training.distillation import Teaching

__all__ = ["Teachers", "check_answers_of_folds", "check_teaching", "open_teachers"]

_WEIGHTS = "weights.safetensors"
_ENSEMBLE = "ensemble.json"


@dataclass(frozen=True, slots=True)
class Teachers:
    """Runs that teach together; made by :func:`open_teachers`.

    Parameters
    ----------
    runs
        At least one.
    """

    runs: tuple[RunFolder, ...]

    def check(
        self, whole: Manifest, learnt: Manifest, out: Path, *, folds: bool, allow_leaks: bool = False
    ) -> None:
        """Find what is wrong with them before anything is read or written; a fit checks its own teachers again.

        Parameters
        ----------
        whole, learnt
            The student's data, and the part that it learns from.
        out
            Folder of the student's run.
        folds
            Whether its folds are going to be trained, or its final fit.
        allow_leaks
            Whether the teachers' own folds may leak.

        Raises
        ------
        MissingInput, LeakySplit, TrainedOnError
            As :meth:`check_left_out`, :meth:`check_folds` and :func:`check_answers_of_folds` do.
        """
        kept = {row.sha256 for row in learnt}
        self.check_left_out([row.sha256 for row in whole if row.sha256 not in kept])
        numbers = {row.fold for row in learnt}
        if not folds:
            check_answers_of_folds(out)
        elif None not in numbers:  # else they are made once all images have been read
            self.check_folds(
                learnt, sorted(number for number in numbers if number is not None), allow_leaks=allow_leaks
            )

    def check_left_out(self, hashes: Collection[str]) -> None:
        """Make sure that no teacher was made from images that the student's data keeps for a test.

        Parameters
        ----------
        hashes
            SHA-256 of the images of the parts ``test`` and ``excluded``.

        Raises
        ------
        TrainedOnError
            If one was.
        """
        kept = {digest[:PREFIX] for digest in hashes}
        for run in self.runs:
            known: set[str] = set()
            for fit in _fits(run):
                known |= kept & _seen(fit)
            if known:
                raise TrainedOnError(
                    f"the teacher {_name(run)} was made from {len(known)} of the {len(kept)} images that the data "
                    "leaves out of training (part test or excluded); name a teacher that was trained on the same parts"
                )

    def check_folds(self, manifest: Manifest, numbers: Iterable[int], *, allow_leaks: bool = False) -> None:
        """Make sure that each teacher has a model for every fold that has not seen it.

        Parameters
        ----------
        manifest
            The student's data, with its folds.
        numbers
            The folds that are going to be trained.
        allow_leaks
            Whether the teachers' own folds may leak.

        Raises
        ------
        MissingInput
            If a teacher has no finished model of a fold.
        LeakySplit
            If a teacher's folds leak and may not.
        TrainedOnError
            If a teacher's model of a fold was made from an image, or an image of a group, that the fold holds out.
        """
        for run in self.runs:
            table = _out_of_fold(run)
            if not allow_leaks:
                refuse_leaks(table.leaks, f"folds of the teacher {_name(run)}", "--folds K")
            for number in numbers:
                _check_fold(run, table, manifest, int(number))

    def of_fold(self, number: int) -> Teaching:
        """Those that have not seen a fold, see :meth:`check_folds`."""
        return _teaching((run, [run.fold(number)]) for run in self.runs)

    def of_final(self) -> Teaching:
        """Those that teach the fit to deploy: of each run the final fit, or all of its fold models if it has none."""
        return _teaching((run, _final(run)) for run in self.runs)

    def record(self, *, folds: Iterable[int] | None) -> list[dict[str, Any]]:
        """Who they are, for ``data.json``: SHA-256 of the weights that teach.

        Parameters
        ----------
        folds
            Those that are trained; ``None`` for the final fit.
        """
        return [
            {
                "run": _name(run),
                "recipe": run.config.recipe,
                "configuration_sha256": run.config.sha256,
                "weights": {
                    fit.relative_to(run.path).as_posix(): sha256_of(fit / _WEIGHTS)
                    for fit in (_final(run) if folds is None else [run.fold(int(number)) for number in folds])
                },
            }
            for run in self.runs
        ]


def open_teachers(paths: Sequence[Path]) -> Teachers | None:
    """Open the folders of runs.

    Parameters
    ----------
    paths
        Folders of finished runs.

    Returns
    -------
    Teachers or None
        ``None`` where none is named.

    Raises
    ------
    MissingInput
        If one is no run, or has no finished fit.
    InvalidConfiguration
        If one is named twice, or is an ensemble.
    """
    if len({path.resolve() for path in paths}) < len(paths):
        raise InvalidConfiguration("a teacher is named twice; name each run once")
    runs = []
    for path in paths:
        if (path / _ENSEMBLE).is_file():
            raise InvalidConfiguration(
                f"the teacher {path} is an ensemble; name the runs that it was made of, each by --teacher"
            )
        run = open_run(path)
        if not _fits(run):
            raise MissingInput(f"the teacher {path} has no finished fit; train it first")
        runs.append(run)
    return Teachers(tuple(runs)) if runs else None


def check_teaching(config: TrainingConfig, teaching: object | None) -> None:
    """Make sure that there are teachers where the settings ask for them, and only there.

    Raises
    ------
    InvalidConfiguration
        If there are not.
    """
    settings = config.distillation
    if settings.active and not teaching:
        raise InvalidConfiguration(
            f"distillation.weight is {settings.weight:g} and distillation.heatmap {settings.heatmap:g}, but no teacher "
            "is named; name runs by 'tumorscope train --teacher RUN', or leave the settings out"
        )
    if teaching and not settings.active:
        raise InvalidConfiguration(
            "teachers are named, but distillation.weight and distillation.heatmap are 0; set one of them"
        )


def check_answers_of_folds(run: Path) -> None:
    """Make sure that a student's final fit can be calibrated.

    The images that it keeps back its teachers have mostly learnt from, so its own answers for them would be too good.

    Raises
    ------
    MissingInput
        If the run has no answers of several folds.
    """
    table = read_predictions(run) if (run / PREDICTIONS_NAME).is_file() else None
    if table is None or table.folds is None or len(set(table.folds.tolist())) < 2:
        raise MissingInput(
            f"{run} has no out-of-fold answers, and the teachers have seen the images that the final fit of a "
            "student would be calibrated by; train it with --folds first"
        )


def _check_fold(run: RunFolder, table: PredictionTable, manifest: Manifest, number: int) -> None:
    fit = run.fold(number)
    if not (fit / _WEIGHTS).is_file() or not (fit / SEEN).is_file():
        raise MissingInput(
            f"the teacher {_name(run)} has no finished model that held fold {number} out; train it by --folds on the "
            "folds of this data"
        )
    seen = _seen(fit)
    learnt = {row.sha256[:PREFIX] for row in manifest if row.fold != number}
    held_out = {row.sha256[:PREFIX] for row in manifest if row.fold == number}
    # What lies on both sides of the student's own folds (and was allowed to) it sees without a teacher.
    known = len(seen & (held_out - learnt))
    foreign = seen - held_out - learnt
    groups = {row.group for row in manifest if row.fold == number}
    unknown = set(foreign)
    for digest, group in zip(table.hashes, table.groups.tolist(), strict=True):
        if digest[:PREFIX] in foreign:
            unknown.discard(digest[:PREFIX])
            known += group in groups
    if known:
        raise TrainedOnError(
            f"the teacher {_name(run)} was trained on other folds than this data has: its model of fold {number} was "
            f"made from {known} images of the {len(held_out)} (or of their patients) that the fold holds out; train "
            "student and teachers on one manifest"
        )
    if unknown:
        raise TrainedOnError(
            f"the teacher {_name(run)} was made from {len(unknown)} images that are not in this data, so nobody can "
            f"say whether their patients are in fold {number}; train student and teachers on one manifest"
        )


def _out_of_fold(run: RunFolder) -> PredictionTable:
    if not run.predictions.is_file():
        raise MissingInput(
            f"the teacher {_name(run)} has no fold models, and a student with --folds learns from those that have not "
            "seen its fold; train the teacher by --folds first"
        )
    table = read_predictions(run.predictions)
    if table.folds is None or len(table.hashes) != len(table):
        raise MissingInput(f"{run.predictions} lacks folds or hashes; train the teacher by --folds")
    return table


def _final(run: RunFolder) -> list[Path]:
    if (run.final / _WEIGHTS).is_file():
        return [run.final]
    return [fit for fit in _fits(run) if fit != run.final]


def _fits(run: RunFolder) -> list[Path]:
    """Folders of the fits that have finished, in a fixed order."""
    folds = sorted((run.path / "folds").glob("*"), key=lambda path: (len(path.name), path.name))
    return [fit for fit in (*folds, run.final) if (fit / _WEIGHTS).is_file() and (fit / SEEN).is_file()]


def _teaching(fits: Iterable[tuple[RunFolder, Sequence[Path]]]) -> Teaching:
    from tumorscope.training.distillation import Teaching

    chosen = [(run, folder) for run, folders in fits for folder in folders]
    seen: frozenset[str] = frozenset().union(*(_seen(folder) for _, folder in chosen))
    return Teaching([partial(_network, run, folder) for run, folder in chosen], seen)


def _network(run: RunFolder, folder: Path) -> tuple[SliceNetwork, int]:
    from tumorscope.training.fit import load_fitted

    return load_fitted(run.config, folder), run.config.image_size


def _seen(fit: Path) -> frozenset[str]:
    return frozenset((fit / SEEN).read_text(encoding="ascii").split())


def _name(run: RunFolder) -> str:
    return run.path.resolve().name
