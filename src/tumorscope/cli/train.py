"""``tumorscope train``: parse, call, print."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tumorscope.cli.processes import announce, as_one, start_or_join
from tumorscope.recipes.registry import RECIPES
from tumorscope.training.launch import find_place
from tumorscope.training.loggers import LoggerName

if TYPE_CHECKING:
    from tumorscope.training.config import TrainingConfig
    from tumorscope.training.folder import RunFolder
    from tumorscope.training.teachers import Teachers

__all__ = ["train"]


def _list_recipes(asked: bool) -> None:
    if not asked:
        return
    from tumorscope.recipes.listing import describe_recipes

    typer.echo(describe_recipes())
    raise typer.Exit


DEFAULT = "efficientnet-lite0"


@as_one
def train(
    context: typer.Context,
    data: Annotated[
        Path | None, typer.Option(help="A manifest, or a folder with one sub-folder per class.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; made where it does not exist.")] = None,
    recipe: Annotated[
        str | None,
        typer.Option(help=f"What to train; recipes are {', '.join(RECIPES)}. {DEFAULT} if left out."),
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
      tumorscope train --data manifest.csv --out runs/mean --folds --average runs/first --average runs/second
    """  # noqa: D301  # \b is a control character that keeps the examples as they are
    from tumorscope.cli.progress import counter
    from tumorscope.core.optional import require
    from tumorscope.dataset.leaks import describe_leaks
    from tumorscope.dataset.manifest_file import read_manifest
    from tumorscope.recipes.weights import weights_file
    from tumorscope.training.folder import check_configuration
    from tumorscope.training.loggers import Loggers, check_loggers
    from tumorscope.training.members import open_members
    from tumorscope.training.split import training_data

    # Whatever can be wrong in the command is found before torch is imported and before anything is written.
    if average:
        _nothing_else(recipe, config_file, settings, weights, teacher, logger, devices, nodes)
    members = open_members(average or [])
    config, teachers = (
        (members.config, None)
        if members is not None
        else _of_settings(recipe, config_file, settings or [], weights, teacher or [])
    )
    data, out = _needed(sheet, data, out, config)
    weights_file(config.weights)
    chosen_loggers = check_loggers(logger or [])
    _check_part(out, out / ("folds" if folds else "final"), resume=resume)
    begun = check_configuration(out, config) is not None
    whole = read_manifest(data)
    chosen = training_data(whole, folds=folds, allow_leaks=allow_leaks)
    for forebears in (teachers, members):
        if forebears is not None:
            forebears.check(whole, chosen.manifest, out, folds=folds, allow_leaks=allow_leaks)
    if start_or_join(context.obj or sys.argv[1:], devices, nodes):
        return
    require("torch", extra="train", purpose="training")
    from tumorscope.training.fit import check_network
    from tumorscope.training.making import Averaging, Maker, Training
    from tumorscope.training.run import cross_fit, final_fit
    from tumorscope.training.together import load_together, start_together

    if not begun:
        check_network(config)
    if chosen.left_out:
        parts = ", ".join(f"{count:,} of the part {part}" for part, count in chosen.left_out.items())
        announce(f"not learnt from: {parts}")
    for split, leaks in chosen.leaks.items():
        announce(f"warning: the {split} leak ({describe_leaks(leaks)}); all results are stamped")
    place = find_place()
    progress = progress and sys.stderr.isatty() and (place is None or place.rank == 0)
    with counter("reading images", show=progress) as count:
        manifest, images = load_together(
            chosen.manifest,
            config.image_size,
            place,
            skip_unreadable=skip_unreadable,
            progress=count,
            announce=announce,
        )
    # What cannot be read is no part of the data, so the folder is made only now.
    run = start_together(out, config, manifest, place, left_out=chosen.left_out, leaks=chosen.leaks)

    logs = Loggers(chosen_loggers, run).of_fit if chosen_loggers else None
    maker: Maker = Training(progress, teachers, logs) if members is None else Averaging(members)
    fit_part = partial(cross_fit, allow_leaks=allow_leaks) if folds else partial(final_fit)
    try:
        fit_part(run, manifest, images, maker, announce=announce)
    except KeyboardInterrupt:
        announce("go on with the same command and --resume")
        raise
    if place is None or place.rank == 0:
        _export(run, folds=folds, leaks=chosen.leaks)


def _export(run: RunFolder, *, folds: bool, leaks: Mapping[str, object]) -> None:
    """Make the bundles of what was trained, and say what to do next."""
    if folds:
        from tumorscope.evaluation.predictions import read_predictions
        from tumorscope.evaluation.style_folds import holds_whole_styles
        from tumorscope.export.folds import export_folds

        export_folds(run, announce=announce)
        typer.echo(f"out-of-fold answers: {run.predictions}")
        stamped = " --allow-leaks" if "folds" in leaks else ""
        protocol = "shifted" if holds_whole_styles(read_predictions(run.predictions)) else "patient-wise"
        typer.echo(
            f"measure them with: tumorscope evaluate --model {run.path} --protocol {protocol}{stamped}"
        )
        return
    from tumorscope.export.onnx import export_run

    announce("exporting the graph and checking it against torch (about 15 seconds)")
    export_run(run)
    typer.echo(f"bundle: {run.bundle}")


def _needed(
    sheet: Path | None, data: Path | None, out: Path | None, config: TrainingConfig
) -> tuple[Path, Path]:
    """The data and the folder of a run; showing the augmentation does without, and ends here."""
    from tumorscope.cli.augmentation_sheet import show_augmentation
    from tumorscope.core.errors import InvalidConfiguration

    if sheet is not None:
        show_augmentation(sheet, data, config)
        raise typer.Exit
    if data is None or out is None:
        missing = "--data" if data is None else "--out"
        raise InvalidConfiguration(f"missing option {missing!r}; see 'tumorscope train --help'")
    return data, out


def _of_settings(
    recipe: str | None,
    config_file: Path | None,
    settings: list[str],
    weights: str | None,
    teacher: list[Path],
) -> tuple[TrainingConfig, Teachers | None]:
    """What is going to be trained, and who teaches."""
    from tumorscope.training.config import configure
    from tumorscope.training.config_file import read_config_file
    from tumorscope.training.distillation_config import WEIGHT_WITH_TEACHERS

    given = None if config_file is None else read_config_file(config_file, recipe)
    config = configure(
        (given.recipe if given else recipe) or DEFAULT,
        [
            *([f"distillation.weight={WEIGHT_WITH_TEACHERS}"] if teacher else []),
            *(given.settings if given else ()),
            *settings,
            *([f"weights={weights}"] if weights else []),
        ],
    )
    from tumorscope.training.teachers import check_teaching, open_teachers  # needs what configure asked for

    teachers = open_teachers(teacher)
    check_teaching(config, teachers)
    return config, teachers


def _nothing_else(*given: object) -> None:
    """A mean has the settings of its members, and is made in one process."""
    from tumorscope.core.errors import InvalidConfiguration

    if any(value is not None and value != [] for value in given):
        raise InvalidConfiguration(
            "--average takes its settings from the runs that it names; leave away --recipe, --config, --set, "
            "--weights, --teacher, --logger, --devices and --nodes"
        )


def _check_part(out: Path, part: Path, *, resume: bool) -> None:
    """Neither overwrite what was trained before nor find out at the end that nothing can be written."""
    from tumorscope.core.errors import InvalidConfiguration
    from tumorscope.core.files import check_writable

    check_writable(out / "config.yaml")
    if part.exists() and not resume:
        raise InvalidConfiguration(f"{part} exists; go on with it by --resume, or choose another --out")
