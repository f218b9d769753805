"""``tumorscope data audit``: parse, call, print.

Owns how a model is asked for an audit, and where the two files go. What is wrong with a data set is found by
``dataset.audit``, and shown by ``reporting``.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tumorscope.cli.data.options import MapLabel, ShowProgress
from tumorscope.cli.data.sources import read_data

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tumorscope.dataset.audit.document import Audit
    from tumorscope.dataset.audit.model import Asked, HeldOut

__all__ = ["audit"]

_JSON, _PAGE, _BUNDLE = "audit.json", "index.html", "bundle.onnx"
_SHIPPED = "shipped"
_COLOURS = {"problem": "red", "notice": "yellow", "good": "green", "not-run": None}


def audit(
    data: Annotated[Path, typer.Argument(help="A manifest, or a folder with a folder per class.")],
    report: Annotated[Path, typer.Option("--report", help="Folder for audit.json and index.html.")],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="BUNDLE|RUN|shipped",
            help="A bundle (.onnx), the word 'shipped' for the bundle that comes with the package, or a run's folder "
            "with out-of-fold answers: looks for wrong labels and for images that are no brain MRI.",
        ),
    ] = None,
    map_label: MapLabel = None,
    progress: ShowProgress = True,
) -> None:
    """Find what is wrong with a data set: copies, leaks, contradictory labels, shortcuts and files that do not open.

    Prints a line for each check and writes a page to look at. Images that cannot be read are listed, all others are
    answered (exit status 1). What the audit finds does not change the exit status.

    \b
    Examples:
      tumorscope data audit images/ --report audit/
      tumorscope data audit manifest.parquet --report audit/ --model runs/first
      tumorscope data audit images/ --report audit/ --model shipped
    """  # noqa: D301  # \b is a control character that keeps the examples as they are
    from tumorscope.cli.progress import counter
    from tumorscope.core.files import atomic_write, check_writable
    from tumorscope.core.version import __version__
    from tumorscope.dataset.audit.pictures import pictures_of
    from tumorscope.dataset.audit.run import audit as audit_data
    from tumorscope.dataset.class_names import ClassNames
    from tumorscope.reporting.audit_page import audit_page

    names = ClassNames.parse(map_label or [])
    for name in (_JSON, _PAGE):
        check_writable(report / name)
    asked, held_out = _models(model)
    manifest = read_data(data, names)
    # One bar: the images are gone through once to read them, and once more to look for copies.
    with counter("images", show=progress) as count:
        found = audit_data(
            manifest,
            data=data.resolve().name,
            command=_command(data, report, model, map_label or []),
            version=__version__,
            model=asked,
            held_out=held_out,
            progress=count,
            search_progress=count,
        )
    atomic_write(report / _JSON, found.model_dump_json(by_alias=True, indent=2) + "\n")
    atomic_write(report / _PAGE, audit_page(found, pictures_of(manifest)))
    _show(found, report)
    if found.unreadable:
        raise typer.Exit(1)


def _command(data: Path, report: Path, model: str | None, map_label: list[str]) -> str:
    words = ["tumorscope", "data", "audit", data.as_posix(), "--report", report.as_posix()]
    if model is not None:
        words += ["--model", model]
    return shlex.join(words + [word for pair in map_label for word in ("--map-label", pair)])


def _models(model: str | None) -> tuple[Asked | None, HeldOut | None]:
    """A bundle; or a run's out-of-fold answers, and its bundle where it has been exported."""
    from tumorscope.core.errors import MissingInput

    if model is None:
        return None, None
    if model == _SHIPPED:
        return _asked(None), None
    path = Path(model)
    if not path.exists():
        raise MissingInput(
            f"{model}: no such file or folder; --model takes a bundle (.onnx), the folder of a run, or the word "
            f"{_SHIPPED!r} for the bundle that comes with the package"
        )
    if not path.is_dir():
        return _asked(path), None
    bundle = path / _BUNDLE
    return (_asked(bundle) if bundle.is_file() else None), _held_out(path)


def _asked(path: Path | None) -> Asked:
    """A bundle that answers; the shipped one for ``None``."""
    from tumorscope.dataset.audit.model import Asked
    from tumorscope.inference.classifier import load

    classifier = load(path)
    card = classifier.card

    def answer(images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        probabilities, novelty = classifier.session.run(images, ("probabilities", "novelty"))
        return probabilities, novelty

    return Asked(
        name=classifier.facts.label,
        size=card.input_size,
        answer=answer,
        novelty_limit=card.thresholds.novelty_limit,
        false_rejection=card.thresholds.novelty_false_rejection,
        trained_on=card.data.image_sha256_prefixes,
    )


def _held_out(run: Path) -> HeldOut:
    from tumorscope.core.errors import InvalidManifest
    from tumorscope.dataset.audit.model import HeldOut
    from tumorscope.evaluation.metrics import softmax
    from tumorscope.evaluation.predictions import PREDICTIONS_NAME, read_predictions

    table = read_predictions(run)
    if table.folds is None:
        raise InvalidManifest(
            f"{run / PREDICTIONS_NAME} names no folds, so whether its answers are out-of-fold cannot be told; "
            "give a run made with: tumorscope train --folds"
        )
    return HeldOut(run.resolve().name, dict(zip(table.hashes, softmax(table.logits), strict=True)))


def _show(found: Audit, report: Path) -> None:
    """A line for each check, in the order of the document."""
    for check in found.checks:
        word = typer.style(f"{check.verdict.value:8}", fg=_COLOURS[check.verdict.value], bold=True)
        typer.echo(f"{word} {check.title}: {check.sentence}")
    for entry in found.unreadable:
        text = entry.message if entry.path in entry.message else f"{entry.path}: {entry.message}"
        typer.echo(f"unreadable: {text}", err=True)
    typer.echo(f"written to {report / _PAGE} and {_JSON}")
