"""``tumorscope ensemble``: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tumorscope.cli.weight_type import WeightTypeOption
from tumorscope.core.weight_type import WeightType

if TYPE_CHECKING:
    from tumorscope.core.card import ModelCard

__all__ = ["ensemble"]

_BUNDLE = ".onnx"


def ensemble(
    members: Annotated[
        list[Path], typer.Argument(metavar="MEMBER...", help="Folders of finished runs, or bundles (.onnx).")
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="A bundle to write (FILE.onnx), or a folder: the ensemble as a run, by which it is measured."
        ),
    ],
    fold_models: Annotated[
        bool,
        typer.Option(
            "--fold-models", help="Let all fold models of each run take part, in place of its final fit."
        ),
    ] = False,
    calibration: Annotated[
        Path | None,
        typer.Option(
            help="Labelled images that no member has seen, a manifest or a folder per class: needed where bundles are "
            "named, which cannot say how they did on unseen images."
        ),
    ] = None,
    weight_type: WeightTypeOption = WeightType.FLOAT32,
    progress: Annotated[bool, typer.Option(help="Draw progress bars.")] = True,
) -> None:
    """Put several models together: one file that answers with the mean of their logits.

    Runs must have been cross-fitted (--folds) on the same images in the same folds; calibration, prediction sets and
    the novelty limit then come from the mean of what their fold models say of images they have not seen.

    \b
    Examples:
      tumorscope ensemble runs/seed-0 runs/seed-1 runs/seed-2 --out ensemble.onnx
      tumorscope ensemble runs/seed-0 runs/seed-1 --out runs/both
      tumorscope evaluate --model runs/both --protocol patient-wise
      tumorscope ensemble runs/seed-0 --fold-models --out ensemble.onnx
      tumorscope ensemble runs/seed-0 runs/seed-1 --weight-type float16 --out small.onnx
      tumorscope ensemble one.onnx other.onnx --calibration unseen.csv --out ensemble.onnx
    """  # noqa: D301  # \b is a control character that keeps the examples as they are
    from tumorscope.core.errors import InvalidConfiguration
    from tumorscope.core.files import check_writable
    from tumorscope.core.optional import require

    single = out.suffix.lower() == _BUNDLE and not out.is_dir()
    bundles = [path for path in members if path.is_file()]
    if bundles and calibration is None:
        raise InvalidConfiguration(
            f"{bundles[0]} is a bundle and cannot say how it did on unseen images; name the runs, or give such images "
            "by --calibration DATA"
        )
    if calibration is not None and (fold_models or not single):
        raise InvalidConfiguration(
            "--calibration is for one bundle made of bundles; leave away --fold-models and give --out FILE.onnx"
        )
    require("onnx", extra="train", purpose="making an ensemble")
    check_writable(out if single else out / "ensemble.json")
    if calibration is not None:
        _tell(out, _calibrated_on(members, calibration, out, weight_type=weight_type, progress=progress))
        return
    from tumorscope.export.ensemble import ensemble_of_runs, ensemble_run

    if single:
        _tell(
            out,
            ensemble_of_runs(
                members, out, fold_models=fold_models, weight_type=weight_type, announce=_announce
            ),
        )
        return
    card = ensemble_run(members, out, fold_models=fold_models, weight_type=weight_type, announce=_announce)
    typer.echo(f"out-of-fold answers: {out / 'predictions.csv'}")
    if card is None:
        typer.echo("no bundle to deploy: not all members have a final fit")
    else:
        _tell(out / "bundle.onnx", card)
    _tell_protocol(out)


def _calibrated_on(
    members: list[Path], calibration: Path, out: Path, *, weight_type: WeightType, progress: bool
) -> ModelCard:
    from tumorscope.cli.progress import counter
    from tumorscope.dataset.manifest_file import read_manifest
    from tumorscope.export.ensemble import ensemble_of_bundles

    with counter("images", show=progress) as count:
        return ensemble_of_bundles(
            members,
            out,
            read_manifest(calibration),
            weight_type=weight_type,
            announce=_announce,
            progress=count,
        )


def _tell(out: Path, card: ModelCard) -> None:
    made = card.ensemble
    cost = (
        "" if made is None else f", {made.graph_bytes / 2**20:.1f} MiB, {made.milliseconds:.1f} ms an image"
    )
    typer.echo(f"bundle: {out} ({card.architecture}{cost})")


def _tell_protocol(out: Path) -> None:
    from tumorscope.evaluation.predictions import read_predictions
    from tumorscope.evaluation.style_folds import holds_whole_styles

    table = read_predictions(out)
    protocol = "shifted" if holds_whole_styles(table) else "patient-wise"
    stamped = " --allow-leaks" if table.leaks else ""
    typer.echo(f"measure it with: tumorscope evaluate --model {out} --protocol {protocol}{stamped}")


def _announce(text: str) -> None:
    typer.echo(text, err=True)
