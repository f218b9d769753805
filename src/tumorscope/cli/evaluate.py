"""``tumorscope evaluate``: what a run or a bundle is worth.

Owns the options, and what in them excludes each other. The measuring is done in ``assessment``.
"""

from __future__ import annotations

import json
import shlex
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from tumorscope.cli.data.options import MapLabel

if TYPE_CHECKING:
    from tumorscope.assessment.measurement import Measurement
    from tumorscope.dataset.class_names import ClassNames
    from tumorscope.inference.classifier import Classifier

__all__ = ["Format", "ProtocolName", "evaluate"]


class Format(StrEnum):
    """How the result is printed."""

    TABLE = "table"
    JSON = "json"


class ProtocolName(StrEnum):
    """The protocols offered, spelled here so that ``--help`` need not import NumPy."""

    OFFICIAL = "official"
    LEAK_FREE = "leak-free"
    PATIENT_WISE = "patient-wise"
    EXTERNAL = "external"
    SHIFTED = "shifted"

    @property
    def measures_a_run(self) -> bool:
        """Whether it is about the out-of-fold answers of a run, not about a bundle."""
        return self in {ProtocolName.PATIENT_WISE, ProtocolName.SHIFTED}


class PassName(StrEnum):
    """The slow passes, see :class:`tumorscope.assessment.passes.Pass`."""

    STRESS = "stress"
    SHORTCUT = "shortcut"
    EXPLANATION = "explanation"
    NOVELTY = "novelty"


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
    command = _command(
        protocol, model, data, allow_leaks=allow_leaks, passes=passes or [], foreign=foreign, limit=limit
    )
    command += "".join(f" --map-label {shlex.quote(pair)}" for pair in map_label or [])
    _check_report(report, out, passes, data, foreign)
    if passes:
        _check_passes(model, data, names)
    target = _target(report or out, model if protocol.measures_a_run and not _is_table(model) else None)
    kept = None if target is None else kept_beside(target)
    measurement = _measure(
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


def _check_report(
    report: Path | None,
    out: Path | None,
    passes: list[PassName] | None,
    data: Path | None,
    foreign: Path | None,
) -> None:
    from tumorscope.core.errors import InvalidConfiguration, MissingInput

    if report is not None and out is not None:
        raise InvalidConfiguration("--report DIR holds evaluation.json already; leave --out away")
    if passes and (report is None or data is None):
        raise InvalidConfiguration(
            "--pass asks the model about images and writes a report: give --data and --report"
        )
    if foreign is not None and PassName.NOVELTY not in (passes or []):
        raise InvalidConfiguration("--foreign gives images for the novelty; ask for it with --pass novelty")
    if foreign is not None and not foreign.is_dir():
        raise MissingInput(
            f"{foreign}: no such folder; --foreign takes a folder of images that are no brain MRI"
        )


def _command(
    protocol: ProtocolName,
    model: Path | None,
    data: Path | None,
    *,
    allow_leaks: bool,
    passes: list[PassName],
    foreign: Path | None,
    limit: int,
) -> str:
    words = ["tumorscope", "evaluate"]
    if model is not None:
        words += ["--model", model.as_posix()]
    words += ["--protocol", protocol.value]
    if data is not None:
        words += ["--data", data.as_posix()]
    if allow_leaks:
        words.append("--allow-leaks")
    for name in passes:
        words += ["--pass", name.value]
    if foreign is not None:
        words += ["--foreign", foreign.as_posix()]
    if passes:
        words += ["--limit", str(limit)]
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


def _is_table(model: Path | None) -> bool:
    """Whether the model is a table of answers, of whatever software."""
    from tumorscope.assessment.from_table import SUFFIX

    return model is not None and model.suffix.lower() == SUFFIX and not model.is_dir()


def _check_passes(model: Path | None, data: Path | None, names: ClassNames) -> None:
    """A pass asks a model, and compares what it says with labels."""
    from tumorscope.assessment.unlabelled import has_no_labels
    from tumorscope.core.errors import InvalidConfiguration

    if _is_table(model):
        raise InvalidConfiguration(
            f"{model} is a table of answers and cannot be asked about changed images; leave --pass away"
        )
    if data is not None and has_no_labels(data, names):
        raise InvalidConfiguration(
            f"{data} has no labels, and --pass compares answers with them; leave it away"
        )


def _measure(
    model: Path | None,
    protocol: ProtocolName,
    data: Path | None,
    command: str,
    names: ClassNames,
    *,
    kept: Path | None,
    batch_size: int,
    progress: bool,
    allow_leaks: bool,
) -> Measurement:
    """Measure what ``--model`` names: a table of answers, a run or a bundle."""
    from tumorscope.dataset.manifest_file import read_manifest
    from tumorscope.evaluation.protocol import Protocol

    chosen = Protocol(protocol.value)
    if _is_table(model):
        from tumorscope.assessment.from_table import measure_table

        images = None if data is None else read_manifest(data, names)
        return measure_table(
            cast("Path", model), chosen, command, class_names=names, images=images, allow_leaks=allow_leaks
        )
    if protocol.measures_a_run:
        from tumorscope.assessment.from_run import measure_run

        images = None if data is None else read_manifest(data, names)
        return measure_run(model, chosen, command, images=images, allow_leaks=allow_leaks)
    from tumorscope.assessment.from_bundle import measure_bundle
    from tumorscope.assessment.unlabelled import has_no_labels, predictions_only
    from tumorscope.cli.progress import counter

    classifier, folder = _bundle_and_data(model, data, protocol)
    if protocol is ProtocolName.EXTERNAL and has_no_labels(folder, names):
        with counter("files", show=progress) as count:
            return predictions_only(
                classifier, folder, command, class_names=names, batch_size=batch_size, progress=count
            )
    with counter("images", show=progress) as count:
        return measure_bundle(
            classifier,
            model,
            folder,
            chosen,
            command,
            class_names=names,
            allow_leaks=allow_leaks,
            kept=kept,
            batch_size=batch_size,
            progress=count,
        )


def _bundle_and_data(
    model: Path | None, data: Path | None, protocol: ProtocolName
) -> tuple[Classifier, Path]:
    """The bundle to test and where its images are, after what can be wrong in the command."""
    from tumorscope.core.errors import InvalidConfiguration
    from tumorscope.inference.classifier import load

    if data is None:
        raise InvalidConfiguration(
            f"the protocol {protocol.value} needs labelled images: --data MANIFEST or FOLDER"
        )
    if model is not None and model.is_dir():
        raise InvalidConfiguration(
            f"{model} is a folder; the protocol {protocol.value} tests one bundle: give its .onnx file as --model"
        )
    return load(model), data
