"""Which weights the head of a graph has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tiny_run import TinyRun
from tumorscope.inference.bundle import BundleBytes, read_bundle
from tumorscope.inference.graph_facts import deep_weights
from tumorscope.inference.session import Session


@pytest.fixture(scope="module")
def fold_bundle(tiny_run: TinyRun) -> BundleBytes:
    return read_bundle(tiny_run.out / "folds" / "1" / "bundle.onnx")


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
