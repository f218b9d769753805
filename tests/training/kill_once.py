"""One small fit that is killed in mid-epoch: ``kill_once.py FOLDER STEPS_AN_EPOCH [KEY=VALUE ...]``.

It dies when it would write the checkpoint after one from inside an epoch, so that what it did in between is lost.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from fit_once import fit_once

from tumorscope.training.checkpoints import WholeFiles

_FIRST = 5


def _die_in_mid_epoch(an_epoch: int) -> None:
    save = WholeFiles.save_checkpoint
    kept = 0

    def save_or_die(
        self: WholeFiles, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        nonlocal kept
        if kept >= _FIRST and kept % an_epoch:
            os.kill(os.getpid(), signal.SIGKILL)
        save(self, checkpoint, path, storage_options)
        kept = checkpoint["global_step"]

    WholeFiles.save_checkpoint = save_or_die  # type: ignore[method-assign]


if __name__ == "__main__":
    _die_in_mid_epoch(int(sys.argv[2]))
    fit_once(Path(sys.argv[1]), sys.argv[3:])
