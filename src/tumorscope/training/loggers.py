"""TensorBoard and MLflow, beside the ``metrics.csv`` that every fit keeps.

Owns which of Lightning's loggers a run has, where they write and what they are told: the configuration and the
metrics of each epoch, no path of an image and no name of a user or a machine. One run of the logger is one fit.
Everything stays in the folder of the run, unless the environment names an MLflow server.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.core.files import atomic_write
from tumorscope.core.optional import require

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger

    from tumorscope.training.folder import RunFolder

__all__ = ["LoggerName", "Loggers", "check_loggers"]

TENSORBOARD = "tensorboard"
MLFLOW = "mlflow.db"
_MLFLOW_RUN = "mlflow-run.txt"
_TRACKING = "MLFLOW_TRACKING_URI"


class LoggerName(StrEnum):
    """A logger that can be asked for."""

    TENSORBOARD = "tensorboard"
    MLFLOW = "mlflow"


@dataclass(frozen=True, slots=True)
class Loggers:
    """The loggers of a run.

    Parameters
    ----------
    names
        Which.
    run
        Its folder and configuration.
    """

    names: tuple[LoggerName, ...]
    run: RunFolder

    def of_fit(self, folder: Path) -> list[Logger]:
        """Those of one fit, to hand to Lightning; they go on with what an interrupted session wrote.

        Parameters
        ----------
        folder
            Of the fit, inside the folder of the run.

        Raises
        ------
        InvalidConfiguration
            If the MLflow server that the environment names cannot be used.
        """
        from tumorscope.training.devices import is_first

        if not is_first():
            # One process writes; the others log into nothing, so that all take the same way through Lightning.
            from lightning.pytorch.loggers.logger import DummyLogger

            return [DummyLogger() for _ in self.names]
        name = "-".join(folder.relative_to(self.run.path).parts)
        make = {LoggerName.TENSORBOARD: self._tensorboard, LoggerName.MLFLOW: self._mlflow}
        return [make[kind](name, folder) for kind in self.names]

    def _settings(self) -> dict[str, Any]:
        return {**self.run.config.model_dump(), "configuration_sha256": self.run.config.sha256}

    def _tensorboard(self, name: str, folder: Path) -> Logger:
        del folder
        from lightning.pytorch.loggers import TensorBoardLogger

        logger = TensorBoardLogger(
            self.run.path / TENSORBOARD, name="", version=name, default_hp_metric=False
        )
        logger.log_hyperparams(self._settings())
        return logger

    def _mlflow(self, name: str, folder: Path) -> Logger:
        with _quiet_mlflow():
            from lightning.pytorch.loggers import MLFlowLogger
            from mlflow.exceptions import MlflowException

            address = (
                os.environ.get(_TRACKING) or f"sqlite:///{(self.run.path / MLFLOW).resolve().as_posix()}"
            )
            try:
                number = _mlflow_run(address, self.run.path.resolve().name, name, folder)
                logger = MLFlowLogger(tracking_uri=address, run_id=number)
                logger.log_hyperparams(self._settings())
            except (MlflowException, OSError) as error:
                reason = " ".join(str(error).split())[:200]
                raise InvalidConfiguration(
                    f"MLflow cannot be used ({reason}); look at {_TRACKING}, or leave out --logger mlflow"
                ) from error
        return logger


def check_loggers(names: Sequence[LoggerName]) -> tuple[LoggerName, ...]:
    """Make sure that what the loggers need is installed, before anything is trained.

    Returns
    -------
    tuple
        Each name once.

    Raises
    ------
    MissingDependency
        If it is not.
    """
    needed = {
        LoggerName.TENSORBOARD: ("tensorboard",),
        LoggerName.MLFLOW: ("mlflow", "sqlalchemy", "alembic"),  # the last two for its local store
    }
    chosen = tuple(dict.fromkeys(names))
    for name in chosen:
        for module in needed[name]:
            if not _is_installed(module):  # importing it would take seconds
                require(module, extra="loggers", purpose=f"--logger {name}")
    return chosen


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ValueError:  # blocked in sys.modules
        return False


def _mlflow_run(address: str, experiment: str, name: str, folder: Path) -> str:
    """The MLflow run of a fit: the one that an interrupted session began, or a new one."""
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    client = MlflowClient(address)
    record = folder / _MLFLOW_RUN
    if record.is_file():
        number = record.read_text(encoding="utf-8").strip()
        with suppress(MlflowException):  # begun elsewhere, or deleted
            client.update_run(number, status="RUNNING")
            return number
    found = client.get_experiment_by_name(experiment)
    group = client.create_experiment(experiment) if found is None else found.experiment_id
    # Made here and not by Lightning, which adds the user's name and the path of the program.
    number = str(client.create_run(group, run_name=name).info.run_id)
    folder.mkdir(parents=True, exist_ok=True)
    atomic_write(record, number + "\n")
    return number


@contextmanager
def _quiet_mlflow() -> Iterator[None]:
    """Switch off what MLflow would send home, before it is imported, and what it tells of its tables."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["DO_NOT_TRACK"] = "true"
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    logger = logging.getLogger("mlflow")
    level = logger.level
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)  # between it and SQLAlchemy
        warnings.filterwarnings("ignore", category=FutureWarning)
        logger.setLevel(logging.WARNING)
        try:
            yield
        finally:
            logger.setLevel(level)
