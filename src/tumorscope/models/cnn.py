"""The study's own convolutional networks, with a head of fully connected layers that explains itself.

Owns their blocks and the exact division of a fully connected answer over the places of an image. Knows nothing of
timm or of training.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from tumorscope.core.labels import CLASS_ORDER
from tumorscope.models.look import describe_look
from tumorscope.models.network import FeatureTap, NetworkOutput, SliceNetwork

__all__ = ["PLANS", "Block", "ConvolutionalNetwork", "NetworkPlan", "PathHead"]


@dataclass(frozen=True, slots=True)
class Block:
    """Convolutions of 3 x 3 with ReLU, then a maximum over squares.

    Parameters
    ----------
    filters
        Channels that come out.
    convolutions
        How many, one after another.
    pool
        Side of the squares.
    """

    filters: int
    convolutions: int
    pool: int


@dataclass(frozen=True, slots=True)
class NetworkPlan:
    """One of the study's networks.

    Parameters
    ----------
    blocks
        From the image inwards; the product of their ``pool`` is the stride of the heat-map.
    hidden
        Units of each fully connected layer before the answer.
    normalised
        Whether every convolution is followed by batch normalisation.
    block_dropout, dropout
        Share of channels (after each block) and of hidden units that are silenced while learning.
    """

    blocks: tuple[Block, ...]
    hidden: tuple[int, ...]
    normalised: bool
    block_dropout: float
    dropout: float


PLANS = {
    "light-cnn": NetworkPlan(
        blocks=(Block(32, 2, 2), Block(64, 2, 4)),
        hidden=(128,),
        normalised=False,
        block_dropout=0.0,
        dropout=0.3,
    ),
    "deep-cnn": NetworkPlan(
        blocks=(Block(32, 1, 2), Block(64, 2, 2), Block(128, 2, 2), Block(256, 2, 2)),
        hidden=(256, 128),
        normalised=True,
        block_dropout=0.05,
        dropout=0.4,
    ),
}


class PathHead(nn.Module):
    """Fully connected layers with ReLU whose answer is divided exactly over the places of the image.

    For one image the units that are active turn the layers into one linear map, the product of their weights along
    the active path. The evidence of a place is its features times these effective weights. Without biases in the
    hidden layers nothing is left over (gradient times input, which is exact for such networks: Ancona et al., "Towards
    better understanding of gradient-based attribution", ICLR 2018). No gradient is taken: the product is part of the
    pass, and so of the exported graph.

    Parameters
    ----------
    channels, side
        Of the features ``[N, channels, side, side]``.
    hidden
        Units of each hidden layer.
    dropout
        Share of hidden units that are silenced while learning.
    """

    def __init__(self, channels: int, side: int, hidden: tuple[int, ...], dropout: float) -> None:
        super().__init__()
        widths = (channels * side * side, *hidden)
        layers = [nn.Linear(before, after, bias=False) for before, after in pairwise(widths)]
        for layer in layers:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        self.hidden = nn.ModuleList(layers)
        self.last = nn.Linear(widths[-1], len(CLASS_ORDER), bias=False)
        nn.init.normal_(self.last.weight, std=0.01)
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Evidence ``[N, 4, side, side]``, and the last hidden activations ``[N, d]``."""
        path: list[tuple[torch.Tensor, Any]] = []
        values = features.flatten(1)
        for layer in self.hidden:
            before = layer(values)
            active = self.dropout((before > 0).to(before.dtype))
            values = before * active
            path.append((active, layer.weight))
        effective = self.last.weight.unsqueeze(0)
        for active, weight in reversed(path):
            effective = (effective * active.unsqueeze(1)) @ weight
        shares = effective.reshape(-1, len(CLASS_ORDER), *features.shape[1:]) * features.unsqueeze(1)
        return shares.sum(dim=2), values


class _Blocks(nn.Module):
    """The convolutions; gives the features after every block."""

    def __init__(self, plan: NetworkPlan) -> None:
        super().__init__()
        self.blocks = nn.ModuleList()
        channels = 1
        for block in plan.blocks:
            layers: list[nn.Module] = []
            for _ in range(block.convolutions):
                convolution = nn.Conv2d(channels, block.filters, 3, padding=1, bias=not plan.normalised)
                nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
                norm = [nn.BatchNorm2d(block.filters)] if plan.normalised else []
                layers += [convolution, *norm, nn.ReLU()]
                channels = block.filters
            layers += [nn.MaxPool2d(block.pool), nn.Dropout2d(plan.block_dropout)]
            self.blocks.append(nn.Sequential(*layers))
        # As networks of timm name their stages.
        self.feature_info = [{"module": f"blocks.{index}"} for index in range(len(self.blocks))]

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        stages = [image]
        for block in self.blocks:
            stages.append(block(stages[-1]))
        return stages[1:]


class ConvolutionalNetwork(SliceNetwork):
    """Blocks of convolutions under a :class:`PathHead`.

    Parameters
    ----------
    plan
        Which one.
    image_size
        Side of the input; the fully connected layers fit no other.
    """

    def __init__(self, plan: NetworkPlan, image_size: int) -> None:
        super().__init__()
        self.heatmap_stride = 1
        for block in plan.blocks:
            self.heatmap_stride *= block.pool
        self.cells = image_size // self.heatmap_stride
        channels = plan.blocks[-1].filters
        self.backbone = _Blocks(plan)
        self.fine = FeatureTap(channels)
        self.head = PathHead(channels, self.cells, plan.hidden, plan.dropout)

    def forward(self, image: torch.Tensor) -> NetworkOutput:
        """Classify ``float32 [N, 1, S, S]`` in [0, 1]."""
        stages = self.backbone(image * 2 - 1)
        # In full precision: which units are active decides how the answer is divided.
        with torch.autocast(image.device.type, enabled=False):
            evidence, embedding = self.head(self.fine(stages[-1].float()))
        return self.answer(evidence, embedding, describe_look(stages[-3:], image))
