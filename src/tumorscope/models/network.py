"""The network of a slice classifier: a timm backbone and an evidence head.

Owns how features become logits, a class-evidence map and an embedding in one pass. Knows nothing of training.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional

from tumorscope.core.labels import CLASS_ORDER

__all__ = ["HEATMAP_STRIDE", "NetworkOutput", "SliceNetwork", "build_network"]

HEATMAP_STRIDE = 16
_LOOK_STRIDES = (8, 16, 32)
_TILE = 32  # pixels; every input side is a multiple of it


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


class SliceNetwork(nn.Module):
    """Backbone, and a linear head that is applied at every place before it is averaged.

    Averaging linear evidence over space is class activation mapping (Zhou et al., CVPR 2016) with the order of two
    linear steps exchanged: the map *is* the explanation, at no cost. Deep features at stride 32 say what it is;
    features at stride 16 add where.

    Parameters
    ----------
    backbone
        A timm model with ``forward_intermediates``, made for one channel and without a classifier.
    fine_index
        Index of the feature stage at stride 16.
    fine_channels, deep_channels
        Channels of that stage and of the final features.
    look_indices
        Indices of the feature stages that the look of an image is made of; the fine one where not given.
    """

    def __init__(
        self,
        backbone: nn.Module,
        fine_index: int,
        fine_channels: int,
        deep_channels: int,
        look_indices: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.look_indices = sorted({*look_indices, fine_index})
        self.fine_index = fine_index
        self.deep = nn.Conv2d(deep_channels, len(CLASS_ORDER), kernel_size=1, bias=False)
        self.fine = nn.Conv2d(fine_channels, len(CLASS_ORDER), kernel_size=1, bias=False)
        self.bias = nn.Parameter(torch.zeros(len(CLASS_ORDER)))
        for layer in (self.deep, self.fine):
            nn.init.normal_(layer.weight, std=0.01)

    def forward(self, image: torch.Tensor) -> NetworkOutput:
        """Classify.

        Parameters
        ----------
        image
            ``float32 [N, 1, S, S]`` in [0, 1].
        """
        scaled = image * 2 - 1  # what the backbone's ImageNet weights expect
        deep, stages = self.backbone.forward_intermediates(scaled, indices=self.look_indices)  # type: ignore[operator]
        fine = stages[self.look_indices.index(self.fine_index)]
        places = fine.shape[-2] * fine.shape[-1]
        coarse = functional.interpolate(self.deep(deep), size=fine.shape[-2:], mode="nearest")
        evidence = (coarse + self.fine(fine)).float() / places
        logits = evidence.sum(dim=(2, 3)) + self.bias
        look = torch.cat(
            [*(_mean_and_spread(stage.float()) for stage in stages), _layout(image.float())], dim=1
        )
        return NetworkOutput(logits, evidence, deep.float().mean(dim=(2, 3)), look)


def build_network(architecture: str) -> SliceNetwork:
    """Make an untrained network around a timm architecture.

    Parameters
    ----------
    architecture
        Name in timm's registry of a network with a feature stage at stride 16.
    """
    import timm

    backbone: Any = timm.create_model(architecture, in_chans=1, num_classes=0, drop_rate=0.0)
    stages = [(info["reduction"], info["num_chs"]) for info in backbone.feature_info]
    fine_index = max(index for index, (reduction, _) in enumerate(stages) if reduction == HEATMAP_STRIDE)
    look = tuple(index for index, (reduction, _) in enumerate(stages) if reduction in _LOOK_STRIDES)
    return SliceNetwork(backbone, fine_index, stages[fine_index][1], backbone.num_features, look)


def _mean_and_spread(features: torch.Tensor) -> torch.Tensor:
    """Mean and standard deviation of every channel over space, ``[N, 2 C]``: texture, wherever it is."""
    mean = features.mean(dim=(2, 3), keepdim=True)
    spread = (features - mean).square().mean(dim=(2, 3)).sqrt()
    return torch.cat([mean.flatten(1), spread], dim=1)


def _layout(image: torch.Tensor) -> torch.Tensor:
    """Mean and standard deviation of the tiles of an image: where it is bright, dark and busy."""
    mean = functional.avg_pool2d(image, _TILE)
    away = image - functional.interpolate(mean, scale_factor=float(_TILE), mode="nearest")
    spread = functional.avg_pool2d(away.square(), _TILE).sqrt()
    return torch.cat([mean.flatten(1), spread.flatten(1)], dim=1)
