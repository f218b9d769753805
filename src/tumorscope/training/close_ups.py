"""The close-ups that a run with a guide learns from.

Owns where they are taken: at the tumour's box where there is one to learn from, else where the guide looks, as it will
when nobody knows the tumour. They are taken before anything is learnt and stay the same in all epochs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from tumorscope.models.close_up import CloseUpNetwork, take
from tumorscope.training.batches import TrainingRows
from tumorscope.training.module import as_input

__all__ = ["AT_THE_BOX", "close_ups"]

AT_THE_BOX = 0.8
"""Share of the boxed tumours whose close-up is taken at the box and not where the guide looks."""

_SCATTER = 0.05  # of the side: standard deviation of a close-up's centre around that of the box
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
        Images ``uint8 [N, S, S]``; where a tumour is known by its box, ``boxes``.
    network
        Whose guide says where to look.
    rng
        To look at boxes, of an image to learn from; ``None`` to look where the guide looks.
    progress
        Called with (done, total) images.

    Returns
    -------
    TrainingRows
        The same rows with images ``uint8 [N, P, P]``, of which those that are not among ``rows`` are black, and with
        boxes in fractions of the close-up.
    """
    pixels, whole = network.pixels, data.images.shape[-1]
    starts = np.zeros((len(data.images), 2), dtype=np.int64)
    images = np.zeros((len(data.images), pixels, pixels), dtype=np.uint8)
    for first in range(0, len(data.rows), _BATCH):
        rows = data.rows[first : first + _BATCH]
        batch = torch.from_numpy(np.ascontiguousarray(data.images[rows]))
        starts[rows] = network.where(as_input(batch)).numpy()
        if rng is not None and data.boxes is not None:
            starts[rows] = _at_boxes(starts[rows], data.boxes[rows], whole, pixels, rng)
        images[rows] = take(batch.unsqueeze(1), torch.from_numpy(starts[rows]), pixels).squeeze(1).numpy()
        if progress is not None:
            progress(first + len(rows), len(data.rows))
    boxes = data.boxes
    if boxes is not None:
        left_top = np.tile(starts[:, ::-1], 2)
        boxes = ((boxes * whole - left_top) / pixels).astype(np.float32)
    return replace(data, images=images, boxes=boxes)


def _at_boxes(
    starts: NDArray[np.int64],
    boxes: NDArray[np.float32],
    whole: int,
    pixels: int,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Move most close-ups of boxed tumours to about the middle of the box, within the image."""
    middles = (boxes[:, [1, 0]] + boxes[:, [3, 2]]) / 2 + rng.normal(0, _SCATTER, (len(boxes), 2))
    moved = rng.random(len(boxes)) < AT_THE_BOX
    moved &= np.isfinite(middles).all(axis=1)
    at = np.nan_to_num(middles * whole - pixels / 2).round().clip(0, whole - pixels).astype(np.int64)
    return np.where(moved[:, None], at, starts)
