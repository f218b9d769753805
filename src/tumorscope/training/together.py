"""What the processes of a run share before they fit: its images and its folder.

Owns that one of them reads and writes, and that the others find the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import distributed

from tumorscope.core.errors import MissingInput
from tumorscope.dataset.cache import open_cache
from tumorscope.dataset.manifest import Manifest
from tumorscope.dataset.scan import Progress
from tumorscope.training.config import TrainingConfig
from tumorscope.training.devices import in_turns
from tumorscope.training.folder import RunFolder, start_run
from tumorscope.training.launch import Place
from tumorscope.training.run import Announce, load_images

__all__ = ["load_together", "start_together"]


def load_together(
    manifest: Manifest,
    size: int,
    place: Place | None,
    *,
    skip_unreadable: bool = False,
    progress: Progress | None = None,
    announce: Announce | None = None,
) -> tuple[Manifest, NDArray[np.uint8]]:
    """Open the cache of network inputs in every process.

    The first one reads the images and tells the others which could not be read. The others open what it wrote; on a
    machine that does not see it, one of them reads them again.

    Parameters
    ----------
    manifest, size, skip_unreadable, progress, announce
        As for :func:`tumorscope.training.run.load_images`.
    place
        Of this process; ``None`` where it is the only one.

    Returns
    -------
    tuple
        As there, the same in all processes.

    Raises
    ------
    InvalidManifest
        If images cannot be read and are not to be skipped.
    """
    kept: list[list[int] | None] = [None]
    if place is None or place.rank == 0:
        read, images = load_images(
            manifest, size, skip_unreadable=skip_unreadable, progress=progress, announce=announce
        )
        if place is None:
            return read, images
        paths = {record.path for record in read}
        kept = [[row for row, record in enumerate(manifest) if record.path in paths]]
    distributed.broadcast_object_list(kept)
    readable = manifest if kept[0] is None or len(kept[0]) == len(manifest) else manifest.subset(kept[0])
    # A cache of images of which some could not be read was not kept, this one is.
    return readable, in_turns(lambda: open_cache(readable, size).images, place)


def start_together(
    path: Path,
    config: TrainingConfig,
    manifest: Manifest,
    place: Place | None,
    *,
    left_out: Mapping[str, int],
    leaks: Mapping[str, Mapping[str, int]],
) -> RunFolder:
    """Make the folder of a run in the first process, and check in the others that it is this run's.

    Parameters
    ----------
    path, config, manifest, left_out, leaks
        As for :func:`tumorscope.training.folder.start_run`.
    place
        Of this process; ``None`` where it is the only one.

    Raises
    ------
    MissingInput
        If a process does not see what the first one made.
    InvalidConfiguration, InvalidManifest
        As there.
    """

    def start() -> RunFolder:
        if place is not None and place.rank > 0 and not (path / "config.yaml").is_file():
            raise MissingInput(
                f"process {place.rank} of {place.world} does not see {path}, which the first one made; "
                "all machines need --out in one folder that they share"
            )
        return start_run(path, config, manifest, left_out=left_out, leaks=leaks)

    return in_turns(start, place)
