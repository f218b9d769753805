"""Tumour boxes of a data set in the square that the network sees, and their masks.

Owns the table of boxes that training by place rests on, kept beside the cache of network inputs: where the head lies
is known only once an image has been decoded. Knows no network.
"""

from __future__ import annotations

import hashlib
import io

import numpy as np
import torch
from numpy.typing import NDArray

from tumorscope.core.errors import InvalidManifest
from tumorscope.core.files import atomic_write
from tumorscope.core.labels import Diagnosis
from tumorscope.dataset.cache import cache_folder
from tumorscope.dataset.load import load_slice
from tumorscope.dataset.manifest import ImageRecord, Manifest
from tumorscope.dataset.scan import Progress
from tumorscope.explanation.box import to_square
from tumorscope.preprocess import PREPROCESSING, find_head

__all__ = ["draw_masks", "open_boxes"]


def open_boxes(manifest: Manifest, progress: Progress | None = None) -> NDArray[np.float32]:
    """The boxes of a manifest over the network's square, read from the cache where they are there.

    Parameters
    ----------
    manifest
        The data set; its images must be readable.
    progress
        Called with (done, total) while boxes are measured.

    Returns
    -------
    numpy.ndarray
        ``float32 [N, 4]``: left, top, right, bottom in fractions of the side, which may lie outside [0, 1]; NaN for
        an image without a tumour or without a box.

    Raises
    ------
    InvalidManifest
        If no image has a box.
    """
    boxed = [row for row, record in enumerate(manifest) if _has_box(record)]
    if not boxed:
        raise InvalidManifest(
            "the data has no tumour boxes (columns box_cx, box_cy, box_w, box_h), which the settings supervision.* "
            "need; give a manifest with boxes, or leave these settings out"
        )
    path = cache_folder() / f"{_key(manifest, boxed)}.boxes.npy"
    if path.is_file() and (known := _existing(path, len(manifest))) is not None:
        return known
    boxes = np.full((len(manifest), 4), np.nan, dtype=np.float32)
    for done, row in enumerate(boxed, start=1):
        record = manifest.records[row]
        pixels = load_slice(record.path).pixels
        if record.box is not None:
            boxes[row] = to_square(record.box, find_head(pixels), (pixels.shape[0], pixels.shape[1]))
        if progress is not None:
            progress(done, len(boxed))
    path.parent.mkdir(parents=True, exist_ok=True)
    stream = io.BytesIO()
    np.save(stream, boxes)
    atomic_write(path, stream.getvalue())
    return boxes


def draw_masks(boxes: torch.Tensor, size: int) -> torch.Tensor:
    """Masks of boxes: the share of each pixel that its box covers.

    Parameters
    ----------
    boxes
        ``float32 [B, 4]`` as :func:`open_boxes` gives them; NaN makes an empty mask.
    size
        Side in pixels.

    Returns
    -------
    torch.Tensor
        ``float32 [B, 1, size, size]`` in [0, 1].
    """
    edges = torch.arange(size + 1, device=boxes.device) / size

    def covered(low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
        ends = torch.minimum(edges[1:], high[:, None]) - torch.maximum(edges[:-1], low[:, None])
        return (ends * size).clamp(0, 1)

    left, top, right, bottom = torch.nan_to_num(boxes).unbind(dim=1)
    return (covered(top, bottom)[:, :, None] * covered(left, right)[:, None, :]).unsqueeze(1)


def _has_box(record: ImageRecord) -> bool:
    box = record.box
    return box is not None and record.label is not Diagnosis.NOTUMOR and min(box.width, box.height) > 0


def _existing(path: object, count: int) -> NDArray[np.float32] | None:
    """A table that was made before; ``None`` for a damaged one."""
    try:
        boxes: NDArray[np.float32] = np.load(str(path))
    except (ValueError, EOFError):
        return None
    return boxes if boxes.shape == (count, 4) and boxes.dtype == np.float32 else None


def _key(manifest: Manifest, boxed: list[int]) -> str:
    digest = hashlib.sha256(f"boxes,{PREPROCESSING},{len(manifest)}\n".encode())
    for row in boxed:
        record = manifest.records[row]
        digest.update(f"{row},{record.sha256},{record.box}\n".encode())
    return digest.hexdigest()[:32]
