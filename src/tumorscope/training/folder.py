"""The folder of a run: self-describing, and never mixed with another run's.

Owns which file is where, and the check that a folder continues the run it began with::

    RUN/config.yaml          every setting
    RUN/data.json            what it was trained on: digest, counts, leaks of the split
    RUN/environment.json     versions, revision of the source, processor
    RUN/folds/1/ ...         one fit a fold: metrics.csv, weights and a bundle
    RUN/predictions.csv      out-of-fold answers for every image
    RUN/final/               the fit on everything but the calibration part
    RUN/curves.png           loss and accuracy by epoch
    RUN/bundle.onnx          the file to deploy
    RUN/RECIPE/              the run of its guide, called by its recipe, where one is trained first
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml

from tumorscope.core.errors import InvalidConfiguration, InvalidManifest, MissingInput
from tumorscope.core.files import atomic_write
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.dataset.manifest import Manifest, Part
from tumorscope.evaluation.synthetic import synthetic_notes
from tumorscope.preprocess import PREPROCESSING
from tumorscope.training.config import TrainingConfig
from tumorscope.training.config_file import read_recorded

__all__ = ["INITIAL_WEIGHTS", "SEEN", "WEIGHTS", "RunFolder", "check_configuration", "open_run", "start_run"]

SEEN = "seen.txt"
"""What the folder of a fit calls the list of the images that it was made from."""

WEIGHTS = "weights.safetensors"
"""What it calls the weights of the network, whose presence says that the fit has finished."""

INITIAL_WEIGHTS = "initial-weights.txt"
"""What it calls the line that says which weights the fit began with."""

BUNDLE = "bundle.onnx"

_COUNTS = ("images", "slices", "groups", "patients")

_PACKAGES = (
    "tumorscope",
    "torch",
    "torchvision",
    "timm",
    "lightning",
    "monai",
    "numpy",
    "pillow",
    "onnx",
    "onnxruntime",
    "safetensors",
    "scikit-learn",
    "scipy",
)


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A run on disk."""

    path: Path
    config: TrainingConfig

    @property
    def predictions(self) -> Path:
        """Out-of-fold answers."""
        return self.path / "predictions.csv"

    @property
    def final(self) -> Path:
        """The final fit."""
        return self.path / "final"

    @property
    def bundle(self) -> Path:
        """The exported bundle."""
        return self.path / BUNDLE

    def fold(self, number: int) -> Path:
        """The fit that held fold ``number`` out."""
        return self.path / "folds" / str(number)

    def fit(self, number: int | None) -> Path:
        """The fit that held a fold out, or the final one for ``None``."""
        return self.final if number is None else self.fold(number)

    def fold_bundle(self, number: int) -> Path:
        """The bundle of that fit."""
        return self.fold(number) / BUNDLE

    def data(self) -> dict[str, Any]:
        """What the run was trained on."""
        record: dict[str, Any] = json.loads((self.path / "data.json").read_text(encoding="utf-8"))
        return record

    def environment(self) -> dict[str, Any]:
        """Where the run was trained."""
        record: dict[str, Any] = json.loads((self.path / "environment.json").read_text(encoding="utf-8"))
        return record


def start_run(
    path: Path,
    config: TrainingConfig,
    manifest: Manifest,
    *,
    left_out: Mapping[str, int] | None = None,
    leaks: Mapping[str, Mapping[str, int]] | None = None,
) -> RunFolder:
    """Make the folder of a run, or check that it is this run's.

    Parameters
    ----------
    path
        The folder.
    config
        Every setting.
    manifest
        What is learnt from.
    left_out
        How many rows of other parts the data set has.
    leaks
        For each split that leaks how many keys of each kind do; what an earlier command recorded stays.

    Raises
    ------
    InvalidConfiguration
        If the folder holds a run with another configuration or other data.
    InvalidManifest
        If a class has no image.
    """
    absent = [key.value for key in CLASS_ORDER if key not in {row.label for row in manifest}]
    if absent:
        raise InvalidManifest(
            f"the data has no image of {', '.join(absent)}; a classifier learns from all of {', '.join(CLASS_ORDER)}"
        )
    run = check_configuration(path, config)
    if run is not None:
        if run.data()["manifest_sha256"] != manifest.digest:
            known, given = run.data(), _describe_data(manifest)
            differs = [
                f"{key} {known.get(key)}, now {given[key]}" for key in _COUNTS if known.get(key) != given[key]
            ]
            what = "; ".join(differs) or "other labels, groups or folds of as many images"
            raise InvalidConfiguration(f"{path} holds a run on other data ({what}); choose another --out")
        _add_leaks(run, leaks or {})
        return run
    record = _describe_data(manifest) | {
        "left_out": dict(left_out or {}),
        "left_out_because": {part: Part(part).reason for part in left_out or {}},
        "leaks": {split: dict(counts) for split, counts in (leaks or {}).items()},
    }
    _write_data(path, record)
    atomic_write(path / "environment.json", json.dumps(_describe_environment(), indent=2) + "\n")
    # Last, since its presence says that the folder is a run's.
    atomic_write(path / "config.yaml", yaml.safe_dump(config.model_dump(), sort_keys=False))
    return RunFolder(path, config)


def check_configuration(path: Path, config: TrainingConfig) -> RunFolder | None:
    """Open the run that a folder holds, if any, and make sure that it has this configuration.

    It goes on with the threads and the time between checkpoints that are asked for now; ``config.yaml`` keeps those
    that it began with.

    Raises
    ------
    InvalidConfiguration
        If it has another one; the message names what differs.
    """
    if not (path / "config.yaml").is_file():
        return None
    run = open_run(path)
    if changed := run.config.differences(config):
        raise InvalidConfiguration(
            f"{path} holds a run with another configuration (differs in {', '.join(changed)}); choose another --out"
        )
    return RunFolder(path, config)


def open_run(path: Path) -> RunFolder:
    """Open the folder of a run.

    Raises
    ------
    MissingInput
        If it is no run's folder.
    InvalidConfiguration
        If its configuration is not one of this version.
    """
    file = path / "config.yaml"
    if not file.is_file():
        raise MissingInput(f"{path} is not the folder of a training run; it lacks config.yaml")
    return RunFolder(path, read_recorded(file))


def _write_data(path: Path, record: Mapping[str, Any]) -> None:
    atomic_write(path / "data.json", json.dumps(record, indent=2) + "\n")


def _add_leaks(run: RunFolder, leaks: Mapping[str, Mapping[str, int]]) -> None:
    """Stamp a run whose folds are trained after its final fit, or the other way round."""
    record = run.data()
    known = record.get("leaks", {})
    stamped = known | {split: dict(counts) for split, counts in leaks.items()}
    if stamped != known:
        _write_data(run.path, record | {"leaks": stamped})


def _describe_data(manifest: Manifest) -> dict[str, Any]:
    return {
        "manifest_sha256": manifest.digest,
        "preprocessing": PREPROCESSING,
        "images": len(manifest),
        "slices": len({row.slice_id for row in manifest}),
        "groups": len({row.group for row in manifest}),
        "patients": len({row.group for row in manifest if row.has_real_patient}),
        "images_by_class": dict(sorted(Counter(row.label.value for row in manifest).items())),
        "sources": dict(sorted(Counter(row.source for row in manifest).items())),
        "notes": list(synthetic_notes(row.source for row in manifest)),
    }


def _describe_environment() -> dict[str, Any]:
    import torch  # a run is looked at without it

    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "gpus": [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())],
        "cuda": torch.version.cuda if torch.cuda.is_available() else None,
        "packages": {name: _version(name) for name in _PACKAGES},
        "revision": _revision(),
    }


def _processor() -> str:
    """The name of the processor where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or "unknown")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _revision() -> str:
    try:
        result = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return result.stdout.strip()
