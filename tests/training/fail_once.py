"""A fit in a process of its own whose machine has no room: ``fail_once.py disk|memory FOLDER``.

Prints the error as ``CLASS: MESSAGE``.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from typing import Any

import numpy as np
from fit_once import SETTINGS, rows
from lightning.pytorch.callbacks import Callback

from tumorscope.core.errors import TumorscopeError
from tumorscope.models.network import build_network
from tumorscope.training.batches import TrainingRows
from tumorscope.training.config import configure
from tumorscope.training.fit import fit

LARGEST = 2000  # bytes of a file, once the disk is full
SPARE = 500 * 2**20  # bytes of memory a fit may take


class FullDisk(Callback):
    """No file can become large any more once there is a checkpoint."""

    def __init__(self, folder: Path) -> None:
        self._checkpoint = folder / "last.ckpt"

    def on_train_batch_start(self, *_: Any) -> None:
        if self._checkpoint.is_file():
            resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST, resource.RLIM_INFINITY))


def fill_the_disk(folder: Path) -> None:
    data = rows(8)
    config = configure("light-cnn", [*SETTINGS, "epochs=50", "checkpoint_seconds=0.01"])
    fit(config, data, data, folder, progress=False, callbacks=[FullDisk(folder)])


def exhaust_memory(folder: Path) -> None:
    """Sixty-four images of 512 pixels: half a gigabyte after the first layer alone."""
    images = np.full((64, 512, 512), 128, dtype=np.uint8)
    data = TrainingRows(images, np.arange(64) % 4, tuple(map(str, range(64))), np.arange(64))
    config = configure("efficientnet-lite0", [*SETTINGS, "image_size=512", "batch_size=64"])
    build_network("tf_efficientnet_lite0", 32)  # libraries are no part of what a fit takes
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * resource.getpagesize() + SPARE
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
    fit(config, data, data, folder, progress=False)


if __name__ == "__main__":
    try:
        {"disk": fill_the_disk, "memory": exhaust_memory}[sys.argv[1]](Path(sys.argv[2]))
    except TumorscopeError as error:
        print(f"{type(error).__name__}: {error}")
