"""The rate at every step of a run."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from tumorscope.training.config import configure
from tumorscope.training.schedule import rate_factor

STEPS = 200
WARM = 20  # a tenth


def _rates(schedule: str, *more: str) -> list[float]:
    factor = rate_factor(configure("efficientnet-lite0", [f"schedule={schedule}", *more]), STEPS)
    return [factor(step) for step in range(STEPS)]


@pytest.mark.parametrize("schedule", ["cosine", "constant", "step"])
def test_the_rate_rises_linearly_first(schedule: str) -> None:
    rates = _rates(schedule)
    assert rates[:WARM] == pytest.approx([(step + 1) / WARM for step in range(WARM)])
    assert max(rates) == 1


def test_a_cosine_falls_to_zero() -> None:
    """The formula of the first recorded runs, to the last digit: a resumed run must not see another rate."""
    rates = _rates("cosine")
    assert rates[WARM:] == [
        0.5 * (1 + math.cos(math.pi * min(1.0, (step - WARM) / (STEPS - WARM))))
        for step in range(WARM, STEPS)
    ]
    assert rates[-1] < 1e-3


def test_constant_stays_and_step_falls_twice_to_a_tenth() -> None:
    assert set(_rates("constant")[WARM:]) == {1.0}
    rates = _rates("step")
    assert rates[WARM:100] == [1.0] * 80
    assert rates[100:150] == pytest.approx([0.1] * 50)
    assert rates[150:] == pytest.approx([0.01] * 50)


def test_one_cycle_rises_once_and_falls_to_nearly_nothing() -> None:
    rates = _rates("one-cycle", "warmup=0.3")
    assert rates[0] == pytest.approx(1 / 25)
    assert rates.index(max(rates)) == 60
    assert max(rates) == 1
    assert all(before < after for before, after in pairwise(rates[:61]))
    assert all(before > after for before, after in pairwise(rates[60:]))
    assert 0 < rates[-1] < 1e-3


@pytest.mark.parametrize("schedule", ["cosine", "constant", "step", "one-cycle"])
def test_a_run_of_one_step_and_a_step_too_many_have_a_rate(schedule: str) -> None:
    factor = rate_factor(configure("efficientnet-lite0", [f"schedule={schedule}", "warmup=0"]), 1)
    assert all(0 <= factor(step) <= 1 for step in (0, 1, 5))
