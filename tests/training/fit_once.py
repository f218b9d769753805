"""One small fit in a process of its own, so that a test can kill it: ``fit_once.py FOLDER [KEY=VALUE ...]``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tumorscope.core.labels import CLASS_ORDER, Diagnosis
from tumorscope.dataset.manifest import Box
from tumorscope.explanation.box import to_square
from tumorscope.preprocess import find_head, preprocess
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
    boxes = np.array([_box(diagnosis, seed) for diagnosis, seed in seeds], dtype=np.float32)
    mirrored = np.stack([1 - boxes[:, 2], boxes[:, 1], 1 - boxes[:, 0], boxes[:, 3]], axis=1)
    places = np.concatenate([boxes, mirrored])
    groups = tuple(f"{diagnosis}-{seed // 2}" for diagnosis, seed in seeds) * 2
    return TrainingRows(doubled, np.tile(labels, 2), names, np.arange(len(doubled)), places, groups)


def _box(diagnosis: Diagnosis, seed: int) -> tuple[float, float, float, float]:
    phantom = make_phantom(diagnosis, seed, size=64)
    if phantom.box is None:
        return (np.nan, np.nan, np.nan, np.nan)
    return to_square(Box(*phantom.box), find_head(phantom.pixels), (64, 64))


def fit_once(folder: Path, settings: Sequence[str]) -> None:
    """Fit on the phantoms, which are watched too."""
    data = rows()
    fit(configure("efficientnet-lite0", (*SETTINGS, *settings)), data, data, folder, progress=False)


if __name__ == "__main__":
    fit_once(Path(sys.argv[1]), sys.argv[2:])
