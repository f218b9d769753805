"""``tumorscope search``: parse, call, print."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tumorscope.recipes.registry import RECIPES, find_single_recipe
from tumorscope.search.options import Metric, Pruner, Sampler

__all__ = ["search"]

DEFAULT_TRIALS = 20


def search(
    data: Annotated[Path, typer.Option(help="A manifest, or a folder with one sub-folder per class.")],
    space: Annotated[Path, typer.Option(help="YAML file of what varies, see below.")],
    out: Annotated[Path, typer.Option(help="Folder of the search; made where it does not exist.")],
    recipe: Annotated[
        str, typer.Option(help=f"What to train; recipes are {', '.join(RECIPES)}.")
    ] = "efficientnet-lite0",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Fix a setting for all trials; may be repeated."),
    ] = None,
    sampler: Annotated[
        Sampler, typer.Option(help="tpe is Bayesian, grid tries every combination.")
    ] = Sampler.TPE,
    trials: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help=f"Trials of all workers together; {DEFAULT_TRIALS} if left out, all combinations of a grid.",
        ),
    ] = None,
    metric: Annotated[Metric, typer.Option(help="What is made better.")] = Metric.LOG_LOSS,
    pruner: Annotated[
        Pruner, typer.Option(help="How a trial that promises little is ended, after each epoch.")
    ] = Pruner.MEDIAN,
    hold_out: Annotated[
        float,
        typer.Option(metavar="SHARE", help="Share of the images held out of every trial, in whole groups."),
    ] = 0.2,
    folds: Annotated[
        int | None, typer.Option(min=2, metavar="K", help="Cross-validate every trial by K folds instead.")
    ] = None,
    fold_subset: Annotated[
        str | None, typer.Option(metavar="LIST", help="Train only these of the K folds, such as 1,3.")
    ] = None,
    without_fold: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Do not look at the manifest's fold N: keep it to measure the outcome on."
        ),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            envvar="TUMORSCOPE_SEARCH_STORAGE",
            help="A journal file, sqlite:///FILE, postgresql://... or mysql://...; a journal in --out if left out.",
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the study in a shared storage; the recipe's if left out.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of what is tried and of the inner split.")] = 0,
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="Leave out images that cannot be read, and say which.")
    ] = False,
    progress: Annotated[bool, typer.Option(help="Draw progress bars.")] = True,
) -> None:
    """Search for the settings that do best on patients a trial has not seen.

    Every trial trains on a part of the groups and is measured on the others; groups are never divided, copies count
    once. Images of the part test and of the official Testing folder are not looked at. Start the same command again to
    go on after an interruption, or at the same time for another worker; a trial whose worker ended is tried again.
    OUT/search.json holds every trial, OUT/best.yaml the best configuration for: tumorscope train --config.

    \b
    SPACE.yaml, for example:
      learning_rate: {low: 0.0003, high: 0.003, log: true}
      epochs: {low: 4, high: 12, step: 4}
      augmentation.flip: {choices: [0, 0.5]}

    \b
    Examples:
      tumorscope search --data manifest.csv --space space.yaml --out search/ --trials 30
      tumorscope search --data manifest.csv --space space.yaml --out search/ --sampler grid --folds 4 --fold-subset 1,2
      tumorscope search --data manifest.csv --space space.yaml --out search/ --storage sqlite:///study.db
      tumorscope train --data manifest.csv --config search/best.yaml --out runs/best
    """  # noqa: D301  # \b is a control character that keeps the examples as they are
    from tumorscope.core.errors import InvalidConfiguration
    from tumorscope.core.optional import require
    from tumorscope.dataset.manifest_file import read_manifest
    from tumorscope.recipes.weights import weights_file
    from tumorscope.search.space import read_space
    from tumorscope.search.storage import locate
    from tumorscope.search.validation import Validation, search_data
    from tumorscope.training.config import configure

    # Whatever can be wrong in the command is found before torch is imported and before anything is written.
    find_single_recipe(recipe, "a search")
    fixed = list(settings or [])
    varied = read_space(space, recipe, fixed)
    weights_file(configure(recipe, fixed).weights)
    validation = Validation(hold_out, folds, _numbers(fold_subset), seed)
    grid = varied.grid() if sampler is Sampler.GRID else None
    location = locate(storage, out)
    chosen = search_data(read_manifest(data), without_fold)
    require("optuna", extra="search", purpose="a search")
    require("torch", extra="train", purpose="training")
    from tumorscope.cli.progress import counter
    from tumorscope.search.result import BEST, SEARCH
    from tumorscope.search.run import SearchRequest, prepare

    if chosen.left_out:
        parts = ", ".join(f"{count:,} of the {part}" for part, count in chosen.left_out.items())
        _announce(f"not looked at: {parts}")
    count = min(trials or len(grid), len(grid)) if grid is not None else trials or DEFAULT_TRIALS
    if grid is not None and trials is not None and trials > count:
        _announce(f"the grid has {count} combinations, so there are {count} trials")
    request = SearchRequest(
        recipe=recipe,
        settings=tuple(fixed),
        space=varied,
        metric=metric,
        sampler=sampler,
        pruner=pruner,
        trials=count,
        validation=validation,
        seed=seed,
        name=name or recipe,
        out=out,
        skip_unreadable=skip_unreadable,
    )
    progress = progress and sys.stderr.isatty()
    with counter("reading images", show=progress) as read:
        prepared = prepare(request, chosen, progress=read, announce=_announce)
    try:
        with counter("trials", show=progress) as done:
            result = prepared.run(location, progress=done, announce=_announce)
    except KeyboardInterrupt:
        _announce("go on with the same command")
        raise
    best = result.best
    counts = ", ".join(f"{result.count(state)} {state}" for state in ("finished", "pruned", "failed"))
    if best is None:
        reasons = [trial.reason for trial in result.trials if trial.reason]
        raise InvalidConfiguration(
            f"no trial finished ({counts}); the first reason: {reasons[0] if reasons else 'none'}; "
            f"see {out / SEARCH} and narrow the space"
        )
    values = ", ".join(f"{key}={value}" for key, value in best.parameters.items())
    typer.echo(f"trials: {counts}")
    typer.echo(f"best: {metric.value} {best.value:.4g} in trial {best.trial} ({values})")
    typer.echo(f"train it with: tumorscope train --data {data} --config {out / BEST} --out RUN")


def _announce(text: str) -> None:
    typer.echo(text, err=True)


def _numbers(text: str | None) -> tuple[int, ...] | None:
    from tumorscope.core.errors import InvalidConfiguration

    if text is None:
        return None
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() for word in words):
        raise InvalidConfiguration(f"--fold-subset is {text!r}; numbers such as 1,3 are needed")
    return tuple(int(word) for word in words)
