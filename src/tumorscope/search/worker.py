"""A worker: takes one trial after the other until every place of the study is settled.

Owns the loop, what becomes of a trial that fails, and the waiting for other workers, whose trials it takes over should
they end. Knows nothing of networks: it is given the function that runs a trial.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from tumorscope.core.errors import MissingDependency, TumorscopeError, WeightsUnavailable
from tumorscope.search.liveness import Watch, beating
from tumorscope.search.options import Sampler
from tumorscope.search.space import Space, Value
from tumorscope.search.study import (
    DROPPED,
    PLACE,
    REASON,
    make_sampler,
    places,
    queue_missing,
    suggest,
)

__all__ = ["RunTrial", "Worker"]

RunTrial = Callable[[Mapping[str, Value], Callable[[int, float], None], str], float]
"""Given the values, the function to report (step, value) to, and a name for its folder; returns the measure."""


class _Pruned(Exception):
    """Ends a trial that promises little; no error."""


@dataclass(frozen=True)
class Worker:
    """Works on a study.

    Parameters
    ----------
    study
        What is shared.
    space
        What varies.
    trials
        How many places the study has.
    sampler, seed
        How the next trial is chosen.
    grid
        The combination of each place; ``None`` where the sampler chooses.
    run
        Runs one trial.
    is_out_of_memory
        Says whether an error means that.
    announce
        Told of trials that fail and of waiting.
    after_trial
        Called after every trial and while waiting.
    watch
        Judge of other workers.
    pause
        Seconds between two looks at workers that are waited for.
    """

    study: optuna.Study
    space: Space
    trials: int
    sampler: Sampler
    seed: int
    grid: Sequence[Mapping[str, Value]] | None
    run: RunTrial
    is_out_of_memory: Callable[[BaseException], bool]
    announce: Callable[[str], None]
    after_trial: Callable[[], None]
    watch: Watch
    pause: float = 2.0

    def work(self) -> None:
        """Return when all places are settled, by this worker or others.

        Raises
        ------
        TumorscopeError
            If no trial could run at all: initial weights or a package are missing.
        KeyboardInterrupt
            After Ctrl-C; the trial at hand is left for the next worker.
        """
        waited = False
        while True:
            self._retire_dead()
            queue_missing(self.study, self.trials, self.grid)
            self.after_trial()
            now = places(self.study.get_trials(deepcopy=False), self.trials)
            if all(place.settled for place in now):
                return
            if any(place.trial is not None and place.trial.state is TrialState.WAITING for place in now):
                self._take_one()
                waited = False
                continue
            if not waited:
                running = sum(not place.settled for place in now)
                self.announce(f"waiting for {running} trials of other workers (Ctrl-C leaves them alone)")
                waited = True
            time.sleep(self.pause)

    def _retire_dead(self) -> None:
        """Free the places whose worker has ended."""
        running = [t for t in self.study.get_trials(deepcopy=False) if t.state is TrialState.RUNNING]
        for trial in self.watch.dead(running):
            self._end(trial.number, TrialState.FAIL)
            self.announce(
                f"the worker of trial {trial.user_attrs.get(PLACE, 0) + 1} has ended; it is tried again"
            )

    def _take_one(self) -> None:
        trial = self.study.ask()
        place = trial.user_attrs.get(PLACE)
        current = None
        if isinstance(place, int) and place < self.trials:
            current = places(self.study.get_trials(deepcopy=False), self.trials)[place].trial
        if not isinstance(place, int) or current is None or current.number != trial.number:
            # Another worker was faster, or two queued the place at once.
            trial.set_user_attr(DROPPED, True)
            self._end(trial.number, TrialState.FAIL)
            return
        self.study.sampler = make_sampler(self.sampler, self.seed, place)
        try:
            with beating(trial):
                self._run(trial, place)
        except UpdateFinishedTrialError:
            self.announce(f"trial {place + 1} was taken over by another worker; this one's is dropped")
        except BaseException:
            # Without a reason it counts as lost: the next worker tries it again.
            self._end(trial.number, TrialState.FAIL)
            raise

    def _run(self, trial: optuna.Trial, place: int) -> None:
        def report(step: int, value: float) -> None:
            trial.report(value, step)
            if trial.should_prune():
                raise _Pruned

        try:
            value = self.run(suggest(trial, self.space), report, f"{place + 1}-{trial.number}")
        except _Pruned:
            self._end(trial.number, TrialState.PRUNED)
        except UpdateFinishedTrialError:  # a RuntimeError
            raise
        except (WeightsUnavailable, MissingDependency):
            raise
        except (TumorscopeError, MemoryError, RuntimeError) as error:
            if not isinstance(error, TumorscopeError) and not self.is_out_of_memory(error):
                raise
            reason = str(error) if isinstance(error, TumorscopeError) else "out of memory"
            trial.set_user_attr(REASON, reason)
            self._end(trial.number, TrialState.FAIL)
            self.announce(f"trial {place + 1} failed: {reason}")
        else:
            self._end(trial.number, TrialState.COMPLETE, value)

    def _end(self, number: int, state: TrialState, value: float | None = None) -> None:
        """Settle a trial, unless it has been settled by another worker meanwhile."""
        try:
            self.study.tell(number, value, state, skip_if_finished=True)
        except UpdateFinishedTrialError:
            return
