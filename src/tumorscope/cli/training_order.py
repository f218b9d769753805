"""What a ``tumorscope train`` asks for, found right or wrong before torch is imported and anything is written.

Owns the order of these checks and their messages about options. What is done with an order is
:mod:`tumorscope.cli.training_run`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tumorscope.core.errors import InvalidConfiguration

if TYPE_CHECKING:
    from tumorscope.training.config import TrainingConfig
    from tumorscope.training.guides import Guide
    from tumorscope.training.loggers import LoggerName
    from tumorscope.training.members import Members
    from tumorscope.training.split import TrainingData
    from tumorscope.training.teachers import Teachers

__all__ = ["DEFAULT_RECIPE", "Chosen", "Order", "Settings", "order_of", "required"]

DEFAULT_RECIPE = "efficientnet-lite0"


@dataclass(frozen=True, slots=True)
class Chosen:
    """The settings of a run, and the finished runs that it is made from."""

    config: TrainingConfig
    teachers: Teachers | None = None
    members: Members | None = None
    guide: Guide | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """The options that say what is trained, as they were given."""

    recipe: str | None
    config_file: Path | None
    changes: Sequence[str]
    weights: str | None
    teachers: Sequence[Path]
    average: Sequence[Path]
    guide: Path | None = None

    def chosen(self) -> Chosen:
        """What they come to.

        Raises
        ------
        InvalidConfiguration
            If a setting is wrong, or a run cannot teach or be averaged.
        """
        from tumorscope.training.members import open_members

        members = open_members(self.average)
        return self._trained() if members is None else Chosen(members.config, members=members)

    def refuse_beside_average(self, *others: object) -> None:
        """A mean has the settings of its members, and is made in one process."""
        given = (
            self.recipe,
            self.config_file,
            self.changes,
            self.weights,
            self.teachers,
            self.guide,
            *others,
        )
        if self.average and any(given):
            raise InvalidConfiguration(
                "--average takes its settings from the runs that it names; leave away --recipe, --config, --set, "
                "--weights, --teacher, --guide, --logger, --devices and --nodes"
            )

    def _trained(self) -> Chosen:
        from tumorscope.training.config import configure
        from tumorscope.training.config_file import read_config_file
        from tumorscope.training.distillation_config import WEIGHT_WITH_TEACHERS
        from tumorscope.training.guides import check_guide, open_guide

        guide = open_guide(self.guide)
        given = None if self.config_file is None else read_config_file(self.config_file, self.recipe)
        config = configure(
            (given.recipe if given else self.recipe) or DEFAULT_RECIPE,
            [
                *(guide.settings if guide else ()),
                *([f"distillation.weight={WEIGHT_WITH_TEACHERS}"] if self.teachers else []),
                *(given.settings if given else ()),
                *self.changes,
                *([f"weights={self.weights}"] if self.weights else []),
            ],
        )
        from tumorscope.training.teachers import (
            check_teaching,
            open_teachers,
        )  # needs what configure asked for

        teachers = open_teachers(self.teachers)
        check_teaching(config, teachers)
        check_guide(config, guide)
        return Chosen(config, teachers=teachers, guide=guide)


@dataclass(frozen=True, slots=True)
class Order:
    """A run that can be begun, or gone on with (``begun``)."""

    chosen: Chosen
    data: TrainingData
    out: Path
    loggers: tuple[LoggerName, ...]
    folds: bool
    allow_leaks: bool
    begun: bool


def order_of(
    chosen: Chosen,
    data: Path,
    out: Path,
    *,
    loggers: Sequence[LoggerName],
    folds: bool,
    resume: bool,
    allow_leaks: bool,
) -> Order:
    """Look at data, folder, weights, loggers and the runs that are built on.

    Raises
    ------
    InvalidConfiguration
        If the folder holds another run, or this one and going on was not asked for; if the split leaks; if a run that
        is built on has seen what is held out.
    MissingInput
        If a file is not there.
    InvalidManifest
        If the data cannot be learnt from.
    """
    from tumorscope.dataset.manifest_file import read_manifest
    from tumorscope.recipes.weights import weights_file
    from tumorscope.training.folder import check_configuration
    from tumorscope.training.loggers import check_loggers
    from tumorscope.training.split import training_data

    weights_file(chosen.config.weights)
    names = check_loggers(loggers)
    _check_part(out, out / ("folds" if folds else "final"), resume=resume)
    begun = check_configuration(out, chosen.config) is not None
    whole = read_manifest(data)
    learnt = training_data(whole, folds=folds, allow_leaks=allow_leaks)
    for forebears in (chosen.teachers, chosen.members, chosen.guide):
        if forebears is not None:
            forebears.check(whole, learnt.manifest, out, folds=folds, allow_leaks=allow_leaks)
    return Order(chosen, learnt, out, names, folds=folds, allow_leaks=allow_leaks, begun=begun)


def required(path: Path | None, option: str) -> Path:
    """What only showing something can do without."""
    if path is None:
        raise InvalidConfiguration(f"missing option {option!r}; see 'tumorscope train --help'")
    return path


def _check_part(out: Path, part: Path, *, resume: bool) -> None:
    """Neither overwrite what was trained before nor find out at the end that nothing can be written."""
    from tumorscope.core.files import check_writable

    check_writable(out / "config.yaml")
    if part.exists() and not resume:
        raise InvalidConfiguration(f"{part} exists; go on with it by --resume, or choose another --out")
