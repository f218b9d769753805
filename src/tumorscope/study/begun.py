"""What lies of a run below a study already.

Owns when a part of a row counts as finished, and the refusal of one with other settings. Free of torch, so that a plan
costs nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.evaluation.predictions import PREDICTIONS_NAME, read_predictions
from tumorscope.training.config import TrainingConfig
from tumorscope.training.config_file import read_recorded

__all__ = ["check_settings", "is_finished"]

Part = Literal["official", "folds"]


def check_settings(path: Path, config: TrainingConfig) -> None:
    """Make sure that a run, if there is one, has the settings that a study asks for.

    Raises
    ------
    InvalidConfiguration
        If it has others; the message names which.
    """
    file = path / "config.yaml"
    if not file.is_file():
        return
    if changed := read_recorded(file).differences(config):
        raise InvalidConfiguration(
            f"{path} holds a run with other settings (differs in {', '.join(changed)}); give the same by --set, take "
            "it as it is by --from in another --out, or choose another --out"
        )


def is_finished(path: Path, name: Part, wanted: int | None) -> bool:
    """Whether a part of a row is there.

    Parameters
    ----------
    path
        Folder of its run.
    name
        ``official`` needs the bundle, ``folds`` the answers.
    wanted
        For how many folds, with their bundles; ``None`` where nothing will be trained and any answers will do.
    """
    if name == "official":
        return (path / "bundle.onnx").is_file()
    if not (path / PREDICTIONS_NAME).is_file():
        return False
    if wanted is None:
        return True
    answered = read_predictions(path).folds
    numbers = [] if answered is None else sorted(set(answered.tolist()))
    # A single fold gets no bundle; where one of several lacks it, the run was interrupted before its export.
    exported = len(numbers) < 2 or all((path / "folds" / str(k) / "bundle.onnx").is_file() for k in numbers)
    return exported and len(numbers) >= wanted
