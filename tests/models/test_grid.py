"""How evidence is divided over other grids."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumorscope.models.grid import shares, tents

CELLS = st.integers(1, 24)


@given(CELLS, st.integers(1, 48), st.floats(0.3, 4.0))
def test_nothing_is_lost_or_doubled_or_turned_round(cells: int, wanted: int, reach: float) -> None:
    for rule in (shares(cells, wanted), tents(cells, wanted, reach)):
        assert rule.shape == (wanted, cells)
        assert (rule >= -1e-12).all()
        np.testing.assert_allclose(rule.sum(axis=0), 1.0, atol=1e-9)
        np.testing.assert_allclose(rule, rule[::-1, ::-1], atol=1e-9)


@given(st.integers(3, 24), st.integers(1, 4), st.floats(0.5, 2.0))
def test_a_tent_stands_over_its_cell(cells: int, finer: int, reach: float) -> None:
    rule = tents(cells, finer * cells, reach)
    middles = (np.arange(finer * cells) + 0.5) / finer
    inner = [k for k in range(cells) if reach <= k + 0.5 <= cells - reach]
    for k in inner:
        assert middles @ rule[:, k] == pytest.approx(k + 0.5, abs=1e-9)
        assert (rule[np.abs(middles - k - 0.5) >= reach + 0.5 / finer, k] == 0).all()


def test_within_equal_cells_a_tent_map_is_level() -> None:
    fine = tents(6, 24) @ np.ones(6)
    np.testing.assert_allclose(fine[6:-6], 0.25)


def test_a_small_tumour_between_cells_is_where_their_evidence_meets() -> None:
    """Two neighbours of which neither holds it: squares leave two plateaus, tents have one peak between."""
    evidence = np.array([0.0, 0.0, 1.0, 1.0, 0.0, 0.0])
    blocks, fine = shares(6, 12) @ evidence, tents(6, 12) @ evidence
    assert (blocks > blocks.max() - 1e-9).sum() == 4
    assert np.flatnonzero(fine > fine.max() - 1e-9).tolist() == [5, 6]
