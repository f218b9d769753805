"""The distance from the training images in the embedding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tumorscope.training.novelty import DIMENSIONS, fit_embedding_space

SHRINKAGE = 0.05


def _sample(count: int, dimensions: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Four clouds with one covariance that is far from round."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 4
    stretch = rng.normal(size=(dimensions, dimensions)) * np.geomspace(3, 0.3, dimensions)
    centres = 6 * rng.normal(size=(4, dimensions))
    data = centres[labels] + rng.normal(size=(count, dimensions)) @ stretch + 10
    return data.astype(np.float32), labels


def _direct(
    data: NDArray[Any], labels: NDArray[np.int64], weights: NDArray[np.float64], points: NDArray[Any]
) -> NDArray[np.float64]:
    """Mahalanobis distance to the nearest weighted class mean, by solving with the shrunk covariance."""
    means = np.stack([np.average(data[labels == k], axis=0, weights=weights[labels == k]) for k in range(4)])
    covariance = np.cov((data - means[labels]).T, aweights=weights, ddof=0)
    # The residuals have weighted mean zero in every class, so np.cov removes nothing more.
    covariance += SHRINKAGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    distances = np.full((len(points), 4), np.inf)
    for k in range(4):
        away = points - means[k]
        distances[:, k] = np.sqrt((away * np.linalg.solve(covariance, away.T).T).sum(axis=1))
    nearest: NDArray[np.float64] = distances.min(axis=1)
    return nearest


@pytest.mark.parametrize("dimensions", [2, 7, 40])
def test_in_few_dimensions_it_is_the_mahalanobis_distance(dimensions: int) -> None:
    data, labels = _sample(600, dimensions)
    weights = np.random.default_rng(1).choice([1.0, 0.5, 0.25], 600)
    points = np.concatenate([data[:50], data[:50] * 3 - 20])
    expected = _direct(data.astype(np.float64), labels, weights, points.astype(np.float64))
    space = fit_embedding_space(data, labels, weights)
    assert space.projection.shape == (dimensions, dimensions)
    np.testing.assert_allclose(space.distance(points), expected, rtol=2e-3)


def test_copies_at_half_weight_count_as_one() -> None:
    data, labels = _sample(200, 5)
    once = fit_embedding_space(data, labels, np.ones(200))
    copied = np.concatenate([data, data[:80]])
    weights = np.concatenate([np.full(80, 0.5), np.ones(120), np.full(80, 0.5)])
    twice = fit_embedding_space(copied, np.concatenate([labels, labels[:80]]), weights)
    np.testing.assert_allclose(twice.distance(data), once.distance(data), rtol=1e-3)


def test_what_is_far_is_farther_and_a_centre_is_near() -> None:
    data, labels = _sample(800, 200)
    space = fit_embedding_space(data, labels, np.ones(800))
    assert space.projection.shape == (200, DIMENSIONS)
    assert space.projection.dtype == space.mean.dtype == space.centres.dtype == np.float32
    centre = data[labels == 2].mean(axis=0)
    direction = data[2] - centre
    along = space.distance(np.stack([centre + step * direction for step in (0, 0.5, 1, 2, 4, 8)]))
    assert along[0] < 0.05
    assert (np.diff(along[:3]) > 0).all()
    far = np.stack([centre + 1000 * direction, centre + 2000 * direction])
    assert (space.distance(far) > 10 * space.distance(data).max()).all()


def test_fewer_images_than_dimensions_still_give_finite_distances() -> None:
    data, labels = _sample(20, 300)
    space = fit_embedding_space(data, labels, np.ones(20))
    distances = space.distance(data)
    assert np.isfinite(distances).all()
    assert distances.max() < np.sqrt(DIMENSIONS) * 5
