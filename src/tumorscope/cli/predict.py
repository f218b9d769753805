"""``tumorscope predict``: what do these files show?

Owns the options and the exit status. Finding and reading files is ``reading``'s work, answering ``inference``'s.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from tumorscope.cli.inputs import STDIN, expanded, stdin_file
from tumorscope.cli.output import Format, format_of, opened, writer
from tumorscope.cli.progress import counter
from tumorscope.cli.text import complain
from tumorscope.inference.classifier import DEFAULT_BATCH_SIZE, Classifier, load
from tumorscope.inference.record import Answer, Failure
from tumorscope.inference.series import with_series
from tumorscope.inference.session import Device
from tumorscope.reading.discover import Source, discover

__all__ = ["predict"]

SOME_FAILED = 1
NOTHING_ANSWERED = 2


def predict(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...",
            help="Images, DICOM, NIfTI or .mat files, zip archives, folders, patterns, or - for one on stdin.",
            show_default=False,
        ),
    ],
    model: Annotated[
        Path | None, typer.Option(help="A bundle (.onnx); the one that ships with tumorscope if left out.")
    ] = None,
    form: Annotated[
        Format | None,
        typer.Option(
            "--format", help="How to write answers; by default what --output ends with, or a table."
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="File for the answers, written whole or not at all.")
    ] = None,
    heatmaps: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for one picture a slice: where the evidence lies."),
    ] = None,
    coverage: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE",
            help="How often prediction sets hold the truth, such as 0.95.",
            show_default=False,
        ),
    ] = None,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Slices in one run: speed and memory, never another answer.")
    ] = DEFAULT_BATCH_SIZE,
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="Processor threads; all there are if left out.", show_default=False),
    ] = None,
    device: Annotated[
        Device, typer.Option(help="Where to compute; auto takes CUDA where there is one.")
    ] = Device.CPU,
) -> None:
    """Say what slices, volumes, folders or archives show.

    A volume or DICOM series gives an answer for every slice and one for the series (experimental: the mean over
    the best three neighbouring slices).

    Exit status: 0 when everything was answered, 1 when some inputs failed (the others are answered, the failed
    ones listed), 2 when nothing could be answered or an option is wrong.

    \b
    Examples:
      tumorscope predict scan.png
      tumorscope predict study/ --heatmaps pictures/
      tumorscope predict "images/*.jpg" --output answers.csv
      tumorscope predict head.nii.gz --format jsonl | jq .diagnosis
      cat scan.png | tumorscope predict - --format json
    """  # noqa: D301 - the backspace tells Typer to keep the lines below as they are
    classifier = load(model, threads=threads, device=device)
    classifier.facts.coverage_key(coverage)
    form = format_of(form, output)
    tally = _Tally()
    with ExitStack() as stack:
        sources, rename = _sources(expanded(paths), stack)
        stream = stack.enter_context(opened(output))
        show = len(sources) > 1 and not (form is Format.TABLE and stream.isatty())
        count = stack.enter_context(counter("answering", show=show))
        write = stack.enter_context(writer(form, stream))
        inputs = _counted(sources, count)
        answers = _slices(classifier, inputs, coverage, batch_size, heatmaps)
        for answer in with_series(map(rename, answers)):
            tally.add(answer)
            write(answer)
    tally.conclude(listed=form is Format.TABLE)


def _slices(
    classifier: Classifier,
    inputs: Iterable[Source],
    coverage: str | None,
    batch_size: int,
    heatmaps: Path | None,
) -> Iterator[Answer]:
    if heatmaps is None:
        return classifier.predict_iter(inputs, coverage=coverage, batch_size=batch_size)
    from tumorscope.cli.heatmaps import drawn

    return drawn(classifier.explain_iter(inputs, coverage=coverage, batch_size=batch_size), heatmaps)


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

    def conclude(self, *, listed: bool) -> None:
        """Exit unless everything was answered; say so where the failures were not listed one by one."""
        if self.last is None:
            return
        if self.failures == 1 and not listed:
            complain(self.last.message)
        elif self.failures > 1:
            complain(f"{self.failures} inputs failed; the other {self.answered} answers are complete")
        raise typer.Exit(SOME_FAILED if self.answered else NOTHING_ANSWERED)
