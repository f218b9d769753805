"""How numbers of a comparison are written: sizes, operations, times, p values.

Owns the units. Knows nothing of tables.
"""

from __future__ import annotations

from tumorscope.reporting.page import count

__all__ = ["NONE", "duration", "megabytes", "milliseconds", "operations", "p_value", "parameters"]

_SPACE = "\N{NO-BREAK SPACE}"
NONE = "–"


def parameters(number: int | None) -> str:
    """``3.37 M``; whole below a hundred thousand."""
    if number is None:
        return NONE
    return count(number) if number < 100_000 else f"{_three(number / 1e6)}{_SPACE}M"


def operations(number: int | None) -> str:
    """``15.3 G`` or ``3.1 M``: multiplications with their additions."""
    if number is None:
        return NONE
    if number < 100_000:
        return count(number)
    return f"{_three(number / 1e9)}{_SPACE}G" if number >= 100_000_000 else f"{_three(number / 1e6)}{_SPACE}M"


def megabytes(size: int | None) -> str:
    """``13.2 MB``, of a million bytes."""
    return NONE if size is None else f"{size / 1e6:.1f}{_SPACE}MB"


def milliseconds(time: float) -> str:
    """``4.2 ms``, with three figures below a hundred."""
    return f"{time:.3g}{_SPACE}ms" if time < 100 else f"{time:.0f}{_SPACE}ms"


def duration(seconds: float) -> str:
    """``42 s``, ``12 min`` or ``3 h 5 min``."""
    if seconds < 90:
        return f"{seconds:.0f}{_SPACE}s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes}{_SPACE}min"
    return f"{minutes // 60}{_SPACE}h {minutes % 60}{_SPACE}min"


def _three(value: float) -> str:
    """Three figures, never as a power of ten."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def p_value(p: float) -> str:
    """Three digits; below that, that it is below."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
