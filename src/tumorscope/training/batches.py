"""Batches of a run, addressed by the step they belong to.

Owns the data set that the training loop iterates. It starts wherever the run stands, so that a resumed run sees
neither a batch twice nor one less: Lightning by itself begins the epoch anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import IterableDataset

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.core.labels import Diagnosis
from tumorscope.training.balance import draw_balanced
from tumorscope.training.config import Supervision
from tumorscope.training.counters import Purpose, draw_order, stream_seed
from tumorscope.training.parts import WHOLE, Part
from tumorscope.training.transplants import Changed, Donors, transplant

__all__ = ["Batch", "BatchStream", "Places", "TrainingRows", "batches_before"]


Sampling = Literal["slice", "class", "patient", "class-patient"]


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
    groups
        Which group, mostly a patient, each row belongs to; needed only by a run that draws patients evenly or is
        stopped early.
    part
        What ``metrics.csv`` calls this part where it is watched.
    weights
        ``float32 [N]``, of each image in the loss of the classes, of images in which tumours were moved before; they
        are not moved again.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    slice_ids: tuple[str, ...]
    rows: NDArray[np.int64]
    boxes: NDArray[np.float32] | None = None
    groups: tuple[str, ...] | None = None
    part: str = "held out"
    weights: NDArray[np.float32] | None = None

    @property
    def distinct(self) -> int:
        """How many distinct slices there are."""
        return len({self.slice_ids[row] for row in self.rows})

    @property
    def one_a_slice(self) -> NDArray[np.int64]:
        """Those of ``rows`` that hold the first copy of each slice; the others would say the same again."""
        first = {self.slice_ids[row]: int(row) for row in reversed(self.rows)}
        return np.array(sorted(first.values()), dtype=np.int64)

    def take(self, rows: NDArray[np.int64]) -> Changed:
        """Some of the images as they are; boxes are NaN where none are known, weights 1 where none are given."""
        unknown = np.full((len(rows), 4), np.nan, dtype=np.float32)
        return Changed(
            np.ascontiguousarray(self.images[rows]),
            self.labels[rows],
            unknown if self.boxes is None else self.boxes[rows],
            np.ones(len(rows), dtype=np.float32) if self.weights is None else self.weights[rows],
        )


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
    part, parts
        Which part of the step's images this is, and how many there are.
    whole
        How many images all parts have together; 0 says that these are all.
    """

    images: torch.Tensor
    labels: torch.Tensor
    epoch: int
    step: int
    places: Places | None = None
    part: int = 0
    parts: int = 1
    whole: int = 0

    @property
    def share(self) -> float:
        """Weight of this part's mean loss, such that the mean over parts is that over all images of the step."""
        return len(self.labels) * self.parts / self.whole if self.whole else 1.0

    @property
    def counted(self) -> int:
        """The same weight for Lightning's means, in whole numbers: it rounds the mean count of several processes."""
        return len(self.labels) * self.parts


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
    sampling
        What an epoch draws evenly: slices, classes, patients, or the patients of each class.
    part
        Which part of each batch to give. Parts are disjoint and together the batch, whatever their number.

    Raises
    ------
    InvalidConfiguration
        If a batch has fewer images than there are parts.
    """

    def __init__(
        self,
        data: TrainingRows,
        batch_size: int,
        seed: int,
        position: Callable[[], int],
        *,
        supervision: Supervision | None = None,
        sampling: Sampling = "slice",
        part: Part = WHOLE,
    ) -> None:
        self._data = data
        self._batch_size = min(batch_size, data.distinct)
        part.check(self._batch_size, "a step")
        self._part = part
        self._seed = seed
        self._position = position
        self._slices = tuple(data.slice_ids[row] for row in data.rows)
        self._paths = _paths(data, sampling)
        self._supervision = supervision if supervision is not None and supervision.active else None
        self._donors: Donors | None = None
        moves = self._supervision is not None and self._supervision.transplants and data.weights is None
        if moves and data.boxes is not None:
            self._donors = Donors(data.images, data.labels, data.boxes, data.rows)

    def __len__(self) -> int:
        return self._data.distinct // self._batch_size

    def __iter__(self) -> Iterator[Batch]:
        epoch, first = divmod(self._position(), len(self))
        if self._paths is None:
            drawn = draw_order(self._slices, self._seed, epoch)
        else:
            drawn = draw_balanced(self._paths, self._slices, self._seed, epoch)
        order = self._data.rows[drawn]
        for step in range(first, len(self)):
            rows = order[step * self._batch_size : (step + 1) * self._batch_size]
            yield self._batch(rows, epoch, step)

    def _batch(self, rows: NDArray[np.int64], epoch: int, step: int) -> Batch:
        whole, rows = len(rows), self._part.of(rows)
        changed = self._data.take(rows)
        if self._supervision is None or self._data.boxes is None:
            unchanged = torch.from_numpy(changed.images), torch.from_numpy(changed.labels)
            return Batch(*unchanged, epoch, step, None, self._part.index, self._part.count, whole)
        if self._donors is not None:
            seed = stream_seed(self._seed, Purpose.TRANSPLANTS, epoch, step, self._part.index)
            rng = np.random.Generator(np.random.Philox(seed))
            changed = transplant(
                changed.images,
                changed.labels,
                changed.boxes,
                self._donors,
                settings=self._supervision,
                rng=rng,
            )
        known = (changed.labels == Diagnosis.NOTUMOR.position) | np.isfinite(changed.boxes).all(axis=1)
        places = Places(
            torch.from_numpy(changed.boxes), torch.from_numpy(known), torch.from_numpy(changed.weights)
        )
        changed_images, changed_labels = torch.from_numpy(changed.images), torch.from_numpy(changed.labels)
        return Batch(
            changed_images, changed_labels, epoch, step, places, self._part.index, self._part.count, whole
        )


def batches_before(steps: int, batches: int, accumulate: int) -> int:
    """How many batches were learnt from before a step of the optimiser.

    Parameters
    ----------
    steps
        Taken so far in the whole run.
    batches
        Of an epoch.
    accumulate
        Batches a step; the last step of an epoch takes what is left.
    """
    epoch, step = divmod(steps, -(-batches // accumulate))
    return epoch * batches + step * accumulate


def _paths(data: TrainingRows, sampling: Sampling) -> list[tuple[int | str, ...]] | None:
    """Where each row belongs, from the level that is drawn evenly first; ``None`` where only slices are."""
    if sampling == "slice":
        return None
    labels = [(int(label),) for label in data.labels[data.rows]]
    if sampling == "class":
        return list(labels)
    if data.groups is None:
        raise InvalidConfiguration(
            f"sampling={sampling} needs to know which images belong to one patient, and no groups were given; "
            "train with sampling=class"
        )
    groups = [(data.groups[row],) for row in data.rows]
    if sampling == "patient":
        return list(groups)
    return [(*label, *group) for label, group in zip(labels, groups, strict=True)]
