"""The close-ups that a run with a guide learns from.

Owns how many there are of each image and where they are taken: at the tumour's box where there is one to learn from,
else where the guide looks, as it will when nobody knows the tumour; never quite there, so that a tumour may lie
anywhere in a close-up. They are taken before anything is learnt. Those of one image count as copies of one slice, of
which each epoch shows another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from tumorscope.models.close_up import CloseUpNetwork
from tumorscope.training.batches import TrainingRows
from tumorscope.training.module import as_input

__all__ = ["AT_THE_BOX", "CLOSE_UPS", "close_ups"]

CLOSE_UPS = 4
"""Of each image to learn from."""

AT_THE_BOX = 0.8
"""Share of the close-ups of a boxed tumour that are taken at the box and not where the guide looks."""

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
    progress
        Called with (done, total) images.

    Returns
    -------
    TrainingRows
        Images ``uint8 [K * M, P, P]``, all of them ``rows``, K of each image, with boxes in fractions of the close-up.
    """
    copies = 1 if rng is None else CLOSE_UPS
    rows, pixels, whole = data.rows, network.pixels, data.images.shape[-1]
    boxes = None if data.boxes is None else data.boxes[rows]
    starts = np.zeros((copies, len(rows), 2), dtype=np.int64)
    images = np.zeros((copies, len(rows), pixels, pixels), dtype=np.uint8)
    for first in range(0, len(rows), _BATCH):
        part = slice(first, first + _BATCH)
        batch = np.ascontiguousarray(data.images[rows[part]])
        looked = network.where(as_input(torch.from_numpy(batch))).numpy()
        known = None if boxes is None else boxes[part]
        for copy in range(copies):
            at = looked if rng is None else _about(looked, known, whole, pixels, rng)
            starts[copy, part] = at
            for place, (top, left) in enumerate(at):
                images[copy, first + place] = batch[place, top : top + pixels, left : left + pixels]
        if progress is not None:
            progress(min(first + _BATCH, len(rows)), len(rows))
    if boxes is not None:
        left_top = np.tile(starts.reshape(-1, 2)[:, ::-1], 2)
        boxes = ((np.tile(boxes, (copies, 1)) * whole - left_top) / pixels).astype(np.float32)
    return replace(
        data,
        images=images.reshape(-1, pixels, pixels),
        labels=np.tile(data.labels[rows], copies),
        slice_ids=tuple(data.slice_ids[row] for row in rows) * copies,
        rows=np.arange(copies * len(rows)),
        boxes=boxes,
        groups=None if data.groups is None else tuple(data.groups[row] for row in rows) * copies,
    )


def _about(
    looked: NDArray[np.int64],
    boxes: NDArray[np.float32] | None,
    whole: int,
    pixels: int,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Places about where the guide looks, those of most boxed tumours about the middle of the box instead."""
    at = looked + rng.normal(0.0, _FROM_THE_AIM * whole, looked.shape)
    if boxes is not None:
        middles = (boxes[:, [1, 0]] + boxes[:, [3, 2]]) / 2
        middles = middles + rng.uniform(-_FROM_THE_BOX, _FROM_THE_BOX, middles.shape)
        moved = (rng.random(len(boxes)) < AT_THE_BOX) & np.isfinite(middles).all(axis=1)
        at = np.where(moved[:, None], np.nan_to_num(middles) * whole - pixels / 2, at)
    return at.round().clip(0, whole - pixels).astype(np.int64)
