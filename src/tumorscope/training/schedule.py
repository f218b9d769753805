"""How the rate of learning changes over a run.

Owns the schedules: each is a factor of the largest rate and a function of the step alone, so that a resumed run goes on
with it. Free of torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from tumorscope.training.config import TrainingConfig

__all__ = ["rate_factor"]

_START = 1 / 25  # of the largest rate, where one cycle begins
_END = 1 / 10_000  # of where it began, where one cycle ends
_MILESTONES = (0.5, 0.75)  # shares of the run
_DROP = 0.1


def rate_factor(config: TrainingConfig, total_steps: int) -> Callable[[int], float]:
    """The factor of the learning rate at every step of a run.

    Parameters
    ----------
    config
        Its ``schedule``: ``cosine`` to zero; ``constant``; ``step``, a tenth after half and again after three quarters
        of the steps; each after a linear rise over the share ``warmup`` of the steps. ``one-cycle``
        rises by a cosine from a 25th over this share and falls by a cosine to nearly nothing (Smith and Topin,
        "Super-convergence", 2017; the momentum stays).
    total_steps
        Steps of the optimiser in the whole run.

    Returns
    -------
    callable
        From the step, counted from 0, to a factor in [0, 1].
    """
    warm = max(1, round(config.warmup * total_steps))

    def progress(step: int) -> float:
        """Share of the steps after the warm-up, in [0, 1]."""
        return min(1.0, (step - warm) / max(1, total_steps - warm))

    def one_cycle(step: int) -> float:
        if step < warm:
            return _between(_START, 1.0, step / warm)
        return _between(1.0, _START * _END, progress(step))

    def after_warmup(step: int) -> float:
        if step < warm:
            return (step + 1) / warm
        if config.schedule == "constant":
            return 1.0
        if config.schedule == "step":
            return _DROP ** sum(step >= share * total_steps for share in _MILESTONES)
        return 0.5 * (1 + math.cos(math.pi * progress(step)))

    return one_cycle if config.schedule == "one-cycle" else after_warmup


def _between(first: float, last: float, share: float) -> float:
    """From one number to another by half a wave of a cosine."""
    return last + (first - last) * 0.5 * (1 + math.cos(math.pi * share))
