"""Curves of brightness as tables, for whole batches.

Owns the look-up with interpolation. What the curves are is the business of those who call it.
"""

from __future__ import annotations

import torch

__all__ = ["apply_tables"]


def apply_tables(images: torch.Tensor, tables: torch.Tensor) -> torch.Tensor:
    """Read every pixel's new brightness in its image's table, linearly between entries.

    Parameters
    ----------
    images
        ``float32 [K, 1, S, S]`` in [0, 1].
    tables
        ``float32 [K, E]``: the brightness that 0, 1/(E-1), ..., 1 become; at least two entries.

    Returns
    -------
    torch.Tensor
        ``float32 [K, 1, S, S]``.
    """
    steps = tables.shape[1] - 1
    place = images.flatten(1) * steps
    low = place.floor().clamp(0, steps - 1)
    index = low.long()
    start = tables[:, :-1].gather(1, index)
    rise = (tables[:, 1:] - tables[:, :-1]).gather(1, index)
    return (start + rise * (place - low)).view_as(images)
