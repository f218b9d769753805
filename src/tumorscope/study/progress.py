"""How a study says what it is doing: the shapes of the functions that are handed in. Knows no terminal."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

__all__ = ["Announce", "Begin", "Count", "Steps"]

Announce = Callable[[str], None]
"""Told one line."""

Count = Callable[[int, int], None]
"""Told (done, total)."""

Begin = Callable[[str], Count]
"""Begins a step by its title; one before it ends."""

Steps = Callable[[], AbstractContextManager[Begin]]
"""Gives steps one after the other; the last ends with the block, so that something else may draw after it."""
