"""``tumorscope explain``: draw where the evidence for an answer lies, and say it in numbers.

Owns the order of things. Answering is ``inference``'s work, drawing ``explanation``'s; what it has in common with
``predict`` is in :mod:`tumorscope.cli.answering`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tumorscope.core.labels import Diagnosis
from tumorscope.inference.session import Device

if TYPE_CHECKING:
    from tumorscope.inference.record import Answer

__all__ = ["Format", "explain"]


class Format(StrEnum):
    """What is printed."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"


def explain(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH",
            help="Images, DICOM, NIfTI or .mat files, zip archives, folders, patterns, or - for standard input.",
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for the pictures and their JSON.")
    ],
    model: Annotated[
        Path | None, typer.Option(metavar="BUNDLE", help="A bundle; the shipped one if left out.")
    ] = None,
    diagnosis: Annotated[
        Diagnosis | None,
        typer.Option(
            "--class", help="The class to explain; the most probable one of each slice if left out."
        ),
    ] = None,
    form: Annotated[
        Format,
        typer.Option(
            "--format", help="What is printed; json and jsonl print what stands beside the pictures."
        ),
    ] = Format.TABLE,
    coverage: Annotated[
        str | None,
        typer.Option(metavar="SHARE", help="How often prediction sets hold the truth, such as 0.95."),
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Processor threads; all if left out.")] = None,
    device: Annotated[Device, typer.Option(help="Where to compute.")] = Device.CPU,
) -> None:
    """Draw where in a slice the evidence for an answer lies.

    For each slice DIR gets a picture (the slice, the evidence over it with a line around its hottest region, the
    probabilities, the verdict) and a JSON file of the same name: the answer, the peak in pixels of the slice, and the
    map as a small array. The evidence shows what the network weighed; it is no outline of a tumour.

    \b
    Examples:
      tumorscope explain scan.png --out pictures/
      tumorscope explain study/ --out pictures/ --class meningioma
      tumorscope explain head.nii.gz --out pictures/ --format jsonl
    """  # noqa: D301 - the help needs the character itself, not two of them
    import json
    import sys
    from contextlib import ExitStack

    from tumorscope.cli.answering import Tally, counted, sources_of
    from tumorscope.cli.heatmaps import picture_name
    from tumorscope.cli.inputs import expanded
    from tumorscope.cli.progress import counter
    from tumorscope.core.errors import InvalidConfiguration
    from tumorscope.core.files import atomic_write
    from tumorscope.explanation.document import explanation_record
    from tumorscope.explanation.overlay import as_png
    from tumorscope.explanation.panel import panel
    from tumorscope.inference.classifier import load
    from tumorscope.inference.record import Failure, record

    if out.exists() and not out.is_dir():
        raise InvalidConfiguration(f"--out {out}: this is a file; name a folder for the pictures")
    classifier = load(model, threads=threads, device=device)
    classifier.facts.coverage_key(coverage)
    tally, taken = Tally(), set[str]()
    with ExitStack() as stack:
        sources, rename = sources_of(expanded(paths), stack)
        show = len(sources) > 1 and not (form is Format.TABLE and sys.stdout.isatty())
        count = stack.enter_context(counter("explaining", show=show))
        write = stack.enter_context(_printed(form))
        for given, image in classifier.explain_iter(counted(sources, count), coverage=coverage):
            answer = rename(given)
            tally.add(answer)
            if isinstance(given, Failure) or image is None:
                write(answer, record(answer))
                continue
            name = picture_name(given, taken, diagnosis)
            document = explanation_record(given, diagnosis, name)
            atomic_write(out / name, as_png(panel(image, given, diagnosis)))
            atomic_write((out / name).with_suffix(".json"), json.dumps(document) + "\n")
            write(answer, document)
    if taken:
        noun = "picture" if len(taken) == 1 else "pictures"
        typer.echo(f"{len(taken)} {noun} written to {out}, each with its JSON", err=True)
    if status := tally.status(listed=form is Format.TABLE):
        raise typer.Exit(status)


@contextmanager
def _printed(form: Format) -> Iterator[Callable[[Answer, dict[str, Any]], None]]:
    """Give the function that prints one answer or its document; what belongs before and after comes by itself."""
    import json
    import sys

    if form is Format.TABLE:
        from tumorscope.cli.output import Format as AnswerFormat
        from tumorscope.cli.output import writer

        with writer(AnswerFormat.TABLE, sys.stdout) as table:
            yield lambda answer, _document: table(answer)
        return
    if form is Format.JSONL:
        yield lambda _answer, document: typer.echo(json.dumps(document))
        return
    documents: list[str] = []
    yield lambda _answer, document: documents.append(json.dumps(document))
    typer.echo("[\n" + ",\n".join(documents) + "\n]")
