"""One worker of a study whose trials only wait: started as a process of its own, and killed, by the tests.

Arguments: the storage, the number of trials, the sampler, the seconds of a trial, a folder for marks, and ``hang``
where the first trial is never to end.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import optuna

from tumorscope.search.liveness import Watch
from tumorscope.search.options import Metric, Sampler
from tumorscope.search.space import Choices, Range, Space, Value
from tumorscope.search.storage import locate, opened
from tumorscope.search.study import grid_order, open_study
from tumorscope.search.worker import Worker

SPACE = Space(
    (
        Range("rate", 0.001, 1.0, log=True, step=None, whole=False),
        Range("epochs", 1, 9, log=False, step=None, whole=True),
        Choices("flip", (0, 0.5, None)),
    )
)
GRID = Space((Range("epochs", 1, 3, log=False, step=None, whole=True), Choices("flip", (True, False))))


def open_test_study(storage: str, folder: Path) -> optuna.Study:
    return open_study(opened(locate(storage, folder)), "test", Metric.LOG_LOSS, {})


def make_worker(
    storage: str,
    trials: int,
    sampler: Sampler,
    folder: Path,
    run: Callable[[Mapping[str, Value], Callable[[int, float], None], str], float],
    *,
    announce: Callable[[str], None] = print,
    watch: Watch | None = None,
) -> Worker:
    space = GRID if sampler is Sampler.GRID else SPACE
    return Worker(
        study=open_test_study(storage, folder),
        space=space,
        trials=trials,
        sampler=sampler,
        seed=0,
        grid=grid_order(space, 0) if sampler is Sampler.GRID else None,
        run=run,
        is_out_of_memory=lambda error: isinstance(error, MemoryError),
        announce=announce,
        after_trial=lambda: None,
        watch=watch or Watch(),
        pause=0.05,
    )


def main() -> None:
    storage, trials, sampler, seconds, folder, *hang = sys.argv[1:]

    def run(values: Mapping[str, Value], report: Callable[[int, float], None], name: str) -> float:
        report(0, 1.0)
        (Path(folder) / f"{name}.mark").touch()
        time.sleep(3600 if hang else float(seconds))
        epochs = values["epochs"]
        assert isinstance(epochs, int)
        return float(epochs)

    make_worker(storage, int(trials), Sampler(sampler), Path(folder), run).work()


if __name__ == "__main__":
    main()
