"""``tumorscope predict``: what do these files show?

Owns the order of things and the exit status. Finding and reading files is ``reading``'s work, answering
``inference``'s.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace

from tumorscope.cli.inputs import STDIN, expanded, stdin_file
from tumorscope.cli.options import Options, parse
from tumorscope.cli.output import Format, format_of, opened, writer
from tumorscope.cli.progress import counter
from tumorscope.cli.text import complain
from tumorscope.inference.classifier import Classifier, load
from tumorscope.inference.record import Answer, Failure
from tumorscope.inference.series import with_series
from tumorscope.reading.discover import Source, discover

__all__ = ["predict"]

SOME_FAILED = 1
NOTHING_ANSWERED = 2


def predict(arguments: Sequence[str]) -> int:
    """Answer for everything the user named.

    Parameters
    ----------
    arguments
        What follows ``tumorscope predict``.

    Returns
    -------
    int
        0 when everything was answered, 1 when some inputs failed, 2 when nothing was answered.

    Raises
    ------
    TumorscopeError
        If an option is wrong or the model cannot be used; never on account of an input.
    """
    options = parse(arguments)
    classifier = load(options.model, threads=options.threads, device=options.device)
    classifier.facts.coverage_key(options.coverage)
    form = format_of(options.form, options.output)
    tally = _Tally()
    with ExitStack() as stack:
        sources, rename = _sources(expanded(options.paths), stack)
        stream = stack.enter_context(opened(options.output))
        show = len(sources) > 1 and not (form is Format.TABLE and stream.isatty())
        count = stack.enter_context(counter("answering", show=show))
        write = stack.enter_context(writer(form, stream))
        for answer in with_series(map(rename, _answers(classifier, _counted(sources, count), options))):
            tally.add(answer)
            write(answer)
    return tally.status(listed=form is Format.TABLE)


def _answers(classifier: Classifier, inputs: Iterable[Source], options: Options) -> Iterator[Answer]:
    if options.heatmaps is None:
        return classifier.predict_iter(inputs, coverage=options.coverage, batch_size=options.batch_size)
    from tumorscope.cli.heatmaps import drawn

    pairs = classifier.explain_iter(inputs, coverage=options.coverage, batch_size=options.batch_size)
    return drawn(pairs, options.heatmaps)


def _sources(paths: list[str], stack: ExitStack) -> tuple[list[Source], Callable[[Answer], Answer]]:
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


def _counted(sources: list[Source], count: Callable[[int, int], None]) -> Iterator[Source]:
    for done, source in enumerate(sources):
        count(done, len(sources))
        yield source
    count(len(sources), len(sources))


class _Tally:
    """How many answers and failures there were, and the exit status they make."""

    def __init__(self) -> None:
        self.answered = 0
        self.failures = 0
        self.last: Failure | None = None

    def add(self, answer: Answer) -> None:
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
