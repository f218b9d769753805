"""What a ``tumorscope train`` asks for, found right or wrong before torch is imported and anything is written.

Owns the order of these checks, their messages about options, and which parts a command has: folds, final fit, and
those of a guide before each. What is done with an order is :mod:`tumorscope.cli.training_run`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.recipes.registry import find_recipe
from tumorscope.recipes.weights import WEIGHTS_SOURCES

if TYPE_CHECKING:
    from tumorscope.training.config import TrainingConfig
    from tumorscope.training.guides import Guide
    from tumorscope.training.loggers import LoggerName
    from tumorscope.training.members import Members
    from tumorscope.training.split import TrainingData
    from tumorscope.training.teachers import Teachers

__all__ = ["DEFAULT_RECIPE", "Chosen", "Order", "Request", "Settings", "orders_of", "required"]

DEFAULT_RECIPE = "efficientnet-lite0"

_OF_THE_PAIR = ("image_size", "zoom", "reader_share")
_MULTIPLE = 32  # of what a network gets, in pixels a side


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

    recipe: str | None = None
    config_file: Path | None = None
    changes: Sequence[str] = ()
    weights: str | None = None
    teachers: Sequence[Path] = ()
    average: Sequence[Path] = ()
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

    def of_guide(self) -> Settings | None:
        """Those of the guide that has to be trained first; ``None`` where there is none, or a finished one is named.

        Raises
        ------
        InvalidConfiguration
            If a setting is wrong, or can only be meant for one of the two networks.
        """
        name = self._recipe()
        recipe = find_recipe(name)
        if not recipe.guide or self.guide is not None or self.average:
            return None
        alone = f"train its guide by 'tumorscope train --recipe {recipe.guide}' and name it by --guide"
        if self.config_file is not None:
            raise InvalidConfiguration(
                f"--config holds the settings of one network, and the recipe {name} trains two; {alone}"
            )
        if self.teachers:
            raise InvalidConfiguration(
                f"--teacher does not go with the recipe {name}: a teacher answers for whole slices, and it learns from "
                "close-ups"
            )
        from tumorscope.training.config import configure
        from tumorscope.training.guides import settings_under

        changes = [*self.changes, *([f"weights={self.weights}"] if self.weights else [])]
        pair = configure(name, [*settings_under(find_recipe(recipe.guide).image_size), *changes])
        if pair.weights not in WEIGHTS_SOURCES:
            raise InvalidConfiguration(
                f"the weights {pair.weights} are of one network, and the recipe {name} trains two; {alone}"
            )
        if pair.zoom == 1:
            raise InvalidConfiguration(
                f"zoom is 1, and the recipe {name} looks closer; leave the setting out"
            )
        if pair.image_size % (pair.zoom * _MULTIPLE):
            raise InvalidConfiguration(
                f"image_size is {pair.image_size}, of which each of the two networks of the recipe {name} gets 1 of "
                f"{pair.zoom} parts; give a multiple of {pair.zoom * _MULTIPLE}"
            )
        of_both = [change for change in changes if change.partition("=")[0] not in _OF_THE_PAIR]
        return Settings(recipe.guide, changes=[*of_both, f"image_size={pair.network_size}"])

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

    def _recipe(self) -> str:
        from tumorscope.training.config_file import read_config_file

        given = None if self.config_file is None else read_config_file(self.config_file, self.recipe)
        return (given.recipe if given else self.recipe) or DEFAULT_RECIPE

    def _trained(self) -> Chosen:
        from tumorscope.training.config import configure
        from tumorscope.training.config_file import read_config_file
        from tumorscope.training.distillation_config import WEIGHT_WITH_TEACHERS
        from tumorscope.training.guides import check_guide, open_guide

        guide = open_guide(self.guide)
        given = None if self.config_file is None else read_config_file(self.config_file, self.recipe)
        config = configure(
            self._recipe(),
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
    """A part of a run that can be begun, or gone on with (``begun``); that of a guide is not exported."""

    chosen: Chosen
    data: TrainingData
    out: Path
    loggers: tuple[LoggerName, ...]
    folds: bool
    allow_leaks: bool
    begun: bool
    is_guide: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """What a command asks for beside the settings."""

    data: Path
    out: Path
    loggers: Sequence[LoggerName]
    parts: Sequence[bool]
    """Of the run: ``True`` for the folds, ``False`` for the final fit."""

    resume: bool
    allow_leaks: bool


def orders_of(settings: Settings, request: Request) -> Iterator[Order]:
    """Look at data, folders, weights, loggers and the runs that are built on.

    Each part is looked at when the one before it has been carried out; what can be known of all is found at the first.

    Raises
    ------
    InvalidConfiguration
        If a folder holds another run, or this one and going on was not asked for; if the split leaks; if a run that
        is built on has seen what is held out.
    MissingInput
        If a file is not there.
    InvalidManifest
        If the data cannot be learnt from.
    """
    from tumorscope.training.folder import GUIDE_RUN

    of_guide = settings.of_guide()
    guide = request.out / GUIDE_RUN
    for out in (request.out, *((guide,) if of_guide else ())):
        for folds in request.parts:
            _check_part(out, out / ("folds" if folds else "final"), resume=request.resume)
    if of_guide is None:
        chosen = settings.chosen()
        for folds in request.parts:
            yield _order(chosen, request, folds=folds)
        return
    for folds in request.parts:
        yield replace(_order(of_guide.chosen(), replace(request, out=guide), folds=folds), is_guide=True)
        yield _order(replace(settings, guide=guide).chosen(), request, folds=folds)


def _order(chosen: Chosen, request: Request, *, folds: bool) -> Order:
    from tumorscope.dataset.manifest_file import read_manifest
    from tumorscope.recipes.weights import weights_file
    from tumorscope.training.folder import check_configuration
    from tumorscope.training.loggers import check_loggers
    from tumorscope.training.split import training_data

    weights_file(chosen.config.weights)
    names = check_loggers(request.loggers)
    begun = check_configuration(request.out, chosen.config) is not None
    whole = read_manifest(request.data)
    learnt = training_data(whole, folds=folds, allow_leaks=request.allow_leaks)
    for forebears in (chosen.teachers, chosen.members, chosen.guide):
        if forebears is not None:
            forebears.check(whole, learnt.manifest, request.out, folds=folds, allow_leaks=request.allow_leaks)
    return Order(
        chosen, learnt, request.out, names, folds=folds, allow_leaks=request.allow_leaks, begun=begun
    )


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
