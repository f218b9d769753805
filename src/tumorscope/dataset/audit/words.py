"""How sentences of an audit say numbers.

Owns the plural, the thousands and the percentages.
"""

from __future__ import annotations

__all__ = ["counted", "listed", "percent"]


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """``1 image``, ``5,314 images``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def percent(part: float, whole: float = 1.0) -> str:
    """A share with one digit behind the point."""
    return f"{100.0 * part / whole:.1f} %" if whole else "0.0 %"


def listed(parts: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
