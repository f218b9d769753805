"""Who teaches which fit.

Owns the runs that a student learns from; which of them may teach is the rule of
:mod:`tumorscope.training.forebears`. How a student learns is :mod:`tumorscope.training.distillation`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.training.config import TrainingConfig
from tumorscope.training.folder import RunFolder
from tumorscope.training.forebears import Forebears, open_runs

if TYPE_CHECKING:
    from tumorscope.models.network import SliceNetwork
    from tumorscope.training.distillation import Teaching

__all__ = ["Teachers", "check_teaching", "open_teachers"]


@dataclass(frozen=True, slots=True)
class Teachers(Forebears):
    """Runs that teach together; made by :func:`open_teachers`."""

    role: ClassVar[str] = "teacher"

    def teaching(self, number: int | None) -> Teaching:
        """Those that have not seen a fold, see :meth:`check_folds`; those that teach the final fit for ``None``."""
        from tumorscope.training.distillation import Teaching

        return Teaching([partial(_network, run, folder) for run, folder in self.fits(number)])


def open_teachers(paths: Sequence[Path]) -> Teachers | None:
    """Open the folders of finished runs, ``None`` where none is named; errors as :func:`~.forebears.open_runs`."""
    return Teachers(open_runs(paths, Teachers.role)) if paths else None


def check_teaching(config: TrainingConfig, teaching: object | None) -> None:
    """Make sure that there are teachers where the settings ask for them, and only there.

    Raises
    ------
    InvalidConfiguration
        If there are not.
    """
    settings = config.distillation
    if settings.active and not teaching:
        raise InvalidConfiguration(
            f"distillation.weight is {settings.weight:g} and distillation.heatmap {settings.heatmap:g}, but no teacher "
            "is named; name runs by 'tumorscope train --teacher RUN', or leave the settings out"
        )
    if teaching and not settings.active:
        raise InvalidConfiguration(
            "teachers are named, but distillation.weight and distillation.heatmap are 0; set one of them"
        )


def _network(run: RunFolder, folder: Path) -> tuple[SliceNetwork, int]:
    from tumorscope.training.fit import load_fitted

    return load_fitted(run.config, folder), run.config.image_size
