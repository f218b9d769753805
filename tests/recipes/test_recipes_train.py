"""Every recipe learns for two steps and is found again; one of each kind becomes a graph that says the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from recipe_cases import SETTINGS, SIZE, phantom_rows

from tumorscope.evaluation.calibration import Scaling
from tumorscope.export.file import heatmap_stride
from tumorscope.export.graph import AnswerGraph, to_onnx
from tumorscope.export.parity import check_parity, parity_images
from tumorscope.inference.bundle import BundleBytes
from tumorscope.inference.session import Session
from tumorscope.models.network import SliceNetwork, build_network
from tumorscope.recipes.registry import RECIPES, find_recipe
from tumorscope.training.batches import TrainingRows
from tumorscope.training.config import configure
from tumorscope.training.counters import Purpose, stream_seed
from tumorscope.training.fit import fit, load_fitted
from tumorscope.training.folder import WEIGHTS
from tumorscope.training.module import as_input
from tumorscope.training.novelty import NoveltySpace

KINDS = ("light-cnn", "resnet18", "timm:test_convnext", "timm:test_vit")
"""Fully connected layers, convolutions, normalised after pooling, tokens."""


@pytest.fixture(scope="module")
def rows() -> TrainingRows:
    torch.set_num_threads(1)
    return phantom_rows()


@pytest.mark.parametrize("name", [*RECIPES, "timm:test_vit"])
def test_two_steps_change_the_network_and_leave_it_to_be_found_again(
    name: str, rows: TrainingRows, tmp_path: Path
) -> None:
    config = configure(name, SETTINGS)
    # What is kept is the moving average, which hardly moves in two steps.
    config = config.model_copy(update={"ema_decay": 0.0})
    trained = fit(config, rows, replace(rows, rows=rows.rows[:4]), tmp_path, progress=False)
    torch.manual_seed(stream_seed(config.seed, Purpose.INITIALISATION))
    start = build_network(find_recipe(name).architecture, SIZE).state_dict()
    state = trained.state_dict()
    assert state.keys() == start.keys()
    assert all(bool(tensor.isfinite().all()) for tensor in state.values())
    weights = [key for key, _ in trained.named_parameters()]
    moved = [key for key in weights if not torch.equal(state[key], start[key])]
    assert len(moved) > 0.9 * len(weights)

    again = load_fitted(config, tmp_path)
    images = as_input(torch.from_numpy(rows.images[:4]))
    with torch.inference_mode():
        logits, evidence, _, _ = again(images)
        torch.testing.assert_close(logits, trained(images).logits, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(evidence.sum(dim=(2, 3)) + again.bias, logits, atol=1e-4, rtol=0)
    (tmp_path / WEIGHTS).unlink()  # a hundred megabytes each would stay until the end of all tests


def _stirred(name: str) -> SliceNetwork:
    """With a head that has something to say, as after training."""
    torch.manual_seed(0)
    network = build_network(find_recipe(name).architecture, SIZE).eval()
    with torch.no_grad():
        network.bias.copy_(torch.tensor([0.5, -1.0, 2.0, 0.0]))
        for layer in (getattr(network, "deep", None), network.fine):
            if isinstance(layer, torch.nn.Conv2d):
                layer.weight.mul_(20)
    return network


@pytest.mark.parametrize("name", KINDS)
def test_the_graph_says_what_the_network_says_and_its_map_adds_up(name: str) -> None:
    torch.set_num_threads(1)
    network = _stirred(name)
    with torch.inference_mode():
        length = network(torch.zeros(1, 1, SIZE, SIZE)).look.shape[1]
    space = NoveltySpace(
        np.zeros(length, np.float32), np.ones(length, np.float32), np.eye(length, 8, dtype=np.float32)
    )
    graph = AnswerGraph(network, Scaling(np.ones(4), np.zeros(4)), space).eval()
    content = to_onnx(graph, SIZE)
    assert check_parity(graph, content, SIZE) <= 1
    assert heatmap_stride(content, SIZE) == min(network.heatmap_stride, 8)
    session = Session(BundleBytes(content, "graph", shipped=False), threads=1)
    images = parity_images(SIZE, per_class=1)
    logits, heatmap = session.run(images, ("logits", "heatmap"))
    bias = network.bias.detach().numpy()
    np.testing.assert_allclose(heatmap.sum(axis=(2, 3)) + bias, logits, atol=1e-4, rtol=0)
    assert np.ptp(logits, axis=0).max() > 1e-3  # the images are told apart
    np.testing.assert_allclose(session.run(images[:1], ("logits",))[0], logits[:1], atol=1e-5, rtol=1e-5)
