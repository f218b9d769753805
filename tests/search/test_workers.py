"""Several workers on one study, as real processes: one is killed, nothing is lost and nothing is done twice."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState
from work_once import GRID, make_worker, open_test_study

from tumorscope.core.errors import InvalidManifest, WeightsUnavailable
from tumorscope.search.liveness import BEAT, WORKER, Watch, beating, identity, is_dead
from tumorscope.search.options import Pruner, Sampler
from tumorscope.search.space import Value
from tumorscope.search.study import ATTEMPTS, PLACE, REASON, make_pruner, places, queue_missing

SCRIPT = Path(__file__).parent / "work_once.py"
Report = Callable[[int, float], None]

storages = pytest.mark.parametrize("storage", ["study.journal", "sqlite:///study.db"])


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _start(
    storage: str, trials: int, sampler: str = "random", seconds: float = 0.1, *more: str
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), storage, str(trials), sampler, str(seconds), ".", *more],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def _until(condition: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.02)


def _trials(storage: str) -> list[FrozenTrial]:
    return open_test_study(storage, Path()).get_trials()


def _values(values: Mapping[str, Value], report: Report, name: str) -> float:
    epochs = values["epochs"]
    assert isinstance(epochs, int)
    return float(epochs)


@storages
def test_the_trial_of_a_killed_worker_is_tried_again_by_the_others(storage: str) -> None:
    victim = _start(storage, 6, "random", 0, "hang")
    _until(lambda: list(Path().glob("*.mark")))
    (mark,) = Path().glob("*.mark")
    others = [_start(storage, 6), _start(storage, 6)]
    # The others do the rest and wait for the victim, which lives.
    _until(lambda: sum(trial.state is TrialState.COMPLETE for trial in _trials(storage)) == 5)
    assert [other.poll() for other in others] == [None, None]
    victim.send_signal(signal.SIGKILL)
    victim.communicate()
    outputs = [other.communicate(timeout=60)[0] for other in others]
    assert [other.returncode for other in others] == [0, 0], outputs

    trials = _trials(storage)
    filled = places(trials, 6)
    finished = [place.trial for place in filled if place.trial is not None]
    assert [trial.state for trial in finished] == [TrialState.COMPLETE] * 6
    # Each place was done once; what two workers queued at once was dropped, or is left in the queue.
    assert sum(trial.state is TrialState.COMPLETE for trial in trials) == 6
    assert TrialState.RUNNING not in {trial.state for trial in trials}
    ((number, lost),) = [(place.number, place.lost) for place in filled if place.lost]
    assert mark.name == f"{number + 1}-{lost[0].number}.mark"
    assert lost[0].params == finished[number].params != {}
    assert f"the worker of trial {number + 1} has ended; it is tried again" in "".join(outputs)


@storages
def test_workers_that_start_at_once_share_a_grid(storage: str) -> None:
    workers = [_start(storage, 6, "grid", 0.05) for _ in range(3)]
    outputs = [worker.communicate(timeout=60)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0, 0], outputs
    done = [trial.params for trial in _trials(storage) if trial.state is TrialState.COMPLETE]
    key = lambda point: sorted(point.items())  # noqa: E731
    assert sorted(done, key=key) == sorted(GRID.grid(), key=key)


class TestOneWorker:
    def test_what_is_tried_depends_on_the_place_and_not_on_the_order(self) -> None:
        make_worker("a.journal", 4, Sampler.RANDOM, Path(), _values).work()
        make_worker("b.journal", 2, Sampler.RANDOM, Path(), _values).work()
        make_worker("b.journal", 4, Sampler.RANDOM, Path(), _values).work()  # more trials are asked for later
        first, second = ([trial.params for trial in _trials(name)] for name in ("a.journal", "b.journal"))
        assert first == second
        assert len({str(point) for point in first}) == 4

    def test_tpe_comes_near_the_optimum(self) -> None:
        def run(values: Mapping[str, Value], report: Report, name: str) -> float:
            rate, epochs = values["rate"], values["epochs"]
            assert isinstance(rate, float)
            assert isinstance(epochs, int)
            return abs(epochs - 7) + abs(rate - 0.9)

        make_worker("t.journal", 40, Sampler.TPE, Path(), run).work()
        points = [trial.params for trial in _trials("t.journal")]
        late = [abs(point["epochs"] - 7) for point in points[25:]]
        early = [abs(point["epochs"] - 7) for point in points[:10]]
        assert sum(late) / len(late) < sum(early) / len(early)

    def test_trials_that_fail_by_themselves_keep_their_place_and_the_search_goes_on(self) -> None:
        said: list[str] = []

        def run(values: Mapping[str, Value], report: Report, name: str) -> float:
            report(0, 1.0)
            if name.startswith("1-"):
                raise InvalidManifest("too few groups")
            if name.startswith("2-"):
                raise MemoryError
            return 0.5

        make_worker("f.journal", 3, Sampler.RANDOM, Path(), run, announce=said.append).work()
        trials = _trials("f.journal")
        assert [trial.state for trial in trials] == [TrialState.FAIL, TrialState.FAIL, TrialState.COMPLETE]
        assert [trial.user_attrs.get(REASON) for trial in trials] == ["too few groups", "out of memory", None]
        assert said == ["trial 1 failed: too few groups", "trial 2 failed: out of memory"]

    @pytest.mark.parametrize(
        "error", [KeyboardInterrupt(), OSError(28, "No space left"), WeightsUnavailable("none")]
    )
    def test_what_stops_the_worker_leaves_the_trial_for_the_next(self, error: BaseException) -> None:
        def run(values: Mapping[str, Value], report: Report, name: str) -> float:
            raise error

        with pytest.raises(type(error)):
            make_worker("i.journal", 2, Sampler.RANDOM, Path(), run).work()
        make_worker("i.journal", 2, Sampler.RANDOM, Path(), _values).work()
        filled = places(_trials("i.journal"), 2)
        assert [place.trial and place.trial.state for place in filled] == [TrialState.COMPLETE] * 2
        assert filled[0].trial is not None
        assert filled[0].trial.params == filled[0].lost[0].params

    @pytest.mark.parametrize("pruner", [Pruner.MEDIAN, Pruner.HYPERBAND])
    def test_trials_that_promise_little_are_ended_early(self, pruner: Pruner) -> None:
        def run(values: Mapping[str, Value], report: Report, name: str) -> float:
            place = int(name.partition("-")[0])
            for step in range(9):
                report(step, float(place))  # every trial is worse than all before it
            return float(place)

        worker = make_worker("p.journal", 20, Sampler.RANDOM, Path(), run)
        worker.study.pruner = make_pruner(pruner, steps=9)
        worker.work()
        trials = _trials("p.journal")
        pruned = [trial for trial in trials if trial.state is TrialState.PRUNED]
        assert {trial.state for trial in trials} == {TrialState.COMPLETE, TrialState.PRUNED}
        assert len(pruned) > 5
        assert all(len(trial.intermediate_values) < 9 for trial in pruned)
        assert trials[0].state is TrialState.COMPLETE

    def test_the_values_of_a_lost_trial_are_kept_whatever_the_sampler_would_say(self) -> None:
        def stop(values: Mapping[str, Value], report: Report, name: str) -> float:
            raise KeyboardInterrupt

        study, values = open_test_study("k.journal", Path()), {"rate": 0.125, "epochs": 8, "flip": None}
        study.enqueue_trial(values, user_attrs={PLACE: 0})
        with pytest.raises(KeyboardInterrupt):
            make_worker("k.journal", 1, Sampler.TPE, Path(), stop).work()
        make_worker("k.journal", 1, Sampler.TPE, Path(), _values).work()
        assert [trial.params for trial in _trials("k.journal")] == [values, values]

    def test_a_trial_that_ends_every_worker_is_given_up(self) -> None:
        def run(values: Mapping[str, Value], report: Report, name: str) -> float:
            if name.startswith("1-"):
                raise OSError("the machine is pulled down")
            return 1.0

        for _ in range(ATTEMPTS):
            with pytest.raises(OSError, match="pulled down"):
                make_worker("g.journal", 2, Sampler.RANDOM, Path(), run).work()
        make_worker("g.journal", 2, Sampler.RANDOM, Path(), run).work()
        first, second = places(_trials("g.journal"), 2)
        assert (first.given_up, first.settled, len(first.lost)) == (True, True, ATTEMPTS)
        assert second.trial is not None
        assert second.trial.state is TrialState.COMPLETE

    def test_of_a_place_that_is_queued_twice_the_earlier_counts(self) -> None:
        study = open_test_study("d.journal", Path())
        for _ in range(2):
            queue_missing(study, 2, None)
        study.enqueue_trial({}, user_attrs={PLACE: 0})  # as if another worker had looked at the same time
        make_worker("d.journal", 2, Sampler.RANDOM, Path(), _values).work()
        trials = _trials("d.journal")
        assert [trial.state for trial in trials[:2]] == [TrialState.COMPLETE] * 2
        assert len(trials) == 3
        assert trials[2].state in (TrialState.FAIL, TrialState.WAITING)
        assert places(trials, 2)[0].trial == trials[0]

    def test_an_answer_that_comes_after_the_trial_was_taken_over_is_dropped(self) -> None:
        said: list[str] = []

        def run(values: Mapping[str, Value], report: Report, name: str) -> float:
            report(0, 1.0)
            other = open_test_study("o.journal", Path())
            if name.endswith("-0"):  # another worker held this one for dead
                other.tell(0, state=TrialState.FAIL)
            report(1, 0.5)
            return 0.5

        make_worker("o.journal", 1, Sampler.RANDOM, Path(), run, announce=said.append).work()
        first, second = _trials("o.journal")
        assert (first.state, second.state) == (TrialState.FAIL, TrialState.COMPLETE)
        assert said == ["trial 1 was taken over by another worker; this one's is dropped"]


class TestLiveness:
    def test_a_process_of_this_machine(self) -> None:
        assert not is_dead(identity())
        child = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "from tumorscope.search.liveness import identity; print(identity(), flush=True); input()",
            ],
            text=True,
            stdout=subprocess.PIPE,
            stdin=subprocess.PIPE,
        )
        assert child.stdout is not None
        name = child.stdout.readline().strip()
        assert not is_dead(name)
        child.kill()
        _until(lambda: is_dead(name))  # before anybody has waited for it
        child.communicate()
        assert is_dead(name)
        machine, pid, _ = name.split(" ")
        # The number was given to another process since; another machine; something else.
        assert is_dead(f"{machine} {identity().split(' ')[1]} 1")
        assert not is_dead(f"elsewhere {pid} 1")
        assert not is_dead("")

    def test_a_worker_elsewhere_is_dead_after_the_time_of_grace_without_a_beat(self) -> None:
        study = optuna.create_study()
        trial = study.ask()
        trial.set_user_attr(WORKER, "elsewhere 1 1")
        watch = Watch(grace=0.3)
        assert watch.dead(study.get_trials()) == []
        for count in range(4):
            time.sleep(0.15)
            trial.set_user_attr(BEAT, count)
            assert watch.dead(study.get_trials()) == []
        time.sleep(0.35)
        assert [dead.number for dead in watch.dead(study.get_trials())] == [trial.number]

    def test_a_worker_beats_while_it_works(self) -> None:
        study = optuna.create_study()
        trial = study.ask()
        with beating(trial, interval=0.02):
            _until(lambda: study.get_trials()[0].user_attrs.get(BEAT, 0) >= 3)
        assert study.get_trials()[0].user_attrs[WORKER] == identity()
        last = study.get_trials()[0].user_attrs[BEAT]
        time.sleep(0.1)
        assert study.get_trials()[0].user_attrs[BEAT] == last
