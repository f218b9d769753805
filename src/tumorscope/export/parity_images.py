"""What a bundle is compared on before it is written, and how near is near enough.

Owns both, free of torch: a bundle made of bundles needs none.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.labels import CLASS_ORDER
from tumorscope.preprocess import preprocess
from tumorscope.synthesis.phantom import make_phantom

__all__ = ["TOLERANCE", "parity_images"]

TOLERANCE = 1e-4
"""Absolute, and once more relative."""


def parity_images(size: int, per_class: int = 4) -> NDArray[np.uint8]:
    """Phantoms of every class and one image of noise, ``uint8 [N, size, size]``."""
    images = [
        preprocess(make_phantom(diagnosis, seed).pixels, size)
        for diagnosis in CLASS_ORDER
        for seed in range(per_class)
    ]
    noise = np.random.default_rng(0).integers(0, 256, (size, size), dtype=np.uint8)
    return np.stack([*images, noise])
