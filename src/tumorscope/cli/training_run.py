"""A run, from its images to its bundle, with what is said on the way.

Owns what is announced and the order of reading, fitting and exporting; needs torch.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import typer

from tumorscope.cli.processes import announce
from tumorscope.training.launch import Place, find_place

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tumorscope.cli.training_order import Order
    from tumorscope.dataset.manifest import Manifest
    from tumorscope.training.folder import RunFolder

__all__ = ["carry_out"]


def carry_out(order: Order, *, skip_unreadable: bool, progress: bool) -> None:
    """Read the images, fit, and export what was fitted; every process of a run does the same."""
    from tumorscope.cli.progress import counter
    from tumorscope.core.optional import require

    require("torch", extra="train", purpose="training")
    from tumorscope.training.fit import check_network
    from tumorscope.training.loggers import Loggers
    from tumorscope.training.making import Averaging, LookingCloser, Maker, Training
    from tumorscope.training.memory import keep_freed_memory
    from tumorscope.training.run import cross_fit, final_fit

    chosen = order.chosen
    if not order.begun:
        check_network(chosen.config)
    _say_what_is_special(order)
    if order.is_guide:
        announce(f"first the guide, by the recipe {chosen.config.recipe}, in {order.out}")
    place = find_place()
    is_speaker = place is None or place.rank == 0
    progress = progress and is_speaker and sys.stderr.isatty()
    run, manifest, images = _begin(order, place, skip_unreadable=skip_unreadable, progress=progress)
    logs = Loggers(order.loggers, run).of_fit if order.loggers else None
    training = Training(progress, chosen.teachers, logs)
    maker: Maker = training
    if chosen.members is not None:
        maker = Averaging(chosen.members)
    elif chosen.guide is not None:
        maker = LookingCloser(training, chosen.guide, partial(counter, show=progress))
    keep_freed_memory()  # also where nothing is left to fit, and the answers are
    fit_part = partial(cross_fit, allow_leaks=order.allow_leaks) if order.folds else partial(final_fit)
    try:
        fit_part(run, manifest, images, maker, announce=announce)
    except KeyboardInterrupt:
        announce("go on with the same command and --resume")
        raise
    if is_speaker and not order.is_guide:
        _export(run, folds=order.folds, leaks=order.data.leaks)


def _say_what_is_special(order: Order) -> None:
    from tumorscope.dataset.leaks import describe_leaks

    if order.data.left_out:
        parts = ", ".join(f"{count:,} of the part {part}" for part, count in order.data.left_out.items())
        announce(f"not learnt from: {parts}")
    for split, leaks in order.data.leaks.items():
        announce(f"warning: the {split} leak ({describe_leaks(leaks)}); all results are stamped")


def _begin(
    order: Order, place: Place | None, *, skip_unreadable: bool, progress: bool
) -> tuple[RunFolder, Manifest, NDArray[np.uint8]]:
    """Read the images, then make the folder: what cannot be read is no part of the data."""
    from tumorscope.cli.progress import counter
    from tumorscope.training.together import load_together, start_together

    config, data = order.chosen.config, order.data
    with counter("reading images", show=progress) as count:
        manifest, images = load_together(
            data.manifest,
            config.image_size,
            place,
            skip_unreadable=skip_unreadable,
            progress=count,
            announce=announce,
        )
    run = start_together(order.out, config, manifest, place, left_out=data.left_out, leaks=data.leaks)
    return run, manifest, images


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
