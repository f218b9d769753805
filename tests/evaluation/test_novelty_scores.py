"""Each score against a plain computation, and the report of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

from tumorscope.core.errors import InvalidManifest
from tumorscope.evaluation.novelty_scores import (
    Scores,
    auroc,
    energy,
    mahalanobis,
    measure_novelty,
    nearest_neighbour,
    react,
    residual,
)

RNG = np.random.default_rng(7)
LABELS = np.arange(300) % 4
LEARNT = RNG.normal(size=(300, 20)) * np.geomspace(3, 0.3, 20) + RNG.normal(size=(4, 20))[LABELS] * 3
ASKED = RNG.normal(size=(40, 20)) * 2


def test_energy() -> None:
    logits = RNG.normal(size=(30, 4)) * 300
    np.testing.assert_allclose(energy(logits), -logsumexp(logits, axis=1))


def test_mahalanobis() -> None:
    means = np.stack([LEARNT[np.equal(LABELS, k)].mean(axis=0) for k in range(4)])
    covariance = sum(np.cov(LEARNT[np.equal(LABELS, k)].T, ddof=0) for k in range(4)) / 4
    covariance = covariance + 0.05 * np.trace(covariance) / 20 * np.eye(20)
    inverse = np.linalg.inv(covariance)
    expected = [min(np.sqrt((x - mean) @ inverse @ (x - mean)) for mean in means) for x in ASKED]
    np.testing.assert_allclose(mahalanobis(LEARNT, LABELS, ASKED), expected)


def test_nearest_neighbour() -> None:
    finder = NearestNeighbors(n_neighbors=1).fit(normalize(LEARNT))
    np.testing.assert_allclose(
        nearest_neighbour(LEARNT, ASKED), finder.kneighbors(normalize(ASKED))[0][:, 0], atol=1e-7
    )


def test_residual() -> None:
    learnt, asked = RNG.normal(size=(400, 100)), RNG.normal(size=(30, 100))
    fitted = PCA(n_components=64).fit(learnt)
    expected = np.linalg.norm(asked - fitted.inverse_transform(fitted.transform(asked)), axis=1)
    np.testing.assert_allclose(residual(learnt, asked), expected, rtol=1e-6)


def test_react_is_the_energy_of_what_a_head_makes_of_clipped_features() -> None:
    features, learnt, weights = (
        RNG.gamma(1, 2, (30, 20)),
        RNG.gamma(1, 1, (200, 20)),
        RNG.normal(size=(4, 20)),
    )
    besides = RNG.normal(size=(30, 4))  # bias, and features that are not clipped
    threshold = np.quantile(learnt.ravel(), 0.9)
    expected = -logsumexp(np.minimum(features, threshold) @ weights.T + besides, axis=1)
    found = react(features @ weights.T + besides, features, learnt, weights)
    np.testing.assert_allclose(found, expected)
    assert np.abs(found - energy(features @ weights.T + besides)).max() > 0.1  # something was clipped


def test_auroc_is_that_of_scikit_learn_and_lies_in_its_interval() -> None:
    brain, foreign = np.round(RNG.normal(size=200), 1), np.round(RNG.normal(size=50) + 1, 1)
    weights = RNG.choice([1.0, 0.5], 200)
    figure = auroc(brain, foreign, np.array([f"g{k // 4}" for k in range(200)]), weights)
    truth = np.r_[np.zeros(200), np.ones(50)]
    expected = roc_auc_score(truth, np.r_[brain, foreign], sample_weight=np.r_[weights, np.ones(50)])
    assert figure.value == pytest.approx(expected)
    assert 0.02 < figure.high - figure.low < 0.3
    assert figure.low < figure.value < figure.high


def test_only_scores_of_the_same_model_are_compared() -> None:
    """The second model scores everything higher by 100; asked about one image less, it still tells them apart."""
    brain, answered = np.r_[RNG.normal(size=40), RNG.normal(size=60) + 100], np.repeat([0, 1], [40, 60])
    foreign = np.stack([RNG.normal(size=9) + 1, RNG.normal(size=9) + 101])
    foreign[1, 3] = np.nan
    each = np.array([f"g{k}" for k in range(100)])
    found = auroc(brain, foreign, each, np.ones(100), answered=answered)
    asked = [foreign[0], np.delete(foreign[1], 3)]
    wins = [(brain[answered == k][:, None] < values).sum() for k, values in enumerate(asked)]
    assert found.value == pytest.approx(sum(wins) / (40 * 9 + 60 * 8))
    assert found.low < found.value < found.high
    with pytest.raises(InvalidManifest, match="one of them is missing"):
        auroc(brain[:40], np.stack([np.full(9, np.nan), foreign[1]]), each[:40], np.ones(40))


def test_few_groups_make_a_wide_interval() -> None:
    shift = np.repeat([0.0, 2.0, 4.0, 6.0], 50)
    brain, foreign, ones = RNG.normal(size=200) + shift, RNG.normal(size=60) + 4, np.ones(200)
    clustered = auroc(brain, foreign, np.array([f"g{k // 50}" for k in range(200)]), ones)
    single = auroc(brain, foreign, np.array([f"g{k}" for k in range(200)]), ones)
    assert clustered.high - clustered.low > 2 * (single.high - single.low)


def test_the_report() -> None:
    brain = np.linspace(0, 1.01, 100)
    kept = Scores(brain, {"knee": np.array([0.5, 2.0]), "text": np.array([3.0])})
    other = Scores(brain, {"knee": np.array([0.1, 0.2]), "text": np.array([0.0])})
    part = measure_novelty(
        {"look-residual": kept, "energy": other}, np.arange(100).astype(str), np.ones(100), resamples=50
    )
    assert part.score == "look-residual"
    assert part.rejected == {"brain": pytest.approx(0.01), "knee": 0.5, "text": 1.0}
    assert part.images == {"brain": 100, "knee": 2, "text": 1}
    assert part.auroc["look-residual"]["text"].value == 1
    assert part.auroc["energy"]["text"].value == pytest.approx(0.005)


def test_false_rejection_has_an_interval_over_groups_beside_its_promise() -> None:
    brain = np.repeat([0.5, 2.0], [90, 10])
    scores = {"look-residual": Scores(brain, {"knee": np.array([[0.5, 2.0], [2.0, np.nan]])})}
    answered = np.arange(100) % 2
    few = measure_novelty(
        scores,
        (np.arange(100) // 10).astype(str),
        np.ones(100),
        answered=answered,
        promised=0.02,
        resamples=50,
    )
    assert few.promised_false_rejection == 0.02
    assert few.false_rejection is not None
    assert few.false_rejection.value == pytest.approx(0.1)
    assert few.false_rejection.low == 0  # all of them are of one group, which a resample may lack
    assert few.rejected["knee"] == pytest.approx(2 / 3)  # of the three answers that were given
    assert few.images["knee"] == 2


def test_nothing_foreign_is_said_so() -> None:
    with pytest.raises(InvalidManifest, match="one of them is missing"):
        auroc(np.ones(3), np.ones(0), np.array(["a", "b", "c"]), np.ones(3))
