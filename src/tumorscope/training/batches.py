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

from tumorscope.core.labels import Diagnosis
from tumorscope.training.config import Supervision
from tumorscope.training.counters import Purpose, draw_order, stream_seed
from tumorscope.training.transplants import Donors, transplant

__all__ = ["Batch", "BatchStream", "Places", "TrainingRows"]


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
    boxes
        ``float32 [N, 4]``, where the tumours are (:func:`tumorscope.training.boxes.open_boxes`); needed only where a
        run learns from them.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    slice_ids: tuple[str, ...]
    rows: NDArray[np.int64]
    boxes: NDArray[np.float32] | None = None

    @property
    def distinct(self) -> int:
        """How many distinct slices there are."""
        return len({self.slice_ids[row] for row in self.rows})


class Places(NamedTuple):
    """What is known of where the tumours of a batch are.

    Parameters
    ----------
    boxes
        ``float32 [B, 4]``: left, top, right, bottom in fractions of the side; NaN where there is none.
    known
        ``bool [B]``: whether the box, or that there is none, is the truth.
    weights
        ``float32 [B]``, of each image in the loss of the classes.
    """

    boxes: torch.Tensor
    known: torch.Tensor
    weights: torch.Tensor


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
    places
        Where the tumours are, in a run that learns from it.
    """

    images: torch.Tensor
    labels: torch.Tensor
    epoch: int
    step: int
    places: Places | None = None


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
    supervision
        What is learnt from boxes; nothing where the data has none.
    """

    def __init__(
        self,
        data: TrainingRows,
        batch_size: int,
        seed: int,
        position: Callable[[], int],
        supervision: Supervision | None = None,
    ) -> None:
        self._data = data
        self._batch_size = min(batch_size, data.distinct)
        self._seed = seed
        self._position = position
        self._slices = tuple(data.slice_ids[row] for row in data.rows)
        self._supervision = supervision if supervision is not None and supervision.active else None
        self._donors: Donors | None = None
        if self._supervision is not None and data.boxes is not None:
            self._donors = Donors(data.images, data.labels, data.boxes, data.rows)

    def __len__(self) -> int:
        return self._data.distinct // self._batch_size

    def __iter__(self) -> Iterator[Batch]:
        epoch, first = divmod(self._position(), len(self))
        order = self._data.rows[draw_order(self._slices, self._seed, epoch)]
        for step in range(first, len(self)):
            rows = order[step * self._batch_size : (step + 1) * self._batch_size]
            yield self._batch(rows, epoch, step)

    def _batch(self, rows: NDArray[np.int64], epoch: int, step: int) -> Batch:
        images, labels = np.ascontiguousarray(self._data.images[rows]), self._data.labels[rows]
        if self._supervision is None or self._donors is None or self._data.boxes is None:
            return Batch(torch.from_numpy(images), torch.from_numpy(labels), epoch, step)
        rng = np.random.Generator(np.random.Philox(stream_seed(self._seed, Purpose.TRANSPLANTS, epoch, step)))
        changed = transplant(
            images, labels, self._data.boxes[rows], self._donors, settings=self._supervision, rng=rng
        )
        known = (changed.labels == Diagnosis.NOTUMOR.position) | np.isfinite(changed.boxes).all(axis=1)
        places = Places(
            torch.from_numpy(changed.boxes), torch.from_numpy(known), torch.from_numpy(changed.weights)
        )
        return Batch(torch.from_numpy(changed.images), torch.from_numpy(changed.labels), epoch, step, places)
