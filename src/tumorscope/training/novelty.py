"""Where the training images lie in the embedding, and how far another image is from them.

Owns the fit of the Mahalanobis distance to the nearest class (Lee et al., NeurIPS 2018) on a projection of the
embedding. The score itself is computed inside the exported graph from these constants.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.files import atomic_write
from tumorscope.core.labels import CLASS_ORDER

__all__ = ["SPACE", "EmbeddingSpace", "fit_embedding_space", "load_space", "save_space"]

SPACE = "novelty.npz"
"""What the folder of a fit calls the constants, and the novelty of the images it held out."""


DIMENSIONS = 64
_SHRINKAGE = 0.05


@dataclass(frozen=True, slots=True)
class EmbeddingSpace:
    """Constants of the distance.

    Parameters
    ----------
    mean
        ``float32 [d]``, subtracted first.
    projection
        ``float32 [d, k]``, onto whitened directions in which images of one class vary.
    centres
        ``float32 [4, k]``, the projected class means.
    """

    mean: NDArray[np.float32]
    projection: NDArray[np.float32]
    centres: NDArray[np.float32]

    def distance(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """Distance of each embedding (``[N, d]``) to the nearest class centre, ``float32 [N]``."""
        projected = (embeddings - self.mean) @ self.projection
        squared = ((projected[:, None, :] - self.centres[None]) ** 2).sum(axis=-1)
        nearest: NDArray[np.float32] = np.sqrt(squared.min(axis=1))
        return nearest


def fit_embedding_space(
    embeddings: NDArray[np.float32], labels: NDArray[np.int64], weights: NDArray[np.float64] | None = None
) -> EmbeddingSpace:
    """Fit the distance on training images.

    Parameters
    ----------
    embeddings
        ``float32 [N, d]``.
    labels
        ``int64 [N]``.
    weights
        ``float64 [N]``, 1/n for each of n copies of a slice; all 1 where not given.

    Returns
    -------
    EmbeddingSpace
        At most 64 dimensions: a full covariance of 1,280 would outweigh the network.
    """
    data = embeddings.astype(np.float64)
    weights = np.ones(len(data)) if weights is None else weights
    mean = np.average(data, axis=0, weights=weights)
    centres = np.stack(
        [
            np.average(data[labels == position], axis=0, weights=weights[labels == position])
            for position in range(len(CLASS_ORDER))
        ]
    )
    within = data - centres[labels]
    covariance = (within * weights[:, None]).T @ within / weights.sum()
    variance, directions = np.linalg.eigh(covariance)
    kept = np.argsort(variance)[::-1][:DIMENSIONS]
    # Small variances are raised, so that directions with next to no data do not decide the distance.
    floor = _SHRINKAGE * variance[kept].mean()
    projection = directions[:, kept] / np.sqrt(variance[kept] + floor)
    return EmbeddingSpace(
        mean=mean.astype(np.float32),
        projection=projection.astype(np.float32),
        centres=((centres - mean) @ projection).astype(np.float32),
    )


def save_space(path: Path, space: EmbeddingSpace, held_out: NDArray[np.float32]) -> None:
    """Write the constants and the novelty ``[M]`` of images that were held out, in their order."""
    buffer = io.BytesIO()
    arrays = {field.name: getattr(space, field.name) for field in fields(space)}
    np.savez(buffer, **arrays, held_out=held_out)
    atomic_write(path, buffer.getvalue())


def load_space(path: Path) -> tuple[EmbeddingSpace, NDArray[np.float32]]:
    """Read what :func:`save_space` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        space = EmbeddingSpace(**{field.name: arrays[field.name] for field in fields(EmbeddingSpace)})
        return space, arrays["held_out"]
