"""One small fit in a process of its own, so that a test can kill it: ``fit_once.py FOLDER``."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from tumorscope.core.labels import CLASS_ORDER
from tumorscope.preprocess import preprocess
from tumorscope.synthesis.phantom import make_phantom
from tumorscope.training.batches import TrainingRows
from tumorscope.training.config import configure
from tumorscope.training.fit import fit

SETTINGS = (
    "epochs=2",
    "image_size=32",
    "batch_size=4",
    "pretrained=false",
    "precision=32",
    "threads=1",
    "checkpoint_seconds=0.2",
)


def rows(per_class: int = 16) -> TrainingRows:
    """Phantoms of every class; two images a slice."""
    seeds = [(diagnosis, seed) for diagnosis in CLASS_ORDER for seed in range(per_class)]
    images = np.stack(
        [preprocess(make_phantom(diagnosis, seed, size=64).pixels, 32) for diagnosis, seed in seeds]
    )
    labels = np.array([diagnosis.position for diagnosis, _ in seeds], dtype=np.int64)
    doubled = np.concatenate([images, images[:, :, ::-1]])
    names = tuple(f"{diagnosis}-{seed}" for diagnosis, seed in seeds) * 2
    return TrainingRows(doubled, np.tile(labels, 2), names, np.arange(len(doubled)))


if __name__ == "__main__":
    data = rows()
    fit(configure("efficientnet-lite0", SETTINGS), data, data, Path(sys.argv[1]), progress=False)
