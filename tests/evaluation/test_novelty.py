"""The limit turns away the share of honest slices that was asked for, and no more."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.evaluation.novelty import false_rejection_limit


def test_two_of_a_hundred_lie_above() -> None:
    novelty = np.random.default_rng(0).permutation(100).astype(np.float64)
    assert false_rejection_limit(novelty, np.ones(100)) == 97.0
    assert false_rejection_limit(novelty, np.ones(100), rate=0.0) == 99.0


def test_copies_share_their_weight() -> None:
    novelty = np.array([5.0, *range(4), *[9.0] * 10])
    weights = np.array([1.0] * 5 + [0.1] * 10)
    assert false_rejection_limit(novelty, weights, rate=0.2) == 5.0


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60), st.floats(0, 0.99))
def test_never_more_than_the_rate_and_no_smaller_limit_would_do(values: list[float], rate: float) -> None:
    novelty = np.array(values)
    limit = false_rejection_limit(novelty, np.ones(len(values)), rate)
    assert (novelty > limit).mean() <= rate + 1e-9
    smaller = novelty[novelty < limit]
    if len(smaller):
        assert (novelty > smaller.max()).mean() > rate - 1e-9


@pytest.mark.parametrize(
    ("novelty", "rate", "message"),
    [([], 0.02, "at least one slice"), ([np.nan], 0.02, "finite"), ([1.0], 1.0, "rate is 1")],
)
def test_what_gives_no_limit_is_named(novelty: list[float], rate: float, message: str) -> None:
    with pytest.raises(InvalidConfiguration, match=message):
        false_rejection_limit(np.array(novelty), np.ones(len(novelty)), rate)
