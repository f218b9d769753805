"""Every network knows its blocks from the head down."""

from __future__ import annotations

from functools import cache

import pytest
from torch import nn

from tumorscope.models.blocks import NetworkBlock, blocks_from_head
from tumorscope.models.network import SliceNetwork, build_network

SIZE = 64
EXPECTED = {
    "tf_efficientnet_lite0": ["head", "blocks.6", "blocks.4", "blocks.2", "blocks.1", "blocks.0"],
    "resnet18": ["head", "layer4", "layer3", "layer2", "layer1", "act1"],
    "vgg16": ["head", "features.29", "features.22", "features.15", "features.8", "features.3"],
    "test_convnext": ["head", "stages.3", "stages.2", "stages.1", "stages.0"],
    "test_vit": ["head", "blocks.5", "blocks.4", "blocks.3", "blocks.2", "blocks.1", "blocks.0"],
    "light-cnn": ["head", "blocks.1", "blocks.0"],
    "deep-cnn": ["head", "blocks.3", "blocks.2", "blocks.1", "blocks.0"],
}


@cache
def _network(architecture: str) -> SliceNetwork:
    return build_network(architecture, SIZE)


def _names(network: SliceNetwork, block: NetworkBlock) -> set[str]:
    inside = {id(weight) for weight in block.parameters()}
    return {name for name, weight in network.named_parameters() if id(weight) in inside}


@pytest.mark.parametrize("architecture", EXPECTED)
def test_every_weight_and_module_is_in_one_block(architecture: str) -> None:
    network = _network(architecture)
    blocks = blocks_from_head(network)
    assert [block.name for block in blocks] == EXPECTED[architecture]
    weights = [id(weight) for block in blocks for weight in block.parameters()]
    assert sorted(weights) == sorted(id(weight) for weight in network.parameters())
    modules = [id(module) for block in blocks for module in block.modules]
    assert len(modules) == len(set(modules))
    assert "bias" in _names(network, blocks[0])
    assert not any(name.startswith("backbone.") for name in _names(network, blocks[0]))


def test_what_lies_outside_the_stages_counts_with_the_nearest() -> None:
    network = _network("tf_efficientnet_lite0")
    blocks = blocks_from_head(network)
    assert {"backbone.conv_head.weight", "backbone.blocks.5.0.conv_pw.weight"} <= _names(network, blocks[1])
    assert {"backbone.conv_stem.weight", "backbone.bn1.weight"} <= _names(network, blocks[-1])


def test_the_deepest_block_of_vgg_is_its_three_last_convolutions() -> None:
    network = _network("vgg16")
    deepest = blocks_from_head(network)[1]
    convolutions = [module for module in deepest.modules if isinstance(module, nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == [512, 512, 512]


def test_a_network_that_does_not_say_is_divided_by_its_parts() -> None:
    network = build_network("light-cnn", SIZE)
    del network.backbone.feature_info
    assert [block.name for block in blocks_from_head(network)] == ["head", "blocks"]
