"""What a study will do: which parts of which rows are trained, gone on with, or taken as they are.

Owns that decision, and the command by which each part is made alone. Writes nothing and imports no torch, so that a dry
run costs nothing.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.dataset.manifest import Manifest, OfficialSplit, Part
from tumorscope.evaluation.protocol import Protocol
from tumorscope.recipes.registry import find_single_recipe
from tumorscope.recipes.weights import weights_file
from tumorscope.study.begun import check_settings, is_finished
from tumorscope.study.request import StudyRequest, settings_for
from tumorscope.study.taken import Sources, take
from tumorscope.training.config import TrainingConfig, configure

__all__ = [
    "OFFICIAL_MANIFEST",
    "PlannedPart",
    "PlannedRow",
    "count_folds",
    "make_plan",
    "official_parts",
]

OFFICIAL_MANIFEST = "official.csv"
"""The data with the official split as parts, beside the comparison; the official runs are trained on it."""

PartName = Literal["official", "folds"]
_PARTS: tuple[PartName, ...] = get_args(PartName)
Action = Literal["train", "go on", "finished", "taken", "not run"]


@dataclass(frozen=True, slots=True)
class PlannedPart:
    """One run of a row.

    Parameters
    ----------
    name
        ``official`` (a final fit on the official Training part) or ``folds`` (a cross-fitted run).
    action
        What is to be done.
    path
        The run's folder, or the bundle that is taken; where it is to be, for what is trained.
    command
        The command that makes it alone; empty for what is taken.
    why_not
        Why it is not there, for ``not run``.
    """

    name: PartName
    action: Action
    path: Path
    command: str = ""
    why_not: str = ""

    @property
    def to_train(self) -> bool:
        """Whether anything is left to be trained or exported."""
        return self.action in {"train", "go on"}


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """One model of the comparison; ``config`` is ``None`` where nothing of it is trained."""

    name: str
    recipe: str
    parts: tuple[PlannedPart, ...]
    config: TrainingConfig | None = None
    folds: int | None = None

    def part(self, name: PartName) -> PlannedPart | None:
        """A part by its name."""
        return next((part for part in self.parts if part.name == name), None)


def make_plan(request: StudyRequest, manifest: Manifest) -> tuple[PlannedRow, ...]:
    """Decide what is to be done.

    Raises
    ------
    InvalidConfiguration
        If a setting is wrong, a run that was begun is in the way and going on was not asked for, or the data has no
        official split and a protocol needs one.
    MissingInput
        If something of ``--from`` or a weights file is not there.
    """
    needed = _needed(request.protocols)
    if "official" in needed:
        official_parts(manifest)
    taken = take(request.taken, manifest)
    _check_not_own(request, taken)
    folds = count_folds(manifest)
    rows = [_planned(request, recipe, needed, taken.get(recipe), folds) for recipe in request.recipes]
    further = [
        PlannedRow(name, sources.recipe, tuple(_of_taken(part, sources) for part in needed))
        for name, sources in taken.items()
        if name not in request.recipes
    ]
    return (*rows, *further)


def official_parts(manifest: Manifest) -> Manifest:
    """The same rows, the official Training part to be learnt from, the Testing part to be tested on.

    Whatever parts the manifest had are left aside: the official split is what was published.

    Raises
    ------
    InvalidConfiguration
        If there is no official split, or a class is missing in its Training part.
    """
    part_of = {OfficialSplit.TRAINING: Part.TRAIN, OfficialSplit.TESTING: Part.TEST, None: Part.EXCLUDED}
    rows = tuple(replace(row, part=part_of[row.official_split]) for row in manifest)
    parts = {row.part for row in rows}
    if not {Part.TRAIN, Part.TEST} <= parts:
        raise InvalidConfiguration(
            "the protocols official and leak-free need images of the official Training and Testing parts; give a data "
            "set that has them (folders, or the column official_split), or --protocols patient-wise"
        )
    absent = [
        key.value
        for key in CLASS_ORDER
        if not any(row.part is Part.TRAIN and row.label is key for row in rows)
    ]
    if absent:
        raise InvalidConfiguration(f"the official Training part has no image of {', '.join(absent)}")
    return Manifest(rows, manifest.root)


def count_folds(manifest: Manifest) -> int:
    """How many folds a cross-fitted run of this data has; four are made where it names none."""
    folds = {row.fold for row in manifest if row.part in {None, Part.TRAIN}}
    return 4 if None in folds else len(folds)


def _check_not_own(request: StudyRequest, taken: Mapping[str, Sources]) -> None:
    """One run must not be two rows."""
    own = {_folder(request, recipe, part).resolve(): recipe for recipe in request.recipes for part in _PARTS}
    for name, sources in taken.items():
        for path in (sources.official, sources.folds):
            recipe = None if path is None or name in request.recipes else own.get(path.resolve())
            if recipe is not None:
                raise InvalidConfiguration(
                    f"--from {name}={path} is this study's own run of {recipe}, which is compared anyway; leave one "
                    "of them out"
                )


def _needed(protocols: Sequence[Protocol]) -> tuple[PartName, ...]:
    found: list[PartName] = []
    if Protocol.OFFICIAL in protocols or Protocol.LEAK_FREE in protocols:
        found.append("official")
    if Protocol.PATIENT_WISE in protocols:
        found.append("folds")
    return tuple(found)


def _planned(
    request: StudyRequest, recipe: str, needed: Sequence[PartName], sources: Sources | None, folds: int
) -> PlannedRow:
    config = None
    wanted = min(request.limit(recipe) or folds, folds) if request.train else None
    if request.train:
        config = configure(recipe, settings_for(recipe, request.settings, request.recipes))
        weights_file(config.weights)
    parts = []
    for name in needed:
        given = _of_taken(name, sources) if sources is not None else None
        if given is not None and given.action == "taken":
            parts.append(given)
        else:
            reason = "" if given is None else given.why_not
            parts.append(_of_study(request, recipe, name, config, wanted=wanted, reason=reason))
    return PlannedRow(recipe, recipe, tuple(parts), config, request.limit(recipe))


def _of_taken(name: PartName, sources: Sources) -> PlannedPart:
    path = sources.official if name == "official" else sources.folds
    if path is None:
        return PlannedPart(name, "not run", Path(), why_not=sources.reason(name))
    return PlannedPart(name, "taken", path)


def _of_study(
    request: StudyRequest,
    recipe: str,
    name: PartName,
    config: TrainingConfig | None,
    *,
    wanted: int | None,
    reason: str,
) -> PlannedPart:
    path = _folder(request, recipe, name)
    if config is None:
        finished = is_finished(path, name, wanted)
        return PlannedPart(name, "finished" if finished else "not run", path, why_not=reason)
    command = _command(request, recipe, name, path)
    check_settings(path, config)
    if is_finished(path, name, wanted):
        return PlannedPart(name, "finished", path, command)
    find_single_recipe(recipe, "a study")
    if not path.exists():
        return PlannedPart(name, "train", path, command)
    if not request.resume:
        raise InvalidConfiguration(
            f"{path} holds a run that is not finished; go on with it by --resume, compare what is finished by "
            "--compare, or choose another --out"
        )
    return PlannedPart(name, "go on", path, command)


def _folder(request: StudyRequest, recipe: str, name: PartName) -> Path:
    return request.out / "runs" / recipe.replace(":", "-") / name


def _command(request: StudyRequest, recipe: str, name: PartName, path: Path) -> str:
    words = ["tumorscope", "train", "--recipe", recipe]
    if name == "official":
        # The published split leaks, and the run says so.
        words += ["--data", (request.out / OFFICIAL_MANIFEST).as_posix(), "--allow-leaks"]
    else:
        words += ["--data", request.data.as_posix(), "--folds"]
        words += ["--allow-leaks"] if request.allow_leaks else []
    words += ["--out", path.as_posix()]
    for setting in settings_for(recipe, request.settings, request.recipes):
        words += ["--set", setting]
    return shlex.join(words)
