"""Which parts a ``tumorscope train`` has, found right or wrong before torch is imported and anything is written.

Owns the order of these checks, and the order of the parts: folds, final fit, and those of a guide before each. What the
options come to is :mod:`tumorscope.cli.training_settings`, what is done with an order
:mod:`tumorscope.cli.training_run`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.recipes.registry import find_recipe

if TYPE_CHECKING:
    from tumorscope.cli.training_settings import Chosen, Pair, Settings
    from tumorscope.training.loggers import LoggerName
    from tumorscope.training.split import TrainingData

__all__ = ["Order", "Request", "orders_of", "required"]


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
    pair = settings.pair()
    for folds in request.parts:
        _check_part(request.out, folds=folds, resume=request.resume)
    if pair is not None:
        yield from _of_pair(settings, pair, request)
        return
    chosen = settings.chosen()
    if chosen.guide is not None and False in request.parts:
        chosen.guide.check_final()
    for folds in request.parts:
        yield _order(chosen, request, folds=folds)


def _of_pair(settings: Settings, pair: Pair, request: Request) -> Iterator[Order]:
    from tumorscope.training.folder import check_configuration
    from tumorscope.training.forebears import check_answers_of_folds
    from tumorscope.training.guides import Guide

    guide = request.out / find_recipe(pair.config.recipe).guide
    check_configuration(request.out, pair.config)
    if True not in request.parts:
        check_answers_of_folds(request.out, Guide.role)
    for folds in request.parts:
        _check_part(guide, folds=folds, resume=request.resume)
    for folds in request.parts:
        of_guide = _order(pair.guide.chosen(), replace(request, out=guide), folds=folds)
        yield replace(of_guide, is_guide=True)
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


def _check_part(out: Path, *, folds: bool, resume: bool) -> None:
    """Neither overwrite what was trained before nor find out at the end that nothing can be written."""
    from tumorscope.core.files import check_writable

    check_writable(out / "config.yaml")
    part = out / ("folds" if folds else "final")
    if part.exists() and not resume:
        raise InvalidConfiguration(f"{part} exists; go on with it by --resume, or choose another --out")
