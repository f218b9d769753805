"""The study that all workers share: places to fill, and who may fill which.

A search of N trials has N places. Each is a queued trial of the study with its number of place, so that any worker of
any machine can take the next one. A trial that failed for a reason of its own fills its place; one whose worker ended
leaves it empty, and the place is queued anew with the same settings. Should two workers queue a place at once, the
earlier trial counts and the later is dropped. So nothing is lost and nothing is counted twice, on any storage.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.search.options import Metric, Pruner, Sampler
from tumorscope.search.space import Choices, Space, Value

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage

__all__ = [
    "ATTEMPTS",
    "DROPPED",
    "PLACE",
    "REASON",
    "Place",
    "grid_order",
    "make_pruner",
    "make_sampler",
    "open_study",
    "places",
    "queue_missing",
    "suggest",
]

ATTEMPTS = 3
"""How often a place is tried whose worker ends: a trial may be what ends it."""

PLACE, REASON, DROPPED = "place", "reason", "dropped"
_IDENTITY = "search"


@dataclass(frozen=True, slots=True)
class Place:
    """One of the N trials that were asked for.

    Parameters
    ----------
    number
        From 0.
    trial
        What fills it; ``None`` where it must be queued.
    lost
        Trials of this place whose worker ended, in order.
    """

    number: int
    trial: FrozenTrial | None
    lost: tuple[FrozenTrial, ...]

    @property
    def given_up(self) -> bool:
        """Whether so many workers ended at it that it is not tried again."""
        return self.trial is None and len(self.lost) >= ATTEMPTS

    @property
    def settled(self) -> bool:
        """Whether nothing is left to do here."""
        return self.given_up or (self.trial is not None and self.trial.state.is_finished())


def open_study(storage: BaseStorage, name: str, metric: Metric, identity: Mapping[str, Any]) -> optuna.Study:
    """Make the study or go on with it.

    Parameters
    ----------
    storage
        Where.
    name
        Its name in the storage.
    metric
        What is made better.
    identity
        All that decides what a trial means, as plain data.

    Raises
    ------
    InvalidConfiguration
        If the storage holds a study of that name with another identity; the message names what differs.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        study_name=name, storage=storage, direction=metric.direction, load_if_exists=True
    )
    known = study.user_attrs.get(_IDENTITY)
    if known is None and not study.get_trials(deepcopy=False):
        study.set_user_attr(_IDENTITY, dict(identity))
        return study
    if known != dict(identity):
        changed = [key for key in identity if not isinstance(known, dict) or known.get(key) != identity[key]]
        raise InvalidConfiguration(
            f"the storage holds a study {name!r} with another {', '.join(changed) or 'version'}; "
            "choose another --out, or another --name in the same storage"
        )
    return study


def places(trials: Sequence[FrozenTrial], count: int) -> tuple[Place, ...]:
    """Say what fills each of the first ``count`` places."""
    counted: list[list[FrozenTrial]] = [[] for _ in range(count)]
    for trial in sorted(trials, key=lambda trial: trial.number):
        number = trial.user_attrs.get(PLACE)
        if isinstance(number, int) and number < count and DROPPED not in trial.user_attrs:
            counted[number].append(trial)
    filled = []
    for number, candidates in enumerate(counted):
        lost = tuple(trial for trial in candidates if _is_lost(trial))
        kept = [trial for trial in candidates if not _is_lost(trial)]
        filled.append(Place(number, kept[0] if kept else None, lost))
    return tuple(filled)


def queue_missing(study: optuna.Study, count: int, grid: Sequence[Mapping[str, Value]] | None) -> None:
    """Queue every place that nothing fills: the first time, and again with the same settings if a worker ended.

    Parameters
    ----------
    study
        The study.
    count
        How many places there are.
    grid
        The combination of each place; ``None`` where the sampler chooses.
    """
    for place in places(study.get_trials(deepcopy=False), count):
        if place.trial is None and not place.given_up:
            known = dict(place.lost[-1].params) if place.lost else {}
            point = dict(grid[place.number]) if grid is not None else known
            study.enqueue_trial(point, user_attrs={PLACE: place.number})


def suggest(trial: optuna.Trial, space: Space) -> dict[str, Value]:
    """Ask for a value of every dimension."""
    values: dict[str, Value] = {}
    for dimension in space.dimensions:
        key = dimension.key
        if isinstance(dimension, Choices):
            values[key] = trial.suggest_categorical(key, dimension.values)
        elif dimension.whole:
            step = 1 if dimension.step is None else int(dimension.step)
            values[key] = trial.suggest_int(
                key, int(dimension.low), int(dimension.high), step=step, log=dimension.log
            )
        else:
            values[key] = trial.suggest_float(
                key, dimension.low, dimension.high, step=dimension.step, log=dimension.log
            )
    return values


def make_sampler(sampler: Sampler, seed: int, place: int) -> BaseSampler:
    """The sampler of one place: its numbers depend on seed and place, not on which worker asks."""
    digest = hashlib.sha256(f"{seed} {place}".encode()).digest()
    number = int.from_bytes(digest[:4], "little")
    if sampler is Sampler.TPE:
        # Trials that still run count as bad ones, so that workers do not all try the same.
        return optuna.samplers.TPESampler(seed=number, multivariate=False, constant_liar=True)
    return optuna.samplers.RandomSampler(seed=number)


def make_pruner(pruner: Pruner, steps: int) -> BasePruner:
    """The pruner for trials of at most ``steps`` reports."""
    if pruner is Pruner.MEDIAN:
        return optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=1)
    if pruner is Pruner.HYPERBAND:
        return optuna.pruners.HyperbandPruner(min_resource=1, max_resource=max(1, steps), reduction_factor=3)
    return optuna.pruners.NopPruner()


def grid_order(space: Space, seed: int) -> list[dict[str, Value]]:
    """The combinations in an order drawn by the seed, so that the first few are spread over the space."""
    points = space.grid()
    return [points[i] for i in np.random.default_rng(seed).permutation(len(points))]


def _is_lost(trial: FrozenTrial) -> bool:
    return trial.state is TrialState.FAIL and REASON not in trial.user_attrs
