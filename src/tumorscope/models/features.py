"""How the features of any timm classifier lie over the image.

Owns the look at a backbone that finds its map of features, in whatever order of axes, and what of it takes part.
Knows nothing of heads.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import torch
from torch import nn

from tumorscope.core.errors import InvalidConfiguration

__all__ = ["FeaturePlan", "MapForm", "as_map", "drop_unused", "plan_features"]

_COARSEST = 16
_LOOK_STRIDES = (8, 16, 32)
_GRID = 32  # pixels; every input side is a multiple of it
_OTHER = "choose another architecture; tumorscope train --list-recipes names some"


class MapForm(StrEnum):
    """The order of the axes of a map of features."""

    CHANNELS_FIRST = "[N, C, h, w]"
    CHANNELS_LAST = "[N, h, w, C]"
    TOKENS = "[N, prefix + h w, C]"


@dataclass(frozen=True, slots=True)
class FeaturePlan:
    """Where in a backbone's features the head finds what it needs.

    Parameters
    ----------
    form
        Of the final features.
    deep_channels, deep_side
        Of the final features.
    fine_index, fine_channels
        Stage at stride 16, where the final features are coarser; else ``None`` and ``deep_channels``.
    look_indices
        Stages that the look of an image is made of, sorted.
    side
        Of the evidence, in cells.
    """

    form: MapForm
    deep_channels: int
    deep_side: int
    fine_index: int | None
    fine_channels: int
    look_indices: tuple[int, ...]
    side: int

    @property
    def stage_indices(self) -> list[int]:
        """All stages that are needed, sorted."""
        return sorted({*self.look_indices, *(() if self.fine_index is None else (self.fine_index,))})


def as_map(features: torch.Tensor, form: MapForm, side: int) -> torch.Tensor:
    """Final features as ``[N, C, side, side]``; tokens that stand for no place come first and are left out."""
    if form is MapForm.CHANNELS_FIRST:
        return features
    if form is MapForm.CHANNELS_LAST:
        return features.permute(0, 3, 1, 2)
    places = features[:, features.shape[1] - side * side :]
    return places.transpose(1, 2).reshape(-1, features.shape[2], side, side)


def plan_features(backbone: Any, image_size: int, name: str) -> FeaturePlan:
    """Ask a backbone about one black image.

    Parameters
    ----------
    backbone
        A timm model for one channel, without a classifier.
    image_size
        Side of the input.
    name
        Of the architecture, for messages.

    Raises
    ------
    InvalidConfiguration
        If it takes no image of this size, or its features are no map of the image.
    """
    deep, stages = _ask(backbone, image_size, name)
    found = _form(deep, backbone)
    if found is None:
        raise InvalidConfiguration(
            f"the last features of {name} are no map, so its answer cannot be divided over places; {_OTHER}"
        )
    form, deep_side = found
    channels = as_map(deep, form, deep_side).shape[1]
    sides = [stage.shape[2] for stage in stages]
    enough = math.ceil(image_size / _COARSEST)
    fine: int | None = None
    if deep_side < enough:
        candidates = [side for side in sides if side >= enough]
        if not candidates:
            raise InvalidConfiguration(
                f"{name} has no features at stride {_COARSEST} or finer, which the heat-map needs; {_OTHER}"
            )
        fine = max(index for index, side in enumerate(sides) if side == min(candidates))
    return FeaturePlan(
        form=form,
        deep_channels=channels,
        deep_side=deep_side,
        fine_index=fine,
        fine_channels=channels if fine is None else stages[fine].shape[1],
        look_indices=_look_indices(sides, image_size),
        side=deep_side if fine is None else sides[fine],
    )


def drop_unused(backbone: Any, image_size: int, indices: list[int]) -> None:
    """Take out the layers behind the features, such as the fully connected ones of VGG: most of its weights."""
    used: set[nn.Module] = set()

    def note(module: nn.Module, _: object) -> None:
        used.add(module)

    handles = [module.register_forward_pre_hook(note) for module in backbone.modules()]
    _run(backbone, image_size, indices)
    for handle in handles:
        handle.remove()
    for name, child in list(backbone.named_children()):
        holds_weights = any(True for _ in child.parameters())
        if holds_weights and not any(module in used for module in child.modules()):
            setattr(backbone, name, nn.Identity())


def _look_indices(sides: list[int], image_size: int) -> tuple[int, ...]:
    """The last stage of each of the strides 8, 16 and 32; of a network with one stride three, evenly spread."""
    last = {side: index for index, side in enumerate(sides)}
    wanted = [last[side] for stride in _LOOK_STRIDES if (side := -(-image_size // stride)) in last]
    if len(wanted) < 2:
        count = len(sides)
        wanted = [(part * count) // 3 - 1 for part in (1, 2, 3)] if count >= 3 else list(range(count))
    return tuple(sorted(set(wanted)))


def _form(deep: Any, backbone: Any) -> tuple[MapForm, int] | None:
    """The order of the axes and the side of a map; ``None`` where it is none, as in networks of several branches."""
    if not isinstance(deep, torch.Tensor):
        return None
    shape = deep.shape
    if deep.ndim == 3:
        # Some networks with a class token do not say so.
        likely = (shape[1] - prefix for prefix in (getattr(backbone, "num_prefix_tokens", 0), 0, 1))
        sides = [math.isqrt(places) for places in likely if places > 0 and math.isqrt(places) ** 2 == places]
        return (MapForm.TOKENS, sides[0]) if sides else None
    if deep.ndim != 4:
        return None
    channels = getattr(backbone, "num_features", None)
    if shape[2] == shape[3] and (shape[1] == channels or shape[1] != shape[2]):
        return MapForm.CHANNELS_FIRST, shape[2]
    return (MapForm.CHANNELS_LAST, shape[1]) if shape[1] == shape[2] else None


def _ask(backbone: Any, image_size: int, name: str) -> tuple[torch.Tensor, list[torch.Tensor]]:
    if not hasattr(backbone, "forward_intermediates"):
        raise InvalidConfiguration(
            f"{name} does not give its features at several depths, which heat-map and novelty need; {_OTHER}"
        )
    try:
        return _run(backbone, image_size, None)
    except Exception as error:
        # Boundary to any of a thousand networks: what they raise on a size they do not take has no common base.
        made_for = backbone.pretrained_cfg.get("input_size", (0, 0, 0))[-1]
        advice = f"--set image_size={made_for}" if made_for and made_for % _GRID == 0 else _OTHER
        raise InvalidConfiguration(
            f"{name} takes no image of {image_size} pixels; it was made for {made_for}: {advice}"
        ) from error


def _run(
    backbone: Any, image_size: int, indices: list[int] | None
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    training = backbone.training
    backbone.eval()
    try:
        with torch.inference_mode():
            deep, stages = backbone.forward_intermediates(
                torch.zeros(1, 1, image_size, image_size), indices=indices
            )
    finally:
        backbone.train(training)
    return deep, stages
