"""The close-ups that a run with a guide learns from.

Owns how many there are of each image and where they are taken: at the tumour's box where there is one to learn from,
else where the guide looks, as it will when nobody knows the tumour; never quite there, so that a tumour may lie
anywhere in a close-up. They are taken before anything is learnt. Those of one image count as copies of one slice, of
which each epoch shows another. Tumours are put in and taken out before, in the whole head, which says where one may be.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from tumorscope.core.labels import Diagnosis
from tumorscope.models.close_up import CloseUpNetwork
from tumorscope.training.batches import TrainingRows
from tumorscope.training.config import Supervision
from tumorscope.training.module import as_input
from tumorscope.training.transplants import Changed, Donors, transplant

__all__ = ["AT_THE_BOX", "CLOSE_UPS", "close_ups"]

CLOSE_UPS = 4
"""Of each image to learn from."""

AT_THE_BOX = 0.8
"""Share of the close-ups of a boxed tumour that are taken at the box and not where the guide looks.

The same share of those of a healthy image that was changed is taken at the change.
"""

_FROM_THE_BOX = (
    0.15  # of the slice's side: how far the middle of a close-up may be from that of the box, on each axis
)
_FROM_THE_AIM = 0.04  # of the slice's side: standard deviation from where the guide looks, on each axis
_BATCH = 64


def close_ups(
    data: TrainingRows,
    network: CloseUpNetwork,
    *,
    rng: np.random.Generator | None = None,
    supervision: Supervision | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> TrainingRows:
    """Cut out what the reader of a network sees of each image.

    Parameters
    ----------
    data
        Images ``uint8 [N, S, S]``, M of them among ``rows``; where a tumour is known by its box, ``boxes``.
    network
        Whose guide says where to look.
    rng
        For :data:`CLOSE_UPS` of each image to learn from, at boxes and about where the guide looks; ``None`` for the
        one at which the guide looks.
    supervision
        How often a tumour is put into an image to learn from or taken out of it, before each of its close-ups.
    progress
        Called with (done, total) images.

    Returns
    -------
    TrainingRows
        Images ``uint8 [K * M, P, P]``, all of them ``rows``, K of each image, with boxes in fractions of the close-up,
        and with ``weights`` where tumours were moved.
    """
    copies = 1 if rng is None else CLOSE_UPS
    rows, pixels, whole = data.rows, network.pixels, data.images.shape[-1]
    move = None if rng is None or supervision is None else _mover(data, supervision, rng)
    made = _Made.empty(copies, len(rows), pixels)
    for first in range(0, len(rows), _BATCH):
        batch = data.take(rows[first : first + _BATCH])
        looked = network.where(as_input(torch.from_numpy(batch.images))).numpy()
        for copy in range(copies):
            shown, at = batch, looked
            if rng is not None:
                if move is not None:
                    shown = move(batch)
                    at = _where_now(network, batch, looked, shown)
                at = _about(at, _to_see(batch, shown), whole, pixels, rng)
            made.cut(copy, first, shown, at)
        if progress is not None:
            progress(min(first + _BATCH, len(rows)), len(rows))
    return replace(
        data,
        images=made.images.reshape(-1, pixels, pixels),
        labels=made.labels.reshape(-1),
        slice_ids=tuple(data.slice_ids[row] for row in rows) * copies,
        rows=np.arange(copies * len(rows)),
        boxes=None if data.boxes is None else made.boxes.reshape(-1, 4),
        groups=None if data.groups is None else tuple(data.groups[row] for row in rows) * copies,
        weights=None if move is None else made.weights.reshape(-1),
    )


@dataclass(frozen=True, slots=True)
class _Made:
    """Close-ups of K copies of M images."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    boxes: NDArray[np.float32]
    weights: NDArray[np.float32]

    @classmethod
    def empty(cls, copies: int, images: int, pixels: int) -> _Made:
        return cls(
            np.zeros((copies, images, pixels, pixels), dtype=np.uint8),
            np.zeros((copies, images), dtype=np.int64),
            np.zeros((copies, images, 4), dtype=np.float32),
            np.ones((copies, images), dtype=np.float32),
        )

    def cut(self, copy: int, first: int, shown: Changed, at: NDArray[np.int64]) -> None:
        """Fill in the close-ups of a batch, whose upper left corners are given."""
        part, pixels = slice(first, first + len(at)), self.images.shape[-1]
        for place, (top, left) in enumerate(at):
            self.images[copy, first + place] = shown.images[place, top : top + pixels, left : left + pixels]
        self.labels[copy, part], self.weights[copy, part] = shown.labels, shown.weights
        self.boxes[copy, part] = (shown.boxes * shown.images.shape[-1] - np.tile(at[:, ::-1], 2)) / pixels


def _mover(
    data: TrainingRows, supervision: Supervision, rng: np.random.Generator
) -> Callable[[Changed], Changed] | None:
    """What moves tumours in a batch of whole slices; ``None`` where nothing is to be moved or no box is known."""
    if not supervision.transplants or data.boxes is None:
        return None
    donors = Donors(data.images, data.labels, data.boxes, data.rows)

    def move(batch: Changed) -> Changed:
        return transplant(batch.images, batch.labels, batch.boxes, donors, settings=supervision, rng=rng)

    return move


def _where_now(
    network: CloseUpNetwork, before: Changed, looked: NDArray[np.int64], shown: Changed
) -> NDArray[np.int64]:
    """Where the guide looks once images were changed; it is asked again of those alone."""
    changed = np.flatnonzero((shown.images != before.images).any(axis=(1, 2)))
    again = looked.copy()
    if len(changed):
        again[changed] = network.where(as_input(torch.from_numpy(shown.images[changed]))).numpy()
    return again


def _to_see(before: Changed, shown: Changed) -> NDArray[np.float32]:
    """``float32 [B, 4]``: the box of each tumour; of a healthy image, of what was changed in it; else NaN."""
    places = shown.boxes.copy()
    healthy = np.flatnonzero(shown.labels == Diagnosis.NOTUMOR.position)
    for k in healthy.tolist():
        rows, columns = np.nonzero(shown.images[k] != before.images[k])
        if len(rows):
            edges = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            places[k] = np.array(edges, dtype=np.float32) / shown.images.shape[-1]
    return places


def _about(
    looked: NDArray[np.int64],
    boxes: NDArray[np.float32],
    whole: int,
    pixels: int,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Places about where the guide looks, those of most boxed tumours about the middle of the box instead."""
    at = looked + rng.normal(0.0, _FROM_THE_AIM * whole, looked.shape)
    middles = (boxes[:, [1, 0]] + boxes[:, [3, 2]]) / 2
    middles = middles + rng.uniform(-_FROM_THE_BOX, _FROM_THE_BOX, middles.shape)
    moved = (rng.random(len(boxes)) < AT_THE_BOX) & np.isfinite(middles).all(axis=1)
    at = np.where(moved[:, None], np.nan_to_num(middles) * whole - pixels / 2, at)
    return at.round().clip(0, whole - pixels).astype(np.int64)
