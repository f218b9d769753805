"""One tiny run that several test modules look at: phantoms, four folds, a final fit, a bundle, by the real verbs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tumorscope.cli.main import run
from tumorscope.dataset.cache import open_cache
from tumorscope.dataset.manifest_file import read_manifest
from tumorscope.synthesis.phantom import write_phantoms

SIZE = 32
TINY = (
    *("--set", "epochs=1", "--set", f"image_size={SIZE}", "--set", "batch_size=8", "--set", "threads=1"),
    *("--set", "pretrained=false", "--set", "precision=32", "--no-progress"),
)


@dataclass(frozen=True)
class TinyRun:
    """Where it lies, how the two commands that made it ended, and the network inputs it was made of."""

    data: Path
    out: Path
    cache: Path
    statuses: tuple[int, int]
    images: NDArray[np.uint8]


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    """Train on 72 phantoms: first one model a fold, then the final fit. Look, but do not change it."""
    folder = tmp_path_factory.mktemp("tiny")
    data, out = folder / "phantoms", folder / "run"
    list(write_phantoms(data, 72, size=64))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUMORSCOPE_CACHE", str(folder / "cache"))
        common = ["train", "--data", str(data), "--out", str(out), *TINY]
        statuses = run([*common, "--folds"]), run(common)
        images = open_cache(read_manifest(data), SIZE).images
    return TinyRun(data, out, folder / "cache", statuses, images)
