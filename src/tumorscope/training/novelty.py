"""Where the training images lie among all images, and how far another image is from them.

Owns the fit of the residual score, the part of an image's look that training images do not have (the subspace of
Wang et al., "ViM: Out-Of-Distribution with Virtual-logit Matching", CVPR 2022, on statistics of several depths rather
than on the last layer, which has forgotten what tells a hand from a head). The score itself is computed inside the
exported graph from these constants.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.files import atomic_write

__all__ = ["SPACE", "NoveltySpace", "fit_novelty_space", "load_space", "save_space"]

SPACE = "novelty.npz"
"""What the folder of a fit calls the constants, and the novelty of the images it held out."""

DIMENSIONS = 192
_FLOOR = 1e-3


@dataclass(frozen=True, slots=True)
class NoveltySpace:
    """Constants of the score.

    Parameters
    ----------
    mean
        ``float32 [m]``, subtracted first.
    scale
        ``float32 [m]``, positive, divided by next. The usual distance of training images is in it, so that distances by
        models that have learnt from other images are in one unit, and a limit found by some serves another.
    basis
        ``float32 [m, k]`` with orthonormal columns: the directions in which training images vary.
    """

    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    basis: NDArray[np.float32]

    def distance(self, looks: NDArray[np.float32]) -> NDArray[np.float32]:
        """Length of what is left of each look (``[N, m]``) outside the directions, ``float32 [N]``."""
        standard = (looks - self.mean) / self.scale
        left = standard - (standard @ self.basis) @ self.basis.T
        length: NDArray[np.float32] = np.sqrt((left**2).sum(axis=1))
        return length


def fit_novelty_space(looks: NDArray[np.float32]) -> NoveltySpace:
    """Fit the score on training images, one copy of each slice.

    Parameters
    ----------
    looks
        ``float32 [N, m]``, see :class:`~tumorscope.models.network.NetworkOutput`.

    Returns
    -------
    NoveltySpace
        At most 192 directions, and at most half as many as there are images or features: with all of them nothing
        would be left to measure. The median distance of ``looks`` is 1.
    """
    data = looks.astype(np.float64)
    mean, scale = data.mean(axis=0), data.std(axis=0)
    # A channel that is silent on every brain slice must not outweigh all others by itself.
    scale = np.maximum(scale, max(_FLOOR * float(np.median(scale)), float(np.finfo(np.float32).tiny)))
    standard = (data - mean) / scale
    _, directions = np.linalg.eigh(standard.T @ standard / len(data))
    kept = min(DIMENSIONS, len(data) // 2, data.shape[1] // 2)
    space = NoveltySpace(
        mean=mean.astype(np.float32),
        scale=scale.astype(np.float32),
        basis=np.ascontiguousarray(directions[:, ::-1][:, :kept], dtype=np.float32),
    )
    usual = float(np.median(space.distance(looks)))
    return replace(space, scale=space.scale * np.float32(usual)) if usual > 0 else space


def save_space(path: Path, space: NoveltySpace, held_out: NDArray[np.float32]) -> None:
    """Write the constants and the novelty ``[M]`` of images that were held out, in their order."""
    buffer = io.BytesIO()
    arrays = {field.name: getattr(space, field.name) for field in fields(space)}
    np.savez(buffer, **arrays, held_out=held_out)
    atomic_write(path, buffer.getvalue())


def load_space(path: Path) -> tuple[NoveltySpace, NDArray[np.float32]]:
    """Read what :func:`save_space` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        space = NoveltySpace(**{field.name: arrays[field.name] for field in fields(NoveltySpace)})
        return space, arrays["held_out"]
