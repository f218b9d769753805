"""Whether a count of findings is more than chance gives.

Owns the tail of the binomial distribution and the limit that checks hold it against.
"""

from __future__ import annotations

from tumorscope.core.optional import require

__all__ = ["RARE", "so_many_by_chance"]

RARE = 0.05
"""Findings that chance gives less often than in one data set of 20 are no chance; of few images one tells little."""


def so_many_by_chance(found: int, images: int, rate: float) -> float:
    """How often so many findings, or more, come by chance: the upper tail of the binomial distribution.

    Parameters
    ----------
    found
        How many there are, at most ``images``.
    images
        How many were looked at.
    rate
        Share of images that chance alone makes a finding, in (0, 1).

    Raises
    ------
    MissingDependency
        If SciPy is not installed.
    """
    if not found:
        return 1.0
    special = require("scipy.special", extra="data", purpose="judging whether findings are chance")
    return float(special.betainc(found, images - found + 1, rate))
