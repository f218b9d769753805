"""How far an image is from what training images look like."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tumorscope.training.novelty import DIMENSIONS, fit_novelty_space, load_space, save_space


def _flat(count: int, features: int, rank: int, seed: int = 0) -> NDArray[np.float32]:
    """Points on a plane of the given rank, thickened a little."""
    rng = np.random.default_rng(seed)
    plane = np.random.default_rng(99).normal(size=(rank, features))
    return (rng.normal(size=(count, rank)) @ plane + 0.01 * rng.normal(size=(count, features)) + 5).astype(
        np.float32
    )


@pytest.mark.parametrize(("features", "rank"), [(20, 5), (60, 12)])
def test_it_is_the_residual_of_a_principal_component_fit(features: int, rank: int) -> None:
    data, points = _flat(500, features, rank), _flat(40, features, features, seed=1)
    space = fit_novelty_space(data)
    standard = (data.astype(np.float64) - data.mean(axis=0)) / data.std(axis=0)
    _, _, right = np.linalg.svd(standard, full_matrices=False)
    kept = space.basis.shape[1]
    assert kept == features // 2
    other = (points.astype(np.float64) - data.mean(axis=0)) / data.std(axis=0)

    def left(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        length: NDArray[np.float64] = np.linalg.norm(rows - rows @ right[:kept].T @ right[:kept], axis=1)
        return length

    np.testing.assert_allclose(space.distance(points), left(other) / np.median(left(standard)), rtol=0.05)


@pytest.mark.parametrize("spread", [1, 7])
def test_the_unit_is_the_usual_distance_of_what_was_learnt_from(spread: int) -> None:
    data = _flat(900, 60, 12) + spread * np.random.default_rng(5).normal(size=(900, 60)).astype(np.float32)
    unseen = _flat(500, 60, 12, seed=3) + spread * np.random.default_rng(6).normal(size=(500, 60))
    space = fit_novelty_space(data)
    assert np.median(space.distance(data)) == pytest.approx(1, abs=1e-4)
    assert np.median(space.distance(unseen.astype(np.float32))) == pytest.approx(1, rel=0.15)


def test_what_leaves_the_plane_is_farther_than_anything_on_it() -> None:
    space = fit_novelty_space(_flat(400, 40, 6))
    unseen = space.distance(_flat(200, 40, 6, seed=3))
    away = _flat(200, 40, 6, seed=3) + np.random.default_rng(4).normal(size=(200, 40)).astype(np.float32)
    assert space.distance(away).min() > 3 * unseen.max()


def test_directions_are_orthonormal_and_few() -> None:
    basis = fit_novelty_space(_flat(900, 700, 40)).basis
    assert basis.shape == (700, DIMENSIONS)
    np.testing.assert_allclose(basis.T @ basis, np.eye(DIMENSIONS), atol=1e-5)


def test_silent_features_and_fewer_images_than_features_stay_finite() -> None:
    data = _flat(12, 50, 4)
    data[:, :5] = 0
    space = fit_novelty_space(data)
    assert space.basis.shape[1] == 6
    assert np.isfinite(space.distance(data + 1)).all()


def test_it_is_kept_in_a_file(tmp_path: Path) -> None:
    data = _flat(100, 30, 4)
    space = fit_novelty_space(data)
    save_space(tmp_path / "novelty.npz", space, space.distance(data))
    again, held_out = load_space(tmp_path / "novelty.npz")
    np.testing.assert_array_equal(held_out, again.distance(data))
