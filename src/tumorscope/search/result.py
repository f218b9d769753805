"""What comes of a search, for programs and for the next training: ``search.json`` and ``best.yaml``.

Owns both files. Neither holds the password of a storage.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from optuna.trial import FrozenTrial, TrialState
from pydantic import BaseModel, ConfigDict

from tumorscope.core.files import atomic_write
from tumorscope.core.version import __version__
from tumorscope.search.options import Metric
from tumorscope.search.space import Value
from tumorscope.search.study import REASON, Place
from tumorscope.training.config import TrainingConfig

__all__ = [
    "BEST",
    "SEARCH",
    "SearchResult",
    "TrialRecord",
    "best_of",
    "record_places",
    "write_best",
    "write_result",
]

SEARCH = "search.json"
BEST = "best.yaml"


class TrialRecord(BaseModel):
    """One place of the study.

    ``attempts`` counts the trials whose worker ended too; ``epochs`` those reported, over all folds; ``value`` is, for
    a pruned trial, what it reported last.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    trial: int
    state: Literal["finished", "pruned", "failed", "running", "waiting"]
    value: float | None
    parameters: dict[str, Value]
    epochs: int
    seconds: float | None
    attempts: int
    reason: str | None


class SearchResult(BaseModel):
    """``search.json``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = 1
    tumorscope: str = __version__
    study: str
    storage: str
    metric: Metric
    direction: Literal["minimize", "maximize"]
    identity: dict[str, Any]
    data: dict[str, Any]
    trials: tuple[TrialRecord, ...]
    best: TrialRecord | None
    importances: dict[str, float] | None = None

    def count(self, state: str) -> int:
        """How many trials are in a state."""
        return sum(trial.state == state for trial in self.trials)


def record_places(filled: Sequence[Place]) -> tuple[TrialRecord, ...]:
    """Describe every place."""
    return tuple(_record(place) for place in filled)


def best_of(trials: Sequence[TrialRecord], metric: Metric) -> TrialRecord | None:
    """The finished trial with the best value, the earliest of equal ones."""
    finished = [trial for trial in trials if trial.state == "finished" and trial.value is not None]
    sign = 1 if metric.direction == "minimize" else -1
    return min(finished, key=lambda trial: sign * (trial.value or 0.0), default=None)


def write_result(result: SearchResult, folder: Path) -> None:
    """Write ``search.json``."""
    atomic_write(folder / SEARCH, result.model_dump_json(indent=2) + "\n")


def write_best(result: SearchResult, config: TrainingConfig, folder: Path) -> None:
    """Write the whole configuration of the best trial, as ``tumorscope train --config`` reads it."""
    best = result.best
    if best is None:
        return
    searched = ", ".join(best.parameters)
    lines = [
        f"# The best of {result.count('finished')} finished trials:"
        f" {result.metric} {best.value:.6g} in trial {best.trial}.",
        f"# Searched: {searched}.",
        "# Chosen on the images of the search; measure it on others. tumorscope train --config best.yaml ...",
    ]
    text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)
    atomic_write(folder / BEST, "\n".join(lines) + "\n" + text)


def _record(place: Place) -> TrialRecord:
    trial: FrozenTrial | None = place.trial
    if trial is None:
        reason = f"its worker ended {len(place.lost)} times" if place.given_up else None
        return TrialRecord(
            trial=place.number + 1,
            state="failed" if place.given_up else "waiting",
            value=None,
            parameters=dict(place.lost[-1].params) if place.lost else {},
            epochs=0,
            seconds=None,
            attempts=len(place.lost),
            reason=reason,
        )
    states: dict[TrialState, Literal["finished", "pruned", "failed", "running", "waiting"]] = {
        TrialState.COMPLETE: "finished",
        TrialState.PRUNED: "pruned",
        TrialState.FAIL: "failed",
        TrialState.RUNNING: "running",
        TrialState.WAITING: "waiting",
    }
    value = trial.values[0] if trial.values else None
    return TrialRecord(
        trial=place.number + 1,
        state=states[trial.state],
        value=value if value is not None and math.isfinite(value) else None,
        parameters=dict(trial.params),
        epochs=len(trial.intermediate_values),
        seconds=round(trial.duration.total_seconds(), 3) if trial.duration else None,
        attempts=len(place.lost) + (trial.state is not TrialState.WAITING),
        reason=trial.user_attrs.get(REASON),
    )
