"""The network of a slice classifier, and the one contract that all of them keep.

Owns what goes in and what comes out, and which kind of network an architecture's name stands for. Knows nothing of
training.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from tumorscope.core.labels import CLASS_ORDER

__all__ = ["HEATMAP_STRIDE", "FeatureTap", "NetworkOutput", "SliceNetwork", "build_network"]

HEATMAP_STRIDE = 16
"""The coarsest that evidence may be; the map of a bundle is finer."""


class NetworkOutput(NamedTuple):
    """What one pass gives.

    ``logits [N, 4]``; ``evidence [N, 4, h, w]``, whose sum over space plus the bias is the logit;
    ``embedding [N, d]``; ``look [N, m]``, what the image looks like at several depths, by which a foreign image is
    told from a brain slice.
    """

    logits: torch.Tensor
    evidence: torch.Tensor
    embedding: torch.Tensor
    look: torch.Tensor


class FeatureTap(nn.Module):
    """A place that features pass unchanged, so that they can be listened to.

    Parameters
    ----------
    in_channels
        Of the features ``[N, in_channels, h, w]``.
    """

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.in_channels = in_channels

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Give back what came in."""
        return features


class SliceNetwork(nn.Module):
    """What every network of this package is: one pass answers and explains.

    Called with ``float32 [N, 1, S, S]`` in [0, 1], it gives a :class:`NetworkOutput`. For every image and class
    ``evidence.sum(dim=(2, 3)) + bias`` is the logit, by construction, and ``bias`` is one number a class, the same
    for all images. So the map leaves nothing of the answer unexplained.

    Attributes
    ----------
    backbone
        What initial weights are loaded into.
    fine
        The layer that the features at the resolution of the heat-map enter.
    bias
        ``float32 [4]``.
    heatmap_stride
        Pixels of the input a cell of the evidence, at most :data:`HEATMAP_STRIDE`.
    cells
        Of the evidence, a side.
    reach
        How far around its middle a cell speaks, in cells; see :func:`~tumorscope.models.grid.tents`.
    """

    backbone: nn.Module
    fine: nn.Conv2d | FeatureTap
    bias: nn.Parameter
    heatmap_stride: int
    cells: int
    reach: float = 1.0

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(len(CLASS_ORDER)))

    def answer(self, evidence: torch.Tensor, embedding: torch.Tensor, look: torch.Tensor) -> NetworkOutput:
        """The one way in which evidence becomes an answer."""
        return NetworkOutput(evidence.sum(dim=(2, 3)) + self.bias, evidence, embedding, look)


def build_network(architecture: str, image_size: int = 160) -> SliceNetwork:
    """Make an untrained network.

    Parameters
    ----------
    architecture
        Of a recipe: a name in timm's registry, or one of Tumorscope's own.
    image_size
        Side of the input, a multiple of 32. Networks with fully connected layers and most transformers answer for
        this size only.

    Raises
    ------
    InvalidConfiguration
        If timm does not have it, or cannot make it for this size, or its features are no map of the image.
    """
    from tumorscope.models.backbone import build_backbone_network
    from tumorscope.models.cnn import PLANS, ConvolutionalNetwork

    if architecture in PLANS:
        return ConvolutionalNetwork(PLANS[architecture], image_size)
    return build_backbone_network(architecture, image_size)
