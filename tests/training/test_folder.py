"""A run says on what machine, with what versions and from what data it was made."""

from __future__ import annotations

import json
import re
from importlib.metadata import version

from tiny_run import TinyRun
from tumorscope.dataset.manifest_file import read_manifest
from tumorscope.training.history import read_history


def test_the_folder_of_a_run_describes_itself(tiny_run: TinyRun) -> None:
    environment = json.loads((tiny_run.out / "environment.json").read_text())
    assert environment["packages"]["torch"] == version("torch")
    assert {"tumorscope", "lightning", "timm", "numpy", "scikit-learn"} <= environment["packages"].keys()
    assert re.fullmatch(
        r"[0-9a-f]{7,}(-dirty)?|v?[\w.]+-\d+-g[0-9a-f]+(-dirty)?|unknown", environment["revision"]
    )
    assert environment["processor"]
    assert isinstance(environment["gpus"], list)
    data = json.loads((tiny_run.out / "data.json").read_text())
    assert data["manifest_sha256"] == read_manifest(tiny_run.data).digest
    for fold in (1, 2, 3, 4):
        (row,) = read_history(tiny_run.out / "folds" / str(fold))
        assert row["watched"] == f"fold {fold}"
    (row,) = read_history(tiny_run.out / "final")
    assert row["watched"] == "calibration"
