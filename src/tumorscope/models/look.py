"""What an image looks like to a network, at several depths.

Owns the statistics by which a foreign image is told from a brain slice. What is usual for them is fitted in
:mod:`tumorscope.training.novelty`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional

__all__ = ["describe_look"]

_TILE = 32  # pixels; every input side is a multiple of it
_CHANNELS = 512  # of one depth; with more the directions of thousands of statistics would have to be found


def describe_look(stages: Sequence[torch.Tensor], image: torch.Tensor) -> torch.Tensor:
    """Texture at every depth, and layout.

    Parameters
    ----------
    stages
        Features ``[N, C, h, w]`` of several depths. Where there are more than 512 channels, neighbours are taken
        together.
    image
        ``float32 [N, 1, S, S]`` in [0, 1].

    Returns
    -------
    torch.Tensor
        ``float32 [N, m]``.
    """
    return torch.cat([*(_mean_and_spread(stage.float()) for stage in stages), _layout(image.float())], dim=1)


def _mean_and_spread(features: torch.Tensor) -> torch.Tensor:
    """Mean and standard deviation of every channel over space, ``[N, 2 C]``: texture, wherever it is."""
    mean = features.mean(dim=(2, 3), keepdim=True)
    spread = (features - mean).square().mean(dim=(2, 3)).sqrt()
    return torch.cat([_folded(mean.flatten(1)), _folded(spread)], dim=1)


def _folded(values: torch.Tensor) -> torch.Tensor:
    """Averages of as many neighbouring channels as it takes to have at most 512."""
    channels = values.shape[1]
    together = -(-channels // _CHANNELS)
    if together == 1:
        return values
    padded = functional.pad(values, (0, -channels % together))
    return padded.reshape(-1, padded.shape[1] // together, together).mean(dim=2)


def _layout(image: torch.Tensor) -> torch.Tensor:
    """Mean and standard deviation of the tiles of an image: where it is bright, dark and busy."""
    mean = functional.avg_pool2d(image, _TILE)
    away = image - functional.interpolate(mean, scale_factor=float(_TILE), mode="nearest")
    spread = functional.avg_pool2d(away.square(), _TILE).sqrt()
    return torch.cat([mean.flatten(1), spread.flatten(1)], dim=1)
