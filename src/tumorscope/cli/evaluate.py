"""``tumorscope evaluate``: what a run or a bundle is worth.

Owns the options, and how an evaluation looks on a terminal. The figures come from ``evaluation``, a bundle's
answers from ``inference``.
"""

from __future__ import annotations

import json
import shlex
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from tumorscope.core.card import Measured
    from tumorscope.core.errors import TumorscopeError
    from tumorscope.evaluation.predictions import PredictionTable
    from tumorscope.evaluation.scoring import ImagesToTest, Scored

    Failures = tuple[tuple[str, TumorscopeError], ...]

__all__ = ["Format", "ProtocolName", "evaluate"]


class Format(StrEnum):
    """How the result is printed."""

    TABLE = "table"
    JSON = "json"


class ProtocolName(StrEnum):
    """The protocols offered, spelled here so that ``--help`` need not import NumPy."""

    PATIENT_WISE = "patient-wise"
    EXTERNAL = "external"


def evaluate(
    *,
    protocol: Annotated[
        ProtocolName,
        typer.Option(
            "--protocol",
            help="patient-wise: out-of-fold answers of a RUN. external: a BUNDLE on images it has not seen.",
        ),
    ],
    model: Annotated[
        Path | None,
        typer.Option("--model", help="A run's folder, or a bundle (.onnx); the shipped bundle if left out."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            help="external: a manifest (only its part 'test' where it has parts), or a folder per class.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Where evaluation.json goes: a file or a folder; a run's own folder if left out."
        ),
    ] = None,
    allow_leaks: Annotated[
        bool,
        typer.Option("--allow-leaks", help="Measure a split that leaks all the same; the result says so."),
    ] = False,
    form: Annotated[Format, typer.Option("--format", help="What is printed.")] = Format.TABLE,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="external: images at once.")] = 32,
    progress: Annotated[bool, typer.Option(help="Draw a progress bar.")] = True,
) -> None:
    """Measure a model: accuracy, loss, F1, sensitivity and confusion, with 95 % intervals over patients.

    \b
    Examples:
      tumorscope evaluate --model runs/first --protocol patient-wise
      tumorscope evaluate --model bundle.onnx --protocol external --data images/ --out evaluation.json
    """  # noqa: D301 - the help needs the character itself, not two of them
    command = _command(protocol, model, data, allow_leaks=allow_leaks)
    failures: Failures = ()
    further: tuple[str, ...] = ()
    target = _target(out, model if protocol is ProtocolName.PATIENT_WISE else None)
    if protocol is ProtocolName.PATIENT_WISE:
        from tumorscope.evaluation.predictions import read_predictions
        from tumorscope.evaluation.protocol import patient_wise
        from tumorscope.evaluation.synthetic import sources_of_run, synthetic_notes

        run = _run_folder(model, data)
        table, name = read_predictions(run), run.name
        further = synthetic_notes(sources_of_run(run))
        measured = patient_wise(table, command, allow_leaks=allow_leaks)
    else:
        from tumorscope.evaluation.protocol import external
        from tumorscope.evaluation.synthetic import synthetic_notes

        answers = _answers(model, data, batch_size=batch_size, progress=progress, allow_leaks=allow_leaks)
        table, failures, name = answers.scored.table, answers.scored.failures, answers.name
        further = (*synthetic_notes(row.source for row in answers.images.manifest), *answers.images.notes)
        measured = external(table, command, temperature=answers.temperature, leaks=answers.images.leaks)
    result = _document(measured, table, name, failures, further)
    text = json.dumps(result, indent=2, ensure_ascii=False) + "\n"
    if target is not None:
        from tumorscope.core.files import atomic_write

        atomic_write(target, text)
        typer.echo(f"written to {target}", err=True)
    if form is Format.JSON:
        typer.echo(text, nl=False)
    else:
        _show(result)
    for failure in result["failures"]:
        typer.echo(f"not answered: {failure['path']}: {failure['error']['message']}", err=True)
    if result["failures"]:
        raise typer.Exit(1)


def _command(protocol: ProtocolName, model: Path | None, data: Path | None, *, allow_leaks: bool) -> str:
    words = ["tumorscope", "evaluate"]
    if model is not None:
        words += ["--model", model.as_posix()]
    words += ["--protocol", protocol.value]
    if data is not None:
        words += ["--data", data.as_posix()]
    if allow_leaks:
        words.append("--allow-leaks")
    return shlex.join(words)


def _target(out: Path | None, run: Path | None) -> Path | None:
    """The file to write, checked before the work: what was asked for, else in the run's folder, else none."""
    from tumorscope.core.files import check_writable
    from tumorscope.evaluation.document import EVALUATION_NAME

    place = out or run
    if place is None:
        return None
    target = place if place.suffix == ".json" and not place.is_dir() else place / EVALUATION_NAME
    if out is not None:
        check_writable(target)
    return target


def _run_folder(model: Path | None, data: Path | None) -> Path:
    from tumorscope.core.errors import InvalidConfiguration, MissingInput

    if model is None or model.is_file():
        raise InvalidConfiguration(
            "the protocol patient-wise reads the out-of-fold answers of a run: give its folder as --model; "
            "for a bundle use --protocol external --data FOLDER"
        )
    if data is not None:
        raise InvalidConfiguration("--data is for the protocol external; a run knows its own images")
    if not model.exists():
        raise MissingInput(
            f"{model} does not exist; give the folder of a run made by: tumorscope train --folds"
        )
    return model


class _Answers(NamedTuple):
    """A bundle's answers to labelled images, the images, the bundle's name and temperature."""

    scored: Scored
    images: ImagesToTest
    name: str
    temperature: float


def _answers(
    model: Path | None, data: Path | None, *, batch_size: int, progress: bool, allow_leaks: bool
) -> _Answers:
    from tumorscope.cli.progress import counter
    from tumorscope.core.errors import InvalidConfiguration
    from tumorscope.dataset.manifest_file import read_manifest
    from tumorscope.evaluation.scoring import images_to_test, refuse_trained_on, score
    from tumorscope.inference.classifier import load

    if data is None:
        raise InvalidConfiguration("the protocol external needs labelled images: --data MANIFEST or FOLDER")
    if model is not None and model.is_dir():
        raise InvalidConfiguration(
            f"{model} is a folder; the protocol external tests one bundle: give its .onnx file as --model"
        )
    classifier = load(model)
    card, name = classifier.card, classifier.facts.label
    images = images_to_test(read_manifest(data), allow_leaks=allow_leaks)
    refuse_trained_on(images.manifest, card.data.image_sha256_prefixes, name)
    with counter("images", show=progress) as count:
        scored = score(
            images.manifest,
            card.input_size,
            lambda batch: classifier.session.run(batch, ("logits",))[0],
            batch_size=batch_size,
            progress=count,
        )
    return _Answers(scored, images, name, card.temperature)


def _document(
    measured: Measured, table: PredictionTable, name: str, failures: Failures, further: tuple[str, ...]
) -> dict[str, Any]:
    from tumorscope.core.labels import CLASS_ORDER
    from tumorscope.evaluation.document import document

    by_class = {key.value: int((table.labels == key.position).sum()) for key in CLASS_ORDER}
    told = tuple((path, error.code, str(error)) for path, error in failures)
    return document(measured, model=name, images_by_class=by_class, failures=told, further_notes=further)


def _show(result: dict[str, Any]) -> None:
    from rich.console import Console

    # Names of models and paths are text, not markup.
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=False)
    console.print(f"{result['model']}, protocol {result['protocol']}", style="bold")
    console.print(result["protocol_meaning"])
    console.print(
        f"{result['images']:,} images of {result['slices']:,} slices (copies count once) in "
        f"{result['groups']:,} groups, {result['patients']:,} of them real patients"
    )
    console.print(_figure_table(result))
    console.print(_class_table(result))
    console.print(_confusion_table(result))
    for note in result["notes"]:
        console.print(f"Note: {note}")
    console.print(f"Again: {result['command']}", soft_wrap=True)
    console.print(result["notice"], style="italic")


def _titled(result: dict[str, Any]) -> str:
    """The protocol, and the leak beside it: no figure is seen without."""
    return str(result["protocol"]) + (", leaky split" if result["leaks"] else "")


def _interval(figure: dict[str, float]) -> tuple[str, str]:
    return f"{figure['value']:.3f}", f"{figure['low']:.3f} to {figure['high']:.3f}"


def _figure_table(result: dict[str, Any]) -> Table:
    from rich.table import Table

    table = Table(title=f"Figures, {_titled(result)}", title_justify="left")
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("95 % interval", justify="right")
    titles = {
        "accuracy": "accuracy",
        "macro_f1": "macro-F1",
        "balanced_accuracy": "balanced accuracy",
        "loss": "loss (nats, raw logits)",
        "loss_calibrated": "loss (nats, calibrated)",
    }
    for name, title in titles.items():
        if name in result["figures"]:
            table.add_row(title, *_interval(result["figures"][name]))
    return table


def _class_table(result: dict[str, Any]) -> Table:
    from rich.table import Table

    table = Table(title=f"By class, {_titled(result)}", title_justify="left")
    table.add_column("class")
    table.add_column("images", justify="right")
    for title in ("sensitivity (95 %)", "specificity (95 %)"):
        table.add_column(title, justify="right")
    for key in result["class_order"]:
        figures = [result["figures"].get(f"{kind}_{key}") for kind in ("sensitivity", "specificity")]
        cells = ["{} ({})".format(*_interval(figure)) if figure else "-" for figure in figures]
        table.add_row(key, f"{result['images_by_class'][key]:,}", *cells)
    return table


def _confusion_table(result: dict[str, Any]) -> Table:
    from rich.table import Table

    title = f"Confusion in slices, {_titled(result)} (rows: truth; a copy counts as part of a slice)"
    table = Table(title=title, title_justify="left")
    table.add_column("truth \\ answer")
    for key in result["class_order"]:
        table.add_column(key, justify="right")
    for key, row in zip(result["class_order"], result["confusion"], strict=True):
        table.add_row(key, *(f"{cell:g}" if cell == int(cell) else f"{cell:.1f}" for cell in row))
    return table
