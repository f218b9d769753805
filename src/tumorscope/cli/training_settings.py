"""What the options of ``tumorscope train`` come to: the settings of a run, and of a guide that is trained before it.

Owns the checks of what one option says beside another. Free of torch; which parts a command has is
:mod:`tumorscope.cli.training_order`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.recipes.registry import find_recipe
from tumorscope.recipes.weights import WEIGHTS_SOURCES

if TYPE_CHECKING:
    from tumorscope.training.config import TrainingConfig
    from tumorscope.training.config_file import ConfigFile
    from tumorscope.training.guides import Guide
    from tumorscope.training.members import Members
    from tumorscope.training.teachers import Teachers

__all__ = ["DEFAULT_RECIPE", "Chosen", "Pair", "Settings"]

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
class Pair:
    """Two networks that one command trains: the settings of the run, and the options of the guide that comes first."""

    config: TrainingConfig
    guide: Settings


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

    def pair(self) -> Pair | None:
        """What they come to where a guide has to be trained first; ``None`` for others, or where one is named.

        Raises
        ------
        InvalidConfiguration
            If a setting is wrong, or can only be meant for one of the two networks.
        """
        if not self.trains_guide:
            return None
        name = self._recipe()
        recipe = find_recipe(name)
        alone = (
            f"name a finished guide by --guide, such as RUN/{recipe.guide} of a run of this recipe, or one that "
            f"'tumorscope train --recipe {recipe.guide}' makes"
        )
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

        changes = self._said()
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
                f"image_size is {pair.image_size}, so that each network of the recipe {name} gets "
                f"{pair.network_size} pixels a side, which is no multiple of {_MULTIPLE}; give a multiple of "
                f"{pair.zoom * _MULTIPLE}"
            )
        of_both = [change for change in changes if change.partition("=")[0] not in _OF_THE_PAIR]
        return Pair(pair, Settings(recipe.guide, changes=[*of_both, f"image_size={pair.network_size}"]))

    @property
    def trains_guide(self) -> bool:
        """Whether a guide has to be trained first."""
        return bool(find_recipe(self._recipe()).guide) and self.guide is None and not self.average

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

    def _file(self) -> ConfigFile | None:
        from tumorscope.training.config_file import read_config_file

        return None if self.config_file is None else read_config_file(self.config_file, self.recipe)

    def _recipe(self) -> str:
        given = self._file()
        return (given.recipe if given else self.recipe) or DEFAULT_RECIPE

    def _said(self) -> list[str]:
        """Settings by ``--set`` and by the options that are short for one."""
        return [*self.changes, *([f"weights={self.weights}"] if self.weights else [])]

    def _trained(self) -> Chosen:
        from tumorscope.training.config import configure
        from tumorscope.training.distillation_config import WEIGHT_WITH_TEACHERS
        from tumorscope.training.guides import check_guide, open_guide

        guide = open_guide(self.guide)
        given = self._file()
        config = configure(
            self._recipe(),
            [
                *(guide.settings if guide else ()),
                *([f"distillation.weight={WEIGHT_WITH_TEACHERS}"] if self.teachers else []),
                *(given.settings if given else ()),
                *self._said(),
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
