"""Finished runs that a new run is made from, and the rule that keeps its figures honest.

Owns the runs that teach a student (:mod:`tumorscope.training.teachers`), whose weights are averaged
(:mod:`tumorscope.training.members`), or that show where to look closer (:mod:`tumorscope.training.guides`). The
model that will be asked about a fold is made from models that have not seen the fold either, or what they know of it
would reach the new one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from tumorscope.core.errors import InvalidConfiguration, MissingInput, TrainedOnError
from tumorscope.dataset.leaks import refuse_leaks
from tumorscope.dataset.manifest import Manifest
from tumorscope.evaluation.predictions import PREDICTIONS_NAME, PredictionTable, read_predictions
from tumorscope.evaluation.scoring import PREFIX
from tumorscope.training.folder import SEEN, WEIGHTS, RunFolder, open_run
from tumorscope.training.forebear_record import sha256_of

__all__ = ["Forebears", "check_answers_of_folds", "final_of", "name_of", "open_runs"]

_ENSEMBLE = "ensemble.json"


@dataclass(frozen=True, slots=True)
class Forebears:
    """Runs that one new run is made from.

    Parameters
    ----------
    runs
        At least one.
    """

    role: ClassVar[str] = "run"
    """What one is called in messages."""

    runs: tuple[RunFolder, ...]

    def check(
        self, whole: Manifest, learnt: Manifest, out: Path, *, folds: bool, allow_leaks: bool = False
    ) -> None:
        """Find what is wrong with them before anything is read or written; a fit checks its own again.

        Parameters
        ----------
        whole, learnt
            The new run's data, and the part that it learns from.
        out
            Folder of the new run.
        folds
            Whether its folds are going to be trained, or its final fit.
        allow_leaks
            Whether their own folds may leak.

        Raises
        ------
        MissingInput, LeakySplit, TrainedOnError
            As :meth:`check_left_out`, :meth:`check_folds` and :func:`check_answers_of_folds` do.
        """
        kept = {row.sha256 for row in learnt}
        self.check_left_out([row.sha256 for row in whole if row.sha256 not in kept])
        numbers = {row.fold for row in learnt}
        if not folds:
            check_answers_of_folds(out, self.role)
        elif None not in numbers:  # else they are made once all images have been read
            self.check_folds(
                learnt, sorted(number for number in numbers if number is not None), allow_leaks=allow_leaks
            )

    def check_left_out(self, hashes: Collection[str]) -> None:
        """Make sure that none was made from images that the data keeps for a test.

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
            for fit in fits_of(run):
                known |= kept & _seen(fit)
            if known:
                raise TrainedOnError(
                    f"the {self.role} {name_of(run)} was made from {len(known)} of the {len(kept)} images that the "
                    "data leaves out of training (part test or excluded); name one that was trained on the same parts"
                )

    def check_folds(self, manifest: Manifest, numbers: Iterable[int], *, allow_leaks: bool = False) -> None:
        """Make sure that each has a model for every fold that has not seen it.

        Parameters
        ----------
        manifest
            The new run's data, with its folds.
        numbers
            The folds that are going to be trained.
        allow_leaks
            Whether their own folds may leak.

        Raises
        ------
        MissingInput
            If one has no finished model of a fold.
        LeakySplit
            If the folds of one leak and may not.
        TrainedOnError
            If a model of a fold was made from an image, or an image of a group, that the fold holds out.
        """
        for run in self.runs:
            table = _out_of_fold(run, self.role)
            if not allow_leaks:
                refuse_leaks(table.leaks, f"folds of the {self.role} {name_of(run)}", "--folds K")
            for number in numbers:
                _check_fold(run, self.role, table, manifest, int(number))

    def fits(self, number: int | None) -> list[tuple[RunFolder, Path]]:
        """The models that take part in the fit that holds a fold out, or in the final one for ``None``.

        Of a run without a final fit all fold models take part in the final one.
        """
        if number is not None:
            return [(run, run.fold(number)) for run in self.runs]
        return [(run, fit) for run in self.runs for fit in final_of(run)]

    def seen(self, number: int | None) -> frozenset[str]:
        """What those were made from: first hex digits of the SHA-256 of every image."""
        return frozenset().union(*(_seen(folder) for _, folder in self.fits(number)))

    def record(self, *, folds: Iterable[int] | None) -> list[dict[str, Any]]:
        """Who they are, for ``data.json``: SHA-256 of the weights that take part.

        Parameters
        ----------
        folds
            Those that are trained; ``None`` for the final fit.
        """
        return [
            {
                "run": name_of(run),
                "recipe": run.config.recipe,
                "configuration_sha256": run.config.sha256,
                "weights": {
                    fit.relative_to(run.path).as_posix(): sha256_of(fit / WEIGHTS)
                    for fit in (
                        final_of(run) if folds is None else [run.fold(int(number)) for number in folds]
                    )
                },
            }
            for run in self.runs
        ]


def open_runs(paths: Sequence[Path], role: str) -> tuple[RunFolder, ...]:
    """Open the folders of runs.

    Parameters
    ----------
    paths
        Folders of finished runs.
    role
        What one is called in messages.

    Raises
    ------
    MissingInput
        If one is no run, or has no finished fit.
    InvalidConfiguration
        If one is named twice, or is an ensemble.
    """
    if len({path.resolve() for path in paths}) < len(paths):
        raise InvalidConfiguration(f"a {role} is named twice; name each run once")
    runs = []
    for path in paths:
        if (path / _ENSEMBLE).is_file():
            raise InvalidConfiguration(f"the {role} {path} is an ensemble; name the runs that it was made of")
        run = open_run(path)
        if not fits_of(run):
            raise MissingInput(f"the {role} {path} has no finished fit; train it first")
        runs.append(run)
    return tuple(runs)


def check_answers_of_folds(run: Path, role: str) -> None:
    """Make sure that the final fit of a run can be calibrated.

    The images that it keeps back those that it is made from have mostly learnt from, so its own answers for them would
    be too good.

    Parameters
    ----------
    run
        Folder of the run.
    role
        What those that it is made from are called.

    Raises
    ------
    MissingInput
        If the run has no answers of several folds.
    """
    table = read_predictions(run) if (run / PREDICTIONS_NAME).is_file() else None
    if table is None or table.folds is None or len(set(table.folds.tolist())) < 2:
        raise MissingInput(
            f"{run} has no out-of-fold answers, and each {role} has seen images that the final fit would be calibrated "
            "by; make its folds with --folds first (--folds --final makes both)"
        )


def _check_fold(run: RunFolder, role: str, table: PredictionTable, manifest: Manifest, number: int) -> None:
    fit = run.fold(number)
    if not (fit / WEIGHTS).is_file() or not (fit / SEEN).is_file():
        raise MissingInput(
            f"the {role} {name_of(run)} has no finished model that held fold {number} out; train it by --folds on the "
            "folds of this data"
        )
    seen = _seen(fit)
    learnt = {row.sha256[:PREFIX] for row in manifest if row.fold != number}
    held_out = {row.sha256[:PREFIX] for row in manifest if row.fold == number}
    # What lies on both sides of the new run's own folds (and was allowed to) it sees without their help.
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
            f"the {role} {name_of(run)} was trained on other folds than this data has: its model of fold {number} was "
            f"made from {known} images of the {len(held_out)} (or of their patients) that the fold holds out; train "
            "all runs on one manifest"
        )
    if unknown:
        raise TrainedOnError(
            f"the {role} {name_of(run)} was made from {len(unknown)} images that are not in this data, so nobody can "
            f"say whether their patients are in fold {number}; train all runs on one manifest"
        )


def _out_of_fold(run: RunFolder, role: str) -> PredictionTable:
    if not run.predictions.is_file():
        raise MissingInput(
            f"the {role} {name_of(run)} has no fold models, and with --folds only those count that have not seen the "
            "fold; train it by --folds first"
        )
    table = read_predictions(run.predictions)
    if table.folds is None or len(table.hashes) != len(table):
        raise MissingInput(f"{run.predictions} lacks folds or hashes; train the {role} by --folds")
    return table


def final_of(run: RunFolder) -> list[Path]:
    """Folder of the final fit, or those of all fold models where there is none."""
    if (run.final / WEIGHTS).is_file():
        return [run.final]
    return [fit for fit in fits_of(run) if fit != run.final]


def fits_of(run: RunFolder) -> list[Path]:
    """Folders of the fits that have finished, in a fixed order."""
    folds = sorted((run.path / "folds").glob("*"), key=lambda path: (len(path.name), path.name))
    return [fit for fit in (*folds, run.final) if (fit / WEIGHTS).is_file() and (fit / SEEN).is_file()]


def _seen(fit: Path) -> frozenset[str]:
    """First hex digits of the SHA-256 of all images that a fit was made from."""
    return frozenset((fit / SEEN).read_text(encoding="ascii").split())


def name_of(run: RunFolder) -> str:
    """What a run is called: the name of its folder, without the place where it lies."""
    return run.path.resolve().name
