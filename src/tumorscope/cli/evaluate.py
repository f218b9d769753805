"""``tumorscope evaluate``: what a run or a bundle is worth.

Owns the options, and the order in which they are checked, measured by and written. What excludes what is in
:mod:`tumorscope.cli.evaluation_options`; the measuring is done in ``assessment``.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tumorscope.cli.data.options import MapLabel
from tumorscope.cli.evaluation_measure import measure
from tumorscope.cli.evaluation_options import (
    Format,
    PassName,
    ProtocolName,
    check_passes,
    check_report,
    command_line,
    is_table,
    target_file,
)

if TYPE_CHECKING:
    from tumorscope.dataset.class_names import ClassNames

__all__ = ["evaluate"]


def evaluate(
    *,
    protocol: Annotated[
        ProtocolName,
        typer.Option(
            "--protocol",
            help="patient-wise: out-of-fold answers of a RUN. external: a BUNDLE on images it has not seen. "
            "official: a BUNDLE on the data set's own test images, measured as published and always stamped with its "
            "leaks. leak-free: on those of them without a copy or a "
            "patient elsewhere. shifted: answers of a RUN whose folds are whole styles, see data split --by-style.",
        ),
    ],
    model: Annotated[
        Path | None,
        typer.Option(
            "--model",
            help="A run's folder, a bundle (.onnx), or answers of other software (.csv: label, probability_CLASS); "
            "the shipped bundle if left out.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            help="A manifest (external: only its part 'test' where it has parts), or a folder per class; for external "
            "also a folder without classes, which gives predictions and no figures. For "
            "patient-wise and shifted the run's own images, for strata, --pass and the pictures of --report.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Where evaluation.json goes: a file or a folder; a run's own folder if left out. Answers of a BUNDLE "
            "are kept beside it until it is written: the same command goes on after an interruption.",
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report", help="Folder for evaluation.json and report.html, with every part measured."
        ),
    ] = None,
    passes: Annotated[
        list[PassName] | None,
        typer.Option(
            "--pass",
            help="Ask the model again about changed images, or about foreign ones (novelty), with --report; may be "
            "repeated.",
        ),
    ] = None,
    foreign: Annotated[
        Path | None,
        typer.Option(
            "--foreign",
            help="For --pass novelty: a folder of images that are no brain MRI, in a folder for each kind, beside "
            "those that are made.",
        ),
    ] = None,
    map_label: MapLabel = None,
    limit: Annotated[int, typer.Option("--limit", min=8, help="Images that a --pass uses at most.")] = 400,
    allow_leaks: Annotated[
        bool,
        typer.Option(
            "--allow-leaks",
            help="Measure a split that leaks all the same; the result says so. official is measured so anyway.",
        ),
    ] = False,
    form: Annotated[Format, typer.Option("--format", help="What is printed.")] = Format.TABLE,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Of a BUNDLE: images at once.")] = 32,
    progress: Annotated[bool, typer.Option(help="Draw a progress bar.")] = True,
) -> None:
    """Measure a model: accuracy, loss, F1, sensitivity and confusion, with 95 % intervals over patients.

    \b
    Examples:
      tumorscope evaluate --model runs/first --protocol patient-wise
      tumorscope evaluate --model bundle.onnx --protocol external --data images/ --out evaluation.json
      tumorscope evaluate --model bundle.onnx --protocol official --data brain-tumor-mri/
      tumorscope evaluate --model runs/first --protocol patient-wise --data images/ --report report/ --pass stress
      tumorscope evaluate --model runs/by-style --protocol shifted
      tumorscope evaluate --model answers-of-other-software.csv --protocol external --out evaluation.json
    """  # noqa: D301 - the help needs the character itself, not two of them
    from tumorscope.cli.evaluation_tables import show
    from tumorscope.dataset.class_names import ClassNames
    from tumorscope.evaluation.kept_answers import kept_beside
    from tumorscope.reporting.evaluated import without_path

    names = ClassNames.parse(map_label or [])
    command = command_line(
        protocol, model, data, allow_leaks=allow_leaks, passes=passes or [], foreign=foreign, limit=limit
    )
    command += "".join(f" --map-label {shlex.quote(pair)}" for pair in map_label or [])
    check_report(report, out, passes, data, foreign)
    if passes:
        check_passes(model, data, names)
    target = target_file(report or out, model if protocol.measures_a_run and not is_table(model) else None)
    kept = None if target is None else kept_beside(target)
    measurement = measure(
        model,
        protocol,
        data,
        command,
        names,
        kept=kept,
        batch_size=batch_size,
        progress=progress,
        allow_leaks=allow_leaks,
    )
    _tell_unmet(names)
    files: list[str] = []
    if report is not None:
        from tumorscope.cli.evaluation_report import write_report

        result, files = write_report(
            measurement, report, passes=passes or [], limit=limit, progress=progress, foreign=foreign
        )
    else:
        result = measurement.document()
    text = json.dumps(result, indent=2, ensure_ascii=False) + "\n"
    if target is not None:
        from tumorscope.core.files import atomic_write

        atomic_write(target, text)
        if kept is not None:
            kept.unlink(missing_ok=True)  # what it was kept for is done
    if form is Format.JSON:
        typer.echo(text, nl=False)
    else:
        show(result)
    for failure in result["failures"]:
        reason = without_path(failure["path"], failure["error"]["message"])
        typer.echo(f"not answered: {failure['path']}: {reason}", err=True)
    if target is not None:
        beside = f", beside it {', '.join(files)}" if files else ""
        typer.echo(f"written to {target}{beside}", err=True)
    if result["failures"]:
        raise typer.Exit(1)


def _tell_unmet(names: ClassNames) -> None:
    """Say which names of ``--map-label`` nothing had; with a table of them where names were read at all."""
    from tumorscope.cli.data.sources import names_not_met

    if names.met:
        names_not_met(names)
    elif names.unmet():
        listed = ", ".join(repr(name) for name in names.unmet())
        typer.echo(f"note: --map-label {listed} was used for no image; no label was read", err=True)
