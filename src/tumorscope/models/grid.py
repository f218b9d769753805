"""Maps of evidence on another grid, without a change of their sum.

Owns the two rules by which what cells say is divided over cells of another size: as if a cell were a square, and as if
it were the middle of what it speaks about. Knows no network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

__all__ = ["on_grid", "shares", "tents"]


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


def tents(cells: int, wanted: int, reach: float = 1.0) -> NDArray[np.float64]:
    """How a row of cells is divided over another row, if each speaks about what lies around its middle.

    What a cell of a network's features says rests on more of the image than the square that it stands for, most of all
    on its middle. So its evidence is spread by a tent, as in bilinear interpolation, and neighbours overlap.

    Parameters
    ----------
    cells, wanted
        How many cells there are, and how many are wanted; at least 1.
    reach
        From the middle of a cell to the foot of its tent, in cells; above 0.

    Returns
    -------
    numpy.ndarray
        ``float64 [wanted, cells]``: which share of each cell lies in each wanted one. Every column sums to 1; what
        would lie beyond an end is divided over what lies within.
    """
    ends = (np.arange(wanted + 1) / wanted)[:, None] * cells
    middles = np.arange(cells)[None] + 0.5
    away = np.clip((ends - middles) / reach, -1.0, 1.0)
    below = 0.5 + away - np.sign(away) * away**2 / 2
    shares = np.diff(below, axis=0)
    return np.asarray(shares / shares.sum(axis=0, keepdims=True))


def on_grid(maps: torch.Tensor, side: int) -> torch.Tensor:
    """Maps ``float [N, C, h, w]`` as ``[N, C, side, side]`` of the same sum over space."""
    import torch  # what merges graphs needs the rule alone

    if maps.shape[-2:] == (side, side):
        return maps
    down, across = (
        torch.from_numpy(shares(cells, side)).to(maps.device, maps.dtype) for cells in maps.shape[-2:]
    )
    return down @ maps @ across.T
