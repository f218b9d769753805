"""Pictures of a kept slice: a preview, and the heat-map as a transparent layer.

Owns sizes and encodings. Colours are those of :mod:`tumorscope.explanation.overlay`. Knows no HTTP.
"""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tumorscope.core.labels import Diagnosis
from tumorscope.explanation.heatmap import strength
from tumorscope.explanation.overlay import COLOURS
from tumorscope.inference.geometry import lay_over
from tumorscope.serving.store import KeptSlice

__all__ = ["evidence_of", "heatmap_png", "little_endian", "preview_png"]


def little_endian(kept: KeptSlice) -> bytes:
    """The pixels as ``uint16``, little-endian, row by row."""
    return np.ascontiguousarray(kept.gray.pixels, "<u2").tobytes()


def preview_png(kept: KeptSlice, size: int | None) -> bytes:
    """The slice through its window, 8 bits; ``size`` limits the longer side."""
    picture = Image.fromarray(kept.gray.shown())
    if size is not None and size < max(picture.size):
        picture.thumbnail((size, size))
    return _png(picture)


def evidence_of(kept: KeptSlice, diagnosis: Diagnosis) -> NDArray[np.float32]:
    """The map of one class laid over the slice, ``float32 [H, W]``."""
    one = kept.evidence[diagnosis.position][np.newaxis]
    laid: NDArray[np.float32] = lay_over(one, kept.head, (kept.answer.height, kept.answer.width))[0]
    return laid


def heatmap_png(kept: KeptSlice, diagnosis: Diagnosis) -> bytes:
    """RGBA at the size of the slice: the colour of the evidence, as opaque as it is strong."""
    scaled, _ = strength(evidence_of(kept, diagnosis))
    steps = np.rint(scaled * 255).astype(np.uint8)
    return _png(Image.fromarray(np.concatenate([COLOURS[steps], steps[..., np.newaxis]], axis=2)))


def _png(picture: Image.Image) -> bytes:
    stream = BytesIO()
    picture.save(stream, "PNG", compress_level=1)
    return stream.getvalue()
