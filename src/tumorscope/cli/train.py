"""``tumorscope train``: parse, call, print."""

from __future__ import annotations

import sys
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from tumorscope.cli.processes import as_one, start_or_join
from tumorscope.cli.training_order import Request, orders_of, required
from tumorscope.cli.training_settings import DEFAULT_RECIPE, Settings
from tumorscope.core.errors import InvalidConfiguration
from tumorscope.recipes.registry import RECIPES
from tumorscope.training.loggers import LoggerName

__all__ = ["train"]


def _list_recipes(asked: bool) -> None:
    if not asked:
        return
    from tumorscope.recipes.listing import describe_recipes

    typer.echo(describe_recipes())
    raise typer.Exit


@as_one
def train(
    context: typer.Context,
    data: Annotated[
        Path | None, typer.Option(help="A manifest, or a folder with one sub-folder per class.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; made where it does not exist.")] = None,
    recipe: Annotated[
        str | None,
        typer.Option(help=f"What to train; recipes are {', '.join(RECIPES)}. {DEFAULT_RECIPE} if left out."),
    ] = None,
    config_file: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE",
            help="YAML file of settings, such as a search's best.yaml or a run's config.yaml; --set changes them.",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change a setting, see docs/training.md; may be repeated."
        ),
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="Initial weights: auto, hub, package, or a .safetensors file.")
    ] = None,
    teacher: Annotated[
        list[Path] | None,
        typer.Option(
            "--teacher",
            metavar="RUN",
            help="Learn what this finished run says of each image too, see docs/ensembles.md; may be repeated.",
        ),
    ] = None,
    guide: Annotated[
        Path | None,
        typer.Option(
            "--guide",
            metavar="RUN",
            help="Learn from close-ups of where this finished run looks, and answer with it, see docs/close-ups.md.",
        ),
    ] = None,
    average: Annotated[
        list[Path] | None,
        typer.Option(
            "--average",
            metavar="RUN",
            help="Train nothing: take the mean of these finished runs' weights, see docs/ensembles.md; two or more.",
        ),
    ] = None,
    logger: Annotated[
        list[LoggerName] | None,
        typer.Option("--logger", help="Log to this too, beside metrics.csv; may be repeated."),
    ] = None,
    devices: Annotated[
        int | None,
        typer.Option(min=1, help="GPUs of each machine, or processes where it has none; 1 if left out."),
    ] = None,
    nodes: Annotated[
        int | None, typer.Option(min=1, help="Machines that train together; 1 if left out.")
    ] = None,
    folds: Annotated[
        bool, typer.Option("--folds", help="Train one model a fold for out-of-fold figures.")
    ] = False,
    final: Annotated[
        bool,
        typer.Option(
            "--final",
            help="After --folds make the final fit and its bundle too; without --folds they are what is made.",
        ),
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False,
    allow_leaks: Annotated[
        bool,
        typer.Option("--allow-leaks", help="Train on a split that leaks all the same; all results say so."),
    ] = False,
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="Leave out images that cannot be read, and say which.")
    ] = False,
    list_recipes: Annotated[  # noqa: ARG001  # its callback acts
        bool,
        typer.Option(
            "--list-recipes",
            callback=_list_recipes,
            is_eager=True,
            help="Print what each recipe is and starts from, and do nothing else.",
        ),
    ] = False,
    sheet: Annotated[
        Path | None,
        typer.Option(
            "--show-augmentation",
            metavar="FILE.png",
            help="Draw what the augmentation makes of some images of --data, or of phantoms, and do nothing else.",
        ),
    ] = None,
    progress: Annotated[bool, typer.Option(help="Draw progress bars.")] = True,
) -> None:
    """Train a classifier and export it as one bundle.

    Without --folds the final model is fitted on all groups but a small calibration part, and RUN/bundle.onnx is
    written. With --folds one model a fold is trained first, and RUN/predictions.csv holds what each says of the
    patients it has not seen: the honest figures. Each leaves RUN/folds/N/bundle.onnx, by which the run is measured.
    With --folds --final both are made. A recipe that looks closer trains its guide before each, in a
    folder of RUN, and its folds come first.

    \b
    Examples:
      tumorscope train --data images/ --out runs/first
      tumorscope train --data manifest.csv --out runs/first --folds --set epochs=8
      tumorscope train --data manifest.csv --out runs/first --folds --resume
      tumorscope train --list-recipes
      tumorscope train --show-augmentation sheet.png --data images/ --set augmentation.preset=strong
      tumorscope train --data manifest.csv --out runs/best --config search/best.yaml --set epochs=20
      tumorscope train --data manifest.csv --out runs/first --folds --logger tensorboard --logger mlflow
      tumorscope train --data manifest.csv --out runs/large --recipe convnext-tiny --devices 4
      torchrun --nproc-per-node 2 $(which tumorscope) train --data manifest.csv --out runs/large
      tumorscope train --data manifest.csv --out runs/student --folds --teacher runs/large --teacher runs/other
      tumorscope train --data manifest.csv --out runs/shipped --recipe efficientnet-lite2-closer --folds --final
      tumorscope train --data manifest.csv --out runs/closer --folds --guide runs/first
      tumorscope train --data manifest.csv --out runs/mean --folds --average runs/first --average runs/second
    """  # noqa: D301  # \b is a control character that keeps the examples as they are
    given = Settings(recipe, config_file, settings or [], weights, teacher or [], average or [], guide)
    given.refuse_beside_average(logger, devices, nodes)
    if sheet is not None:
        if guide is not None:
            raise InvalidConfiguration("--show-augmentation shows whole slices; leave --guide away")
        if given.trains_guide:
            raise InvalidConfiguration(
                "--show-augmentation shows whole slices; take a recipe without a guide, or the guide's own"
            )
        chosen = given.chosen()
        from tumorscope.cli.augmentation_sheet import show_augmentation

        show_augmentation(sheet, data, chosen.config)
        return
    request = Request(
        required(data, "--data"),
        required(out, "--out"),
        logger or [],
        parts=(True, False) if folds and final else (folds,),
        resume=resume,
        allow_leaks=allow_leaks,
    )
    orders = orders_of(given, request)
    first = next(orders)
    if start_or_join(context.obj or sys.argv[1:], devices, nodes):
        return
    from tumorscope.cli.training_run import carry_out

    for order in chain([first], orders):
        carry_out(order, skip_unreadable=skip_unreadable, progress=progress)
