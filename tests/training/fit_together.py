"""One small fit in each process that torchrun starts, or in one: ``fit_together.py FOLDER``.

Each writes which images it was shown to ``FOLDER/shown-RANK.json``.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fit_once import rows
from lightning.pytorch.callbacks import Callback

from tumorscope.training.config import configure
from tumorscope.training.fit import fit
from tumorscope.training.launch import find_place

# Nothing in it depends on how a batch is divided: no batch normalisation, no dropout, no augmentation.
SETTINGS = (
    *("epochs=2", "image_size=32", "batch_size=10", "pretrained=false", "precision=32", "threads=1"),
    *("learning_rate=0.01", "ema_decay=0.5", "checkpoint_seconds=0.1"),
    "augmentation.preset=none",
)


class Shown(Callback):
    """Remembers the number in the corner of each image."""

    def __init__(self) -> None:
        self.learnt: list[tuple[int, int, list[int]]] = []
        self.watched: list[int] = []

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self.learnt.append((batch.epoch, batch.step, batch.images[:, 0, 0].tolist()))

    def on_validation_batch_start(self, trainer: Any, pl_module: Any, batch: Any, *_: Any) -> None:
        self.watched += batch.images[:, 0, 0].tolist()


def main(folder: Path) -> None:
    place = find_place()
    group = None
    if place is not None:
        from tumorscope.training.devices import join

        group = join(place)
    data = rows(per_class=8)
    images = data.images.copy()
    images[:, 0, 0] = np.arange(len(images))
    held_out = replace(data, images=images, rows=np.arange(0, len(images), 5))
    shown = Shown()
    fit(
        configure("timm:test_convnext", SETTINGS),
        replace(data, images=images),
        held_out,
        folder,
        progress=False,
        callbacks=[shown],
    )
    rank = 0 if place is None else place.rank
    content = {"learnt": shown.learnt, "watched": shown.watched, "threads": torch.get_num_threads()}
    (folder / f"shown-{rank}.json").write_text(json.dumps(content))
    if group is not None:
        group.part()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
