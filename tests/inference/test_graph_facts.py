"""Which score a graph computes, and which weights its head has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tiny_run import TinyRun
from tumorscope.inference.bundle import BundleBytes, read_bundle, shipped_path
from tumorscope.inference.graph_facts import UNKNOWN_SCORE, deep_weights, novelty_score
from tumorscope.inference.session import Session


@pytest.fixture(scope="module")
def fold_bundle(tiny_run: TinyRun) -> BundleBytes:
    return read_bundle(tiny_run.out / "folds" / "1" / "bundle.onnx")


def test_the_score_is_named_by_what_the_graph_computes(bundle_path: Path, fold_bundle: BundleBytes) -> None:
    assert novelty_score(fold_bundle) == "look-residual"
    assert novelty_score(read_bundle(bundle_path)) == UNKNOWN_SCORE


@pytest.mark.skipif(not shipped_path().is_file(), reason="no bundle is shipped with this checkout")
def test_the_shipped_bundle_tells_its_score() -> None:
    assert novelty_score(read_bundle()) == "look-residual"


def test_without_the_deep_weights_the_logits_lose_what_they_make_of_the_embedding(
    fold_bundle: BundleBytes, tiny_run: TinyRun
) -> None:
    weights = deep_weights(fold_bundle)
    assert weights is not None
    model = onnx.load_from_string(fold_bundle.content)
    (kernel,) = [
        each
        for each in model.graph.initializer
        if each.dims == [*weights.shape, 1, 1]
        and np.array_equal(numpy_helper.to_array(each).reshape(weights.shape), weights)
    ]
    kernel.CopyFrom(
        numpy_helper.from_array(np.zeros((*weights.shape, 1, 1), dtype=np.float32), name=kernel.name)
    )
    without = Session(BundleBytes(model.SerializeToString(), "without", shipped=False))
    images = tiny_run.images[:6]
    logits, embedding = Session(fold_bundle).run(images, ("logits", "embedding"))
    (left,) = without.run(images, ("logits",))
    np.testing.assert_allclose(logits - left, embedding @ weights.T, atol=1e-5)
    assert np.abs(logits - left).max() > 1e-3


def test_a_head_of_another_kind_has_no_such_weights(bundle_path: Path) -> None:
    assert deep_weights(read_bundle(bundle_path)) is None
