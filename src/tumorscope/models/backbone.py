"""A timm backbone under an evidence head.

Owns how the features of a backbone become logits, a class-evidence map and an embedding in one pass. How they lie
over the image is :mod:`tumorscope.models.features`. Knows nothing of training.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.models.features import FeaturePlan, as_map, drop_unused, plan_features
from tumorscope.models.look import describe_look
from tumorscope.models.network import NetworkOutput, SliceNetwork
from tumorscope.recipes.timm_names import check_timm_name

__all__ = ["BackboneNetwork", "PooledNorm", "build_backbone_network", "make_backbone"]


class PooledNorm(nn.Module):
    """Layer normalisation of what will be pooled, before it is pooled.

    Networks such as ConvNeXt average their features over space, normalise the average over channels and only then
    weigh it. For one image the two statistics are two numbers, so normalising every place by the statistics *of the
    average* and then averaging gives the same, and the linear head can be applied at every place. The shift of
    a layer normalisation is left out: a linear head has a bias.

    Parameters
    ----------
    channels
        Of the features.
    eps
        Added to the variance.
    """

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.eps = eps

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Normalise ``[N, C, h, w]``."""
        features = features.float()
        average = features.mean(dim=(2, 3), keepdim=True)
        spread = (average - average.mean(dim=1, keepdim=True)).square().mean(dim=1, keepdim=True)
        centred = features - features.mean(dim=1, keepdim=True)
        return centred * torch.rsqrt(spread + self.eps) * self.weight.view(1, -1, 1, 1)


class _PlaceNorm(nn.LayerNorm):
    """Layer normalisation over the channels of every place of ``[N, C, h, w]``."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return super().forward(features.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class BackboneNetwork(SliceNetwork):
    """Backbone, and a linear head that is applied at every place before it is averaged.

    Averaging linear evidence over space is class activation mapping (Zhou et al., CVPR 2016) with the order of two
    linear steps exchanged: the map *is* the explanation, at no cost. Deep features at stride 32 say what it is;
    features at stride 16 add where. Of networks whose last features are at stride 16 or finer these alone are used;
    of transformers the tokens that stand for places.

    Parameters
    ----------
    backbone
        A timm model with ``forward_intermediates``, made for one channel and without a classifier.
    plan
        Where its features lie.
    image_size
        Side of the input.
    pooled_norm_eps
        Of a network that normalises after pooling, what is added to the variance; else ``None``.
    """

    def __init__(
        self, backbone: Any, plan: FeaturePlan, image_size: int, *, pooled_norm_eps: float | None
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.plan = plan
        self.cells, self.heatmap_stride = plan.side, round(image_size / plan.side)
        # What the ImageNet weights expect of a gray pixel: image * factor - offset.
        mean, std = (_gray(backbone.pretrained_cfg.get(key, (0.5,))) for key in ("mean", "std"))
        self.factor, self.offset = 1 / std, mean / std
        self.deep_norm: nn.Module = nn.Identity()
        if pooled_norm_eps is not None:
            self.deep_norm = PooledNorm(plan.deep_channels, pooled_norm_eps)
        self.deep: nn.Conv2d | None = None
        if plan.fine_index is None:
            self.fine_norm: nn.Module = nn.Identity()
            self.fine = _linear(plan.deep_channels)
        else:
            self.deep = _linear(plan.deep_channels)
            self.fine = _linear(plan.fine_channels)
            # Without it the stages of a network with layer normalisation differ in size by orders of magnitude.
            layered = any(isinstance(module, nn.LayerNorm) for module in backbone.modules())
            self.fine_norm = _PlaceNorm(plan.fine_channels, eps=1e-6) if layered else nn.Identity()
        for layer in (self.deep, self.fine):
            if layer is not None:
                nn.init.normal_(layer.weight, std=0.01)

    def forward(self, image: torch.Tensor) -> NetworkOutput:
        """Classify ``float32 [N, 1, S, S]`` in [0, 1]."""
        indices = self.plan.stage_indices
        scaled = image * self.factor - self.offset
        final, stages = self.backbone.forward_intermediates(scaled, indices=indices)  # type: ignore[operator]
        deep = as_map(final, self.plan.form, self.plan.deep_side)
        if self.deep is None or self.plan.fine_index is None:
            places = self.fine(self.deep_norm(deep))
        else:
            fine = stages[indices.index(self.plan.fine_index)]
            coarse = self.deep(self.deep_norm(deep))
            places = functional.interpolate(coarse, size=fine.shape[-2:], mode="nearest")
            places = places + self.fine(self.fine_norm(fine))
        evidence = places.float() / (places.shape[-2] * places.shape[-1])
        looks = [stages[indices.index(index)] for index in self.plan.look_indices]
        return self.answer(evidence, deep.float().mean(dim=(2, 3)), describe_look(looks, image))


def build_backbone_network(architecture: str, image_size: int) -> BackboneNetwork:
    """Make an untrained network around an architecture of timm.

    Parameters
    ----------
    architecture
        Name in timm's registry.
    image_size
        Side of the input.

    Raises
    ------
    InvalidConfiguration
        If timm does not have it, or cannot make it for this size, or its features are no map of the image.
    """
    backbone = make_backbone(architecture, image_size)
    plan = plan_features(backbone, image_size, architecture)
    eps = _pooled_norm_eps(backbone)
    drop_unused(backbone, image_size, plan.stage_indices)
    return BackboneNetwork(backbone, plan, image_size, pooled_norm_eps=eps)


def make_backbone(architecture: str, image_size: int, **options: Any) -> Any:
    """Let timm make a backbone for one channel, without a classifier, whole.

    Parameters
    ----------
    architecture
        Name in timm's registry.
    image_size
        Side of the input; told to those networks that must know.
    options
        Passed on, to load weights.

    Raises
    ------
    InvalidConfiguration
        If timm does not have it.
    """
    import timm

    check_timm_name(architecture)
    known = timm.get_pretrained_cfg(architecture, allow_unregistered=True)
    sized: dict[str, Any] = {"img_size": image_size} if known is not None and known.fixed_input_size else {}
    try:
        return timm.create_model(architecture, in_chans=1, num_classes=0, **sized, **options)
    except TypeError:
        # A few that must be fed one size cannot be told which; asking them about an image will show whether it fits.
        if not sized:
            raise
        return timm.create_model(architecture, in_chans=1, num_classes=0, **options)
    except (AssertionError, ValueError) as error:
        if options:
            raise
        raise InvalidConfiguration(
            f"timm cannot make {architecture} for {image_size} pixels; choose another size by --set image_size=N"
        ) from error


def _pooled_norm_eps(backbone: Any) -> float | None:
    """The constant of a layer normalisation between the pooling and the classifier, if there is one."""
    behind = [getattr(getattr(backbone, "head", None), "norm", None), getattr(backbone, "fc_norm", None)]
    return next((layer.eps for layer in behind if isinstance(layer, nn.LayerNorm)), None)


def _linear(channels: int) -> nn.Conv2d:
    return nn.Conv2d(channels, len(CLASS_ORDER), kernel_size=1, bias=False)


def _gray(values: Any) -> float:
    """Of three colours the average."""
    return float(sum(values) / len(values))
