"""What the tests of recipes share: a few phantoms at 64 pixels, and settings of two steps."""

from __future__ import annotations

import numpy as np

from tumorscope.core.labels import CLASS_ORDER
from tumorscope.preprocess import preprocess
from tumorscope.synthesis.phantom import make_phantom
from tumorscope.training.batches import TrainingRows

SIZE = 64
SETTINGS = (
    *("epochs=1", f"image_size={SIZE}", "batch_size=4", "pretrained=false", "precision=32", "threads=1"),
    "checkpoint_seconds=60",
)


def phantom_rows(per_class: int = 2) -> TrainingRows:
    """Two batches of four."""
    seeds = [(diagnosis, seed) for seed in range(per_class) for diagnosis in CLASS_ORDER]
    images = np.stack([preprocess(make_phantom(key, seed, size=SIZE).pixels, SIZE) for key, seed in seeds])
    labels = np.array([key.position for key, _ in seeds], dtype=np.int64)
    names = tuple(f"{key}-{seed}" for key, seed in seeds)
    return TrainingRows(images, labels, names, np.arange(len(images)))
