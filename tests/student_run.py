"""A student of the tiny run, another network on the same folds, made by the real verb."""

from __future__ import annotations

from pathlib import Path

import pytest

from tiny_run import TINY, TinyRun
from tumorscope.cli.main import run

RECIPE = ("--recipe", "light-cnn", "--set", "distillation.heatmap=0.5")


@pytest.fixture(scope="session")
def student_run(tiny_run: TinyRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """First one model a fold, then the final fit, both taught by the tiny run. Look, but do not change it."""
    out = tmp_path_factory.mktemp("student") / "student"
    common = ["train", "--data", str(tiny_run.data), "--out", str(out), *TINY, *RECIPE]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUMORSCOPE_CACHE", str(tiny_run.cache))
        for more in (["--folds"], []):
            assert run([*common, *more, "--teacher", str(tiny_run.out)]) == 0
    return out
