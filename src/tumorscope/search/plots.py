"""Pictures of a study: its history, which settings mattered, and all trials side by side.

Owns the three PNG files; Optuna draws. No window is opened.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState

from tumorscope.core.files import atomic_write
from tumorscope.search.options import Metric

__all__ = ["draw", "importances"]

HISTORY, IMPORTANCES, PARALLEL = "history.png", "importances.png", "parallel.png"

FEWEST = 2
"""Finished trials that a picture of differences needs."""


def draw(study: optuna.Study, metric: Metric, folder: Path) -> tuple[Path, ...]:
    """Draw what there are enough trials for.

    Parameters
    ----------
    study
        The study.
    metric
        For the axes.
    folder
        Where to write ``history.png``, ``importances.png`` and ``parallel.png``.

    Returns
    -------
    tuple of Path
        What was written.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from optuna.visualization import matplotlib as pictures

    finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not finished:
        return ()
    name = metric.value
    written = [
        _picture(lambda: pictures.plot_optimization_history(study, target_name=name), folder / HISTORY)
    ]
    if importances(study) is not None:
        written.append(
            _picture(lambda: pictures.plot_param_importances(study, target_name=name), folder / IMPORTANCES)
        )
    if len(finished) >= FEWEST:
        written.append(
            _picture(lambda: pictures.plot_parallel_coordinate(study, target_name=name), folder / PARALLEL)
        )
    return tuple(written)


def importances(study: optuna.Study) -> dict[str, float] | None:
    """Share of each setting in the differences between finished trials; ``None`` where these do not tell.

    By the default of Optuna; with few trials a coarse guess.
    """
    finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(finished) < FEWEST or len({trial.value for trial in finished}) < FEWEST:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        try:
            found = optuna.importance.get_param_importances(study)
        except (ValueError, RuntimeError):  # too few trials for the estimate
            return None
    return {key: float(value) for key, value in found.items()} or None


def _picture(make: Callable[[], Any], path: Path) -> Path:
    from matplotlib import pyplot as plt
    from matplotlib.collections import LineCollection
    from matplotlib.ticker import MaxNLocator

    with warnings.catch_warnings(), plt.rc_context():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        axes = make()
        figure = axes.figure
        if path.name == HISTORY:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        for lines in [part for place in figure.axes for part in place.collections]:
            if isinstance(lines, LineCollection):
                lines.set_cmap("viridis")  # Optuna's own ends in white, on white
        buffer = io.BytesIO()
        figure.set_size_inches(10, 5)
        figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight")
    plt.close(figure)
    atomic_write(path, buffer.getvalue())
    return path
