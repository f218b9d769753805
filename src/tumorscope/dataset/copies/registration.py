"""Two small pictures laid over each other as well as a shift and a stretch of each axis allow.

Owns :func:`register`: Gauss-Newton steps on the difference of the pictures (Lucas & Kanade, 1981) with the gain free,
for many pairs at once. Warps along the axes are separable, so each is two small matrix products.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Warps", "register"]

Pictures = NDArray[np.floating[Any]]
Warps = NDArray[np.floating[Any]]

_IDENTITY = np.array([1, 0, 1, 0], np.float32)

_LARGEST_STEP = 0.1
_SCALES, _LARGEST_SHIFT = (0.7, 1.4), 0.35  # far beyond what a crop of 10 % at each edge asks for
_DAMPING = 1e-3


def register(
    fixed: Pictures, moving: Pictures, steps: int, start: Warps | None = None, *, tolerance: float = 0.0
) -> tuple[NDArray[np.floating[Any]], Warps]:
    """Fit the moving picture of each pair to the fixed one.

    Parameters
    ----------
    fixed, moving
        Normalised pictures, ``float32 [N, T, T]``.
    steps
        Gauss-Newton steps; 0 only compares.
    start
        Where to start, ``float32 [N, 4]``: scale and shift along x, then along y, in half sides of the picture. As
        the pictures lie where ``None``.
    tolerance
        A pair whose correlation a step changes by no more gets no further ones. The correlation settles long before
        the warp does.

    Returns
    -------
    tuple
        Correlation ``float32 [N]`` in [-1, 1] over the part where both have pixels, and the warp it was reached
        with; the best of all steps.
    """
    side = fixed.shape[-1]
    along = ((np.arange(side, dtype=np.float32) + 0.5) / side) * 2 - 1
    warp = np.tile(_IDENTITY, (len(fixed), 1)) if start is None else start
    best, best_warp = np.full(len(fixed), -1, np.float32), warp.copy()
    going = np.arange(len(fixed))
    for step in range(steps + 1):
        still, moved = _overlaid(fixed, moving, warp, along)
        norms = np.sqrt(_dot(still, still)), np.sqrt(_dot(moved, moved))
        agreement = _dot(still, moved) / np.maximum(norms[0] * norms[1], np.float32(1e-6))
        gained = agreement - best[going]
        better = gained > 0
        best_warp[going[better]] = warp[better]
        best[going[better]] = agreement[better]
        if step == steps:
            break
        # Where a step changed next to nothing the next will not either.
        moves = np.flatnonzero(np.abs(gained) > tolerance)
        if not len(moves):
            break
        if len(moves) < len(going):
            going, fixed, moving, warp = going[moves], fixed[moves], moving[moves], warp[moves]
            still, moved, norms = still[moves], moved[moves], (norms[0][moves], norms[1][moves])
        gain = norms[0] / np.maximum(norms[1], np.float32(1e-6))
        moved *= gain[:, None, None]
        warp = _advanced(warp, _step(still, moved, along))
    return best, best_warp


def _dot(first: Pictures, second: Pictures) -> NDArray[np.floating[Any]]:
    result: NDArray[np.floating[Any]] = np.einsum("nij,nij->n", first, second)
    return result


def _overlaid(
    fixed: Pictures, moving: Pictures, warp: Warps, along: NDArray[np.floating[Any]]
) -> tuple[Pictures, Pictures]:
    """Both pictures where both have pixels, their means taken out; zero elsewhere."""
    columns, in_x = _sampling(warp[:, 0], warp[:, 1], along)
    rows, in_y = _sampling(warp[:, 2], warp[:, 3], along)
    moved = rows @ moving @ columns.transpose(0, 2, 1)
    shared = (in_y[:, :, None] & in_x[:, None, :]).astype(np.float32)
    pixels = np.maximum(shared.sum(axis=(1, 2)), 1)
    still = fixed * shared
    still -= shared * (still.sum(axis=(1, 2)) / pixels)[:, None, None]
    moved *= shared
    moved -= shared * (moved.sum(axis=(1, 2)) / pixels)[:, None, None]
    return still, moved


def _sampling(
    scale: NDArray[np.floating[Any]], shift: NDArray[np.floating[Any]], along: NDArray[np.floating[Any]]
) -> tuple[Pictures, NDArray[np.bool_]]:
    """Linear interpolation as matrices ``[N, T, T]``, and which of the samples lie inside ``[N, T]``."""
    side = len(along)
    at = (scale[:, None] * along + shift[:, None] + 1) * np.float32(side / 2) - np.float32(0.5)
    inside = (at >= -0.5) & (at <= side - 0.5)
    distance = np.abs(np.clip(at, 0, side - 1)[:, :, None] - np.arange(side, dtype=np.float32))
    return np.maximum(np.float32(1) - distance, np.float32(0)), inside


def _step(still: Pictures, moved: Pictures, along: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Least-squares change ``[N, 4]`` of scale and shift along x, then along y."""
    side = len(along)
    jacobian = np.zeros((len(moved), 5, side, side), np.float32)
    slope_x, slope_y = jacobian[:, 1], jacobian[:, 3]
    np.subtract(moved[:, :, 2:], moved[:, :, :-2], out=slope_x[:, :, 1:-1])
    np.subtract(moved[:, 2:], moved[:, :-2], out=slope_y[:, 1:-1])
    jacobian[:, 1:4:2] *= np.float32(side / 4)
    np.multiply(slope_x, along, out=jacobian[:, 0])
    np.multiply(slope_y, along[:, None], out=jacobian[:, 2])
    jacobian[:, 4] = moved
    columns = jacobian.reshape(len(moved), 5, -1)
    normal = columns @ columns.transpose(0, 2, 1)
    damping = _DAMPING * np.trace(normal, axis1=1, axis2=2) / 5 + 1e-6
    normal += np.eye(5, dtype=np.float32) * damping[:, None, None]
    right = columns @ (still - moved).reshape(len(moved), -1, 1)
    change: NDArray[np.floating[Any]] = np.linalg.solve(normal, right)[:, :4, 0]
    clipped: Pictures = np.clip(change, -_LARGEST_STEP, _LARGEST_STEP)
    return clipped


def _advanced(warp: Warps, change: NDArray[np.floating[Any]]) -> Warps:
    """The warp after the change was put before it."""
    advanced = warp.copy()
    for scale, shift in ((0, 1), (2, 3)):
        advanced[:, shift] += warp[:, scale] * change[:, shift]
        advanced[:, scale] *= 1 + change[:, scale]
        np.clip(advanced[:, scale], *_SCALES, out=advanced[:, scale])
        np.clip(advanced[:, shift], -_LARGEST_SHIFT, _LARGEST_SHIFT, out=advanced[:, shift])
    return advanced
