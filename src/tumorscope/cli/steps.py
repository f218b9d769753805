"""One progress bar after the other, for verbs of several steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from tumorscope.cli.progress import counter

__all__ = ["steps"]


@contextmanager
def steps(*, show: bool) -> Iterator[Callable[[str], Callable[[int, int], None]]]:
    """Give a function that begins a step by its title and returns its ``count(done, total)``."""
    with ExitStack() as current:

        def begin(title: str) -> Callable[[int, int], None]:
            current.close()
            return current.enter_context(counter(title, show=show))

        yield begin
