"""Files in timm's own format, three colours and a classifier of a thousand classes, start any recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file

from tumorscope.core.errors import WeightsUnavailable
from tumorscope.models.network import build_network
from tumorscope.models.weights import load_initial_weights
from tumorscope.recipes.registry import find_recipe

SIZE = 64


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)  # small work; other threads would only wait for a busy machine


def _file_of_timm(architecture: str, folder: Path, without: tuple[str, ...] = ()) -> tuple[Any, Path]:
    """A network of timm as its makers publish it, and its weights as a file."""
    torch.manual_seed(11)
    theirs = timm.create_model(architecture).eval()
    with torch.no_grad():
        for name, tensor in theirs.named_buffers():
            if name.endswith("running_mean"):
                tensor.uniform_(-0.1, 0.1)
    path = folder / "model.safetensors"
    save_file({k: v for k, v in theirs.state_dict().items() if not k.startswith(without or ("-",))}, path)
    return theirs, path


@pytest.mark.parametrize(
    ("name", "left_out"),
    # The fully connected layers of VGG, half a gigabyte, have no part in our network and are not asked for.
    [("resnet18", ()), ("timm:test_convnext", ()), ("vgg16", ("pre_logits", "head"))],
)
def test_a_gray_image_has_the_features_that_it_has_in_colour(
    name: str, left_out: tuple[str, ...], tmp_path: Path
) -> None:
    recipe = find_recipe(name)
    theirs, path = _file_of_timm(recipe.architecture, tmp_path, left_out)
    ours = build_network(recipe.architecture, SIZE).eval()
    assert load_initial_weights(ours.backbone, recipe, str(path), SIZE) == "file model.safetensors"
    gray = torch.rand(2, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        expected = theirs.forward_features(gray.expand(-1, 3, -1, -1))
        got, _ = ours.backbone.forward_intermediates(gray)  # type: ignore[operator]
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)


def test_positions_learnt_at_another_size_are_fitted_to_ours(tmp_path: Path) -> None:
    """Only timm's own loading does that; copying tensors by name would be refused by their shape."""
    recipe = find_recipe("timm:test_vit")
    theirs, path = _file_of_timm(recipe.architecture, tmp_path)
    ours = build_network(recipe.architecture, SIZE)
    load_initial_weights(ours.backbone, recipe, str(path), SIZE)
    before, after = theirs.state_dict(), ours.backbone.state_dict()
    assert before["pos_embed"].shape[1] == 100 + 1
    assert after["pos_embed"].shape[1] == 16 + 1
    assert torch.equal(before["pos_embed"][:, 0], after["pos_embed"][:, 0])  # of the class token
    assert torch.equal(before["blocks.0.attn.qkv.weight"], after["blocks.0.attn.qkv.weight"])


@pytest.mark.parametrize("lost", ["layer4.1.conv2.weight", "layer1.0.bn1.running_mean"])
def test_a_file_that_lacks_something_is_refused_and_nothing_is_changed(lost: str, tmp_path: Path) -> None:
    recipe = find_recipe("resnet18")
    _, path = _file_of_timm(recipe.architecture, tmp_path, (lost,))
    ours = build_network(recipe.architecture, SIZE)
    before = {name: tensor.clone() for name, tensor in ours.backbone.state_dict().items()}
    with pytest.raises(
        WeightsUnavailable, match=rf"model\.safetensors does not fit: {lost} is missing"
    ) as caught:
        load_initial_weights(ours.backbone, recipe, str(path), SIZE)
    assert "\n" not in str(caught.value)
    assert all(torch.equal(tensor, before[name]) for name, tensor in ours.backbone.state_dict().items())


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    recipe = find_recipe("resnet18")
    _, path = _file_of_timm("test_convnext", tmp_path)
    ours = build_network(recipe.architecture, SIZE)
    with pytest.raises(
        WeightsUnavailable, match=r"conv1\.weight is missing, .* weights of the same architecture"
    ):
        load_initial_weights(ours.backbone, recipe, str(path), SIZE)


def test_a_recipe_of_the_study_says_that_nobody_publishes_its_weights() -> None:
    recipe = find_recipe("light-cnn")
    ours = build_network(recipe.architecture, SIZE)
    with pytest.raises(
        WeightsUnavailable, match="nobody publishes weights of light-cnn; use one of: --weights"
    ):
        load_initial_weights(ours.backbone, recipe, "auto", SIZE)


def test_a_file_of_the_studys_own_network_goes_round(tmp_path: Path) -> None:
    recipe = find_recipe("deep-cnn")
    saved = {
        name: tensor + 1 for name, tensor in build_network("deep-cnn", SIZE).backbone.state_dict().items()
    }
    save_file(saved, tmp_path / "mine.safetensors")
    ours = build_network("deep-cnn", SIZE)
    load_initial_weights(ours.backbone, recipe, str(tmp_path / "mine.safetensors"), SIZE)
    state = ours.backbone.state_dict()
    assert all(torch.equal(state[name], saved[name]) for name in saved if "num_batches" not in name)
