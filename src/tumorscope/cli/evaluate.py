"""``tumorscope evaluate``: what a run or a bundle is worth.

Owns the options. The figures come from ``evaluation``, a bundle's answers from ``inference``.
"""

from __future__ import annotations

import json
import shlex
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tumorscope.core.card import Measured
    from tumorscope.core.errors import TumorscopeError
    from tumorscope.dataset.manifest import Manifest
    from tumorscope.evaluation.scoring import Scored
    from tumorscope.inference.classifier import Classifier

    Failures = tuple[tuple[str, TumorscopeError], ...]

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


def evaluate(
    *,
    protocol: Annotated[
        ProtocolName,
        typer.Option(
            "--protocol",
            help="patient-wise: out-of-fold answers of a RUN. external: a BUNDLE on images it has not seen. "
            "official: a BUNDLE on the data set's own test images. leak-free: on those of them without a copy or a "
            "patient elsewhere.",
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
            help="All but patient-wise: a manifest (external: only its part 'test' where it has parts), or a folder "
            "per class.",
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
    batch_size: Annotated[
        int, typer.Option("--batch-size", min=1, help="All but patient-wise: images at once.")
    ] = 32,
    progress: Annotated[bool, typer.Option(help="Draw a progress bar.")] = True,
) -> None:
    """Measure a model: accuracy, loss, F1, sensitivity and confusion, with 95 % intervals over patients.

    \b
    Examples:
      tumorscope evaluate --model runs/first --protocol patient-wise
      tumorscope evaluate --model bundle.onnx --protocol external --data images/ --out evaluation.json
      tumorscope evaluate --model bundle.onnx --protocol official --data brain-tumor-mri/
    """  # noqa: D301 - the help needs the character itself, not two of them
    from tumorscope.cli.evaluation_tables import show

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
        measured, by_class = patient_wise(table, command, allow_leaks=allow_leaks), _count(table.labels)
    else:
        from tumorscope.evaluation.protocol import Protocol, measure, not_estimable
        from tumorscope.evaluation.selection import images_to_test
        from tumorscope.evaluation.synthetic import synthetic_notes

        chosen = Protocol(protocol.value)
        classifier = _bundle(model, data, protocol)
        card, name = classifier.card, classifier.facts.label
        images = images_to_test(_manifest(data), chosen, allow_leaks=allow_leaks)
        further = (*synthetic_notes(row.source for row in images.manifest), *images.notes)
        if images.estimable:
            scored = _scored(classifier, images.manifest, batch_size=batch_size, progress=progress)
            table, failures = scored.table, scored.failures
            measured = measure(table, chosen, command, temperature=card.temperature, leaks=images.leaks)
            by_class = _count(table.labels)
        else:
            measured, by_class = (
                not_estimable(images.manifest, chosen, command),
                _count(images.manifest.labels()),
            )
    result = _document(measured, by_class, name, failures, further)
    text = json.dumps(result, indent=2, ensure_ascii=False) + "\n"
    if target is not None:
        from tumorscope.core.files import atomic_write

        atomic_write(target, text)
        typer.echo(f"written to {target}", err=True)
    if form is Format.JSON:
        typer.echo(text, nl=False)
    else:
        show(result)
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


def _manifest(data: Path | None) -> Manifest:
    from tumorscope.dataset.manifest_file import read_manifest

    return read_manifest(data or "")


def _bundle(model: Path | None, data: Path | None, protocol: ProtocolName) -> Classifier:
    """The bundle to test, after what can be wrong in the command."""
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
    return load(model)


def _scored(classifier: Classifier, manifest: Manifest, *, batch_size: int, progress: bool) -> Scored:
    """The bundle's answers to images that it was not made from."""
    from tumorscope.cli.progress import counter
    from tumorscope.evaluation.scoring import refuse_trained_on, score

    refuse_trained_on(manifest, classifier.card.data.image_sha256_prefixes, classifier.facts.label)
    with counter("images", show=progress) as count:
        return score(
            manifest,
            classifier.card.input_size,
            lambda batch: classifier.session.run(batch, ("logits",))[0],
            batch_size=batch_size,
            progress=count,
        )


def _count(labels: NDArray[np.int64]) -> dict[str, int]:
    from tumorscope.core.labels import CLASS_ORDER

    return {key.value: int((labels == key.position).sum()) for key in CLASS_ORDER}


def _document(
    measured: Measured, by_class: dict[str, int], name: str, failures: Failures, further: tuple[str, ...]
) -> dict[str, Any]:
    from tumorscope.evaluation.document import document

    told = tuple((path, error.code, str(error)) for path, error in failures)
    return document(measured, model=name, images_by_class=by_class, failures=told, further_notes=further)
