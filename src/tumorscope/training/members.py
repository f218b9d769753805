"""Which runs are averaged into one.

Owns the runs and what they must have in common; which models take part in which fit is the rule of
:mod:`tumorscope.training.forebears`, the mean itself is :mod:`tumorscope.training.averaging`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.recipes.registry import find_recipe
from tumorscope.training.config import TrainingConfig
from tumorscope.training.distillation_config import Distillation
from tumorscope.training.folder import INITIAL_WEIGHTS
from tumorscope.training.forebears import Forebears, final_of, name_of, open_runs

__all__ = ["Members", "open_members"]

_RANDOM = "random"


@dataclass(frozen=True, slots=True)
class Members(Forebears):
    """Runs whose weights are averaged; made by :func:`open_members`."""

    role: ClassVar[str] = "member"

    @property
    def config(self) -> TrainingConfig:
        """Settings of the new run: those of the first member, without its teachers."""
        return self.runs[0].config.model_copy(update={"distillation": Distillation()})

    @property
    def origin(self) -> str:
        """The initial weights that all members began with."""
        return _origin(final_of(self.runs[0])[0])


def open_members(paths: Sequence[Path]) -> Members | None:
    """Open the folders of finished runs that can be averaged, ``None`` where none is named.

    Raises
    ------
    MissingInput
        If one is no run, or has no finished fit.
    InvalidConfiguration
        If there is only one, one is named twice, or they differ in architecture, size or initial weights.
    """
    if not paths:
        return None
    members = Members(open_runs(paths, Members.role))
    if len(members.runs) == 1:
        raise InvalidConfiguration(
            f"one run is named, {paths[0]}; --average takes two or more, each by its own --average"
        )
    first, *others = members.runs
    if first.config.zoom > 1:
        raise InvalidConfiguration(
            f"{name_of(first)} has a guide, so its network sees other close-ups than those of other runs; put such "
            "runs together by: tumorscope ensemble"
        )
    for run in others:
        for what, one, other in (
            ("architecture", *(find_recipe(each.config.recipe).architecture for each in (first, run))),
            ("initial weights", *(_origin(final_of(each)[0]) for each in (first, run))),
            ("image_size", first.config.image_size, run.config.image_size),
        ):
            if one != other:
                raise InvalidConfiguration(
                    f"{name_of(first)} and {name_of(run)} differ in {what} ({one}, {other}), so no network lies "
                    "between them; average runs that began with one network, or use: tumorscope ensemble"
                )
    if members.origin == _RANDOM:
        raise InvalidConfiguration(
            "the runs began with random weights, each with its own, so what lies between them has learnt nothing; "
            "average runs that began with pretrained weights, or use: tumorscope ensemble"
        )
    return members


def _origin(fit: Path) -> str:
    return (fit / INITIAL_WEIGHTS).read_text(encoding="utf-8").strip()
