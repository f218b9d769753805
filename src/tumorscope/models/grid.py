"""Maps of evidence on another grid, without a change of their sum.

Owns the one rule by which cells of one size are divided over cells of another. Knows no network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

__all__ = ["on_grid", "shares"]


def shares(cells: int, wanted: int) -> NDArray[np.float64]:
    """How a row of cells is divided over another row of the same length.

    Parameters
    ----------
    cells, wanted
        How many cells there are, and how many are wanted; at least 1.

    Returns
    -------
    numpy.ndarray
        ``float64 [wanted, cells]``: which share of each cell lies in each wanted one. Every column sums to 1, so that
        nothing is lost or doubled; evidence is spread evenly over its cell.
    """
    old, new = np.arange(cells + 1) / cells, np.arange(wanted + 1) / wanted
    ends = np.minimum(new[1:, None], old[None, 1:]) - np.maximum(new[:-1, None], old[None, :-1])
    lengths = np.clip(ends, 0.0, None)
    return np.asarray(lengths / lengths.sum(axis=0, keepdims=True))


def on_grid(maps: torch.Tensor, side: int) -> torch.Tensor:
    """Maps ``float [N, C, h, w]`` as ``[N, C, side, side]`` of the same sum over space."""
    import torch  # what merges graphs needs the rule alone

    if maps.shape[-2:] == (side, side):
        return maps
    down, across = (
        torch.from_numpy(shares(cells, side)).to(maps.device, maps.dtype) for cells in maps.shape[-2:]
    )
    return down @ maps @ across.T
