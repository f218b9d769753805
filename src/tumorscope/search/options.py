"""The words of a search: samplers, pruners, metrics. Imports nothing, since ``--help`` reads them too."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

__all__ = ["Metric", "Pruner", "Sampler"]


class Metric(StrEnum):
    """What is made better, on images that were not learnt from."""

    LOG_LOSS = "log-loss"
    MACRO_F1 = "macro-f1"

    @property
    def direction(self) -> Literal["minimize", "maximize"]:
        """Which way is better."""
        return "minimize" if self is Metric.LOG_LOSS else "maximize"


class Sampler(StrEnum):
    """How the next trial is chosen."""

    TPE = "tpe"
    """Tree-structured Parzen estimator, Bayesian (Bergstra et al., NeurIPS 2011)."""
    GRID = "grid"
    RANDOM = "random"


class Pruner(StrEnum):
    """How a trial that promises little is ended."""

    MEDIAN = "median"
    """Worse at this epoch than the median of earlier trials."""
    HYPERBAND = "hyperband"
    """Li et al., JMLR 2018."""
    NONE = "none"
