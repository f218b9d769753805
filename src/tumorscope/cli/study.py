"""``tumorscope study``: parse, call, print."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tumorscope.study.words import DEFAULT_PROTOCOLS, DEFAULT_RECIPES

if TYPE_CHECKING:
    from tumorscope.study.request import StudyRequest

__all__ = ["study"]


def study(
    *,
    data: Annotated[Path, typer.Option(help="A manifest, or a folder per class below Training and Testing.")],
    out: Annotated[Path, typer.Option(help="Folder of the study; made where it does not exist.")],
    recipes: Annotated[
        str,
        typer.Option(metavar="NAME,...", help="What to compare, in this order; see train --list-recipes."),
    ] = ",".join(DEFAULT_RECIPES),
    protocols: Annotated[
        str, typer.Option(metavar="NAME,...", help="What is measured, out of these three.")
    ] = ",".join(DEFAULT_PROTOCOLS),
    folds_of: Annotated[
        list[str] | None,
        typer.Option(
            "--folds-of",
            metavar="RECIPE=N",
            help="Train only the first N folds of a recipe that takes long; its figures say so. May be repeated.",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="[RECIPE.]KEY=VALUE",
            help="Change a setting of all recipes, or of one; may be repeated.",
        ),
    ] = None,
    taken: Annotated[
        list[str] | None,
        typer.Option(
            "--from",
            metavar="[NAME=]RUN",
            help="Take a finished run's folder, or a bundle (.onnx), in place of training; under NAME if given, else "
            "as its recipe. May be repeated.",
        ),
    ] = None,
    compare: Annotated[
        bool,
        typer.Option(
            "--compare",
            help="Train nothing: compare what is finished in OUT and what --from gives. Needs no torch.",
        ),
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with runs that were interrupted.")] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Print what would be trained, by which commands, and do nothing else."
        ),
    ] = False,
    allow_leaks: Annotated[
        bool,
        typer.Option(
            "--allow-leaks",
            help="Train and measure folds that leak all the same; all results say so. The official split always is.",
        ),
    ] = False,
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="Leave out images that cannot be read, and say which.")
    ] = False,
    progress: Annotated[bool, typer.Option(help="Draw progress bars.")] = True,
) -> None:
    """Train several recipes under the same protocols, and compare them in one table and one page.

    Each recipe is trained on the official Training part and measured on the official Testing part (official), and
    cross-fitted over patients (patient-wise). leak-free is measured where enough of the official test is left. Every
    part is an ordinary run, OUT/runs/RECIPE/official and OUT/runs/RECIPE/folds, as 'tumorscope train' makes it; what
    is finished is never trained again. OUT/comparison.json, .md and .html hold the outcome.

    \b
    Exit status: 0 when everything was measured, 1 when a row failed (the others are in the table), 2 for a mistake.

    \b
    Examples:
      tumorscope study --data manifest.csv --out study/ --dry-run
      tumorscope study --data manifest.csv --out study/ --folds-of vgg16=1 --set vgg16.epochs=6
      tumorscope study --data manifest.csv --out study/ --folds-of vgg16=1 --set vgg16.epochs=6 --resume
      tumorscope study --data manifest.csv --out study/ --compare
      tumorscope study --data manifest.csv --out other/ --compare --from runs/first --from mine=bundle.onnx
    """  # noqa: D301  # \b is a control character that keeps the examples as they are
    from tumorscope.cli.steps import steps
    from tumorscope.cli.study_tables import show_comparison, show_plan
    from tumorscope.study.request import StudyRequest, names_of, protocols_of
    from tumorscope.study.request import folds_of as read_folds_of
    from tumorscope.study.run import prepare_study, write_study

    names = names_of(recipes)
    request = StudyRequest(
        data=data,
        out=out,
        recipes=names,
        protocols=protocols_of(protocols),
        folds_of=read_folds_of(folds_of or [], names),
        settings=tuple(settings or []),
        taken=tuple(taken or []),
        train=not compare,
        resume=resume,
        allow_leaks=allow_leaks,
        skip_unreadable=skip_unreadable,
    )
    prepared = prepare_study(request, _command(request, DEFAULT_RECIPES))
    if dry_run:
        show_plan(prepared)
        return
    progress = progress and sys.stderr.isatty()
    try:
        comparison = prepared.run(
            steps=lambda: steps(show=progress),
            progress=progress,
            announce=lambda text: typer.echo(text, err=True),
        )
    except KeyboardInterrupt:
        typer.echo("go on with the same command and --resume", err=True)
        raise
    written = write_study(comparison, out)
    show_comparison(comparison)
    typer.echo(
        f"written to {written[0]}, beside it {', '.join(path.name for path in written[1:3])}", err=True
    )
    if comparison.failed():
        raise typer.Exit(1)


def _command(request: StudyRequest, default: tuple[str, ...]) -> str:
    """The command line that makes the same comparison again."""
    words = ["tumorscope", "study", "--data", request.data.as_posix(), "--out", request.out.as_posix()]
    if request.recipes != default:
        words += ["--recipes", ",".join(request.recipes)]
    names = tuple(protocol.value for protocol in request.protocols)
    if names != DEFAULT_PROTOCOLS:
        words += ["--protocols", ",".join(names)]
    for recipe, count in (request.folds_of or {}).items():
        words += ["--folds-of", f"{recipe}={count}"]
    for setting in request.settings:
        words += ["--set", setting]
    for text in request.taken:
        words += ["--from", text]
    words += ["--allow-leaks"] if request.allow_leaks else []
    words += ["--skip-unreadable"] if request.skip_unreadable else []
    return shlex.join(words if request.train else [*words, "--compare"])
