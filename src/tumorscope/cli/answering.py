"""What the verbs that answer for files have in common: ``predict`` and ``explain``.

Owns the list of sources that what the user named stands for, and the exit status that answers and failures make.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace

from tumorscope.cli.inputs import STDIN, stdin_file
from tumorscope.cli.text import complain
from tumorscope.inference.record import Answer, Failure
from tumorscope.reading.discover import Source, discover

__all__ = ["NOTHING_ANSWERED", "SOME_FAILED", "Tally", "counted", "sources_of"]

SOME_FAILED = 1
NOTHING_ANSWERED = 2


def sources_of(paths: list[str], stack: ExitStack) -> tuple[list[Source], Callable[[Answer], Answer]]:
    """Everything to be read, and what gives standard input its name back."""
    if STDIN not in paths:
        return list(discover(paths)), lambda answer: answer
    temporary = os.fspath(stack.enter_context(stdin_file()))
    found = list(discover(temporary if path == STDIN else path for path in dict.fromkeys(paths)))
    sources = [replace(source, path=source.path.replace(temporary, STDIN)) for source in found]

    def rename(answer: Answer) -> Answer:
        if isinstance(answer, Failure):
            return replace(answer, message=answer.message.replace(temporary, STDIN))
        return answer

    return sources, rename


def counted(sources: list[Source], count: Callable[[int, int], None]) -> Iterator[Source]:
    """Pass sources on, telling ``count(done, total)`` before each and at the end."""
    for done, source in enumerate(sources):
        count(done, len(sources))
        yield source
    count(len(sources), len(sources))


class Tally:
    """How many answers and failures there were, and the exit status they make."""

    def __init__(self) -> None:
        self.answered = 0
        self.failures = 0
        self.last: Failure | None = None

    def add(self, answer: Answer) -> None:
        """Count one answer or failure."""
        if isinstance(answer, Failure):
            self.failures += 1
            self.last = answer
        else:
            self.answered += 1

    def status(self, *, listed: bool) -> int:
        """The exit status; what failed is said here where it was not listed one by one."""
        if self.last is None:
            return 0
        if self.failures == 1 and not listed:
            complain(self.last.message)
        elif self.failures > 1:
            complain(f"{self.failures} inputs failed; the other {self.answered} answers are complete")
        return SOME_FAILED if self.answered else NOTHING_ANSWERED
