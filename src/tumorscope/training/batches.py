"""Batches of a run, addressed by the step they belong to.

Owns the data set that the training loop iterates. It starts wherever the run stands, so that a resumed run sees
neither a batch twice nor one less: Lightning by itself begins the epoch anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import IterableDataset

from tumorscope.training.counters import draw_order

__all__ = ["Batch", "BatchStream", "TrainingRows"]


@dataclass(frozen=True, slots=True)
class TrainingRows:
    """Images to learn from.

    Parameters
    ----------
    images
        ``uint8 [N, S, S]``, memory-mapped or not.
    labels
        ``int64 [N]``.
    slice_ids
        Which slice each row is a copy of.
    rows
        Positions in ``images`` that belong to this part, ``int64 [M]``; ``labels`` and ``slice_ids`` are indexed
        the same way as ``images``.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    slice_ids: tuple[str, ...]
    rows: NDArray[np.int64]

    @property
    def distinct(self) -> int:
        """How many distinct slices there are."""
        return len({self.slice_ids[row] for row in self.rows})


class Batch(NamedTuple):
    """One step's images.

    Parameters
    ----------
    images
        ``uint8 [B, S, S]``.
    labels
        ``int64 [B]``.
    epoch, step
        Where in the run the batch belongs; ``step`` counts from the start of the epoch.
    """

    images: torch.Tensor
    labels: torch.Tensor
    epoch: int
    step: int


class BatchStream(IterableDataset[Batch]):
    """The batches of the current epoch from the current step on.

    Parameters
    ----------
    data
        The images to draw from.
    batch_size
        Images a batch; the last, smaller batch of an epoch is dropped unless it is the only one.
    seed
        Seed of the run.
    position
        Called when an epoch begins (or is continued); gives the number of steps already taken in the whole run.
    """

    def __init__(self, data: TrainingRows, batch_size: int, seed: int, position: Callable[[], int]) -> None:
        self._data = data
        self._batch_size = min(batch_size, data.distinct)
        self._seed = seed
        self._position = position
        self._slices = tuple(data.slice_ids[row] for row in data.rows)

    def __len__(self) -> int:
        return self._data.distinct // self._batch_size

    def __iter__(self) -> Iterator[Batch]:
        epoch, first = divmod(self._position(), len(self))
        order = self._data.rows[draw_order(self._slices, self._seed, epoch)]
        for step in range(first, len(self)):
            rows = order[step * self._batch_size : (step + 1) * self._batch_size]
            yield Batch(
                images=torch.from_numpy(np.ascontiguousarray(self._data.images[rows])),
                labels=torch.from_numpy(self._data.labels[rows]),
                epoch=epoch,
                step=step,
            )
