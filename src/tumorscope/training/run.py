"""A whole run: one model a fold for honest figures, and the final fit to deploy.

Owns what is learnt from what. The fold models answer for the patients they have not seen; the final fit learns
from every group but a small part, whose answers set its temperature and thresholds. Each fit leaves in its folder
what an export needs, so that a bundle is made of a folder alone.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import InvalidManifest
from tumorscope.core.files import atomic_write
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.dataset.cache import open_cache
from tumorscope.dataset.groups import undivided_groups
from tumorscope.dataset.leaks import count_leaks, find_leaks, fold_sides
from tumorscope.dataset.manifest import Manifest
from tumorscope.dataset.scan import Progress
from tumorscope.dataset.split import assign_folds, hold_out
from tumorscope.evaluation.predictions import PredictionTable, read_predictions, tabulate, write_predictions
from tumorscope.evaluation.scoring import PREFIX
from tumorscope.models.network import SliceNetwork
from tumorscope.training.answers import Answers, answer
from tumorscope.training.batches import TrainingRows
from tumorscope.training.boxes import open_boxes
from tumorscope.training.devices import is_first, wait_for_all
from tumorscope.training.folder import SEEN, WEIGHTS, RunFolder
from tumorscope.training.history import draw_curves
from tumorscope.training.making import Maker
from tumorscope.training.novelty import SPACE, fit_novelty_space, save_space

__all__ = ["cross_fit", "final_fit", "load_images"]

Announce = Callable[[str], None]


def load_images(
    manifest: Manifest,
    size: int,
    *,
    skip_unreadable: bool = False,
    progress: Progress | None = None,
    announce: Announce | None = None,
) -> tuple[Manifest, NDArray[np.uint8]]:
    """Open the cache of network inputs.

    Parameters
    ----------
    manifest
        The data set.
    size
        Side of the network input in pixels.
    skip_unreadable
        Whether to leave out what cannot be read.
    progress
        Called with (done, total) while images are read.
    announce
        Told of every image that is left out, and why.

    Returns
    -------
    tuple
        The manifest (without unreadable images where these are skipped) and ``uint8 [N, S, S]`` in its order.

    Raises
    ------
    InvalidManifest
        If images cannot be read and are not to be skipped.
    """
    cache = open_cache(manifest, size, progress)
    if not cache.failures:
        return manifest, cache.images
    first = cache.failures[0]
    if not skip_unreadable:
        raise InvalidManifest(
            f"{len(cache.failures)} of {len(manifest)} images cannot be used, the first is {first.path.name}: "
            f"{first.error}; mend or remove them, or train with --skip-unreadable"
        )
    if announce is not None:
        for failure in cache.failures:
            announce(f"left out: {manifest.display_path(manifest.records[failure.row])}: {failure.error}")
    failed = {failure.row for failure in cache.failures}
    kept = [row for row in range(len(manifest)) if row not in failed]
    return manifest.subset(kept), cache.images[kept]


def cross_fit(
    run: RunFolder,
    manifest: Manifest,
    images: NDArray[np.uint8],
    maker: Maker,
    *,
    announce: Announce,
    allow_leaks: bool = False,
    first: int | None = None,
) -> PredictionTable:
    """Make one model a fold and write every image's out-of-fold answer.

    Finished folds are read, not made again; what an export needs is made where it is missing. Several processes fit
    together; the first answers and writes, and the others wait for it.

    Parameters
    ----------
    run
        Where to write.
    manifest
        The data set; its folds are used, or made.
    images
        ``uint8 [N, S, S]`` in manifest order.
    maker
        How each model comes about.
    announce
        Told what is going to be made.
    allow_leaks
        Whether the manifest's own folds may leak; the answers are stamped if they do.
    first
        Make so many folds only, those with the lowest numbers; the answers are those for these folds.

    Returns
    -------
    PredictionTable
        Also written to ``predictions.csv`` of the run.

    Raises
    ------
    LeakySplit
        If they leak and may not.
    TrainedOnError
        If a model was to be made from one that has seen the fold that it is going to be asked about.
    """
    manifest = assign_folds(manifest, seed=run.config.seed, allow_leaks=allow_leaks)
    folds = np.array([row.fold for row in manifest])
    logits = np.zeros((len(manifest), len(CLASS_ORDER)))
    boxes, groups = _boxes(run, manifest, announce), _groups(run, manifest)
    trained = np.unique(folds)[:first]
    maker.begin(run, manifest, trained, allow_leaks=allow_leaks)
    for number in trained:
        folder = run.fold(int(number))
        inside, outside = np.flatnonzero(folds != number), np.flatnonzero(folds == number)
        if (folder / WEIGHTS).is_file():
            announce(f"fold {number}: finished before")
        else:
            announce(f"fold {number}: {maker.describe(int(number), len(inside))}, {len(outside)} held out")
        learn = _rows(manifest, images, inside, boxes, groups=groups)
        network = maker.network(
            run, int(number), learn, _rows(manifest, images, outside, part=f"fold {number}")
        )
        if not is_first():
            continue
        held_out = answer(network, images, outside)
        logits[outside] = held_out.logits
        if not (folder / SPACE).is_file():
            _leave_for_export(
                folder, network, manifest, learn, held_out=held_out, hearsay=maker.hearsay(int(number))
            )
    if not is_first():
        wait_for_all()
        return read_predictions(run.predictions)
    rows = np.flatnonzero(np.isin(folds, trained))
    leaks = count_leaks(find_leaks(manifest, fold_sides(manifest)))
    table = tabulate(manifest.subset(rows.tolist()), logits[rows], folds[rows], leaks)
    write_predictions(table, run.predictions)
    draw_curves({f"fold {number}": run.fold(int(number)) for number in trained}, run.path / "curves.png")
    wait_for_all()
    return table


def final_fit(
    run: RunFolder,
    manifest: Manifest,
    images: NDArray[np.uint8],
    maker: Maker,
    *,
    announce: Announce,
) -> None:
    """Learn from everything but the calibration part; leave what an export needs in ``final/``.

    Several processes fit together; the first does the rest.

    Raises
    ------
    MissingInput
        If the model is made from others, which have seen the calibration part, and there are no out-of-fold answers to
        calibrate by.
    """
    maker.begin(run, manifest, None)
    kept_back = hold_out(manifest, run.config.calibration_fraction, seed=run.config.seed)
    learn, calibrate = np.flatnonzero(~kept_back), np.flatnonzero(kept_back)
    if (run.final / WEIGHTS).is_file():
        announce("final fit: finished before")
    else:
        announce(f"final fit: {maker.describe(None, len(learn))}, {len(calibrate)} kept back for calibration")
    rows = _rows(manifest, images, learn, _boxes(run, manifest, announce), groups=_groups(run, manifest))
    network = maker.network(run, None, rows, _rows(manifest, images, calibrate, part="calibration"))
    if not is_first():
        return
    draw_curves({"final fit": run.final}, run.final / "curves.png")
    announce("measuring the calibration part and the training images")
    calibration = answer(network, images, calibrate)
    _leave_for_export(run.final, network, manifest, rows, held_out=calibration)
    # Those of the calibration part too: temperature and thresholds were set on them.
    _write_seen(run.final, manifest, maker.hearsay(None))
    # Last, since its presence says that the final fit is complete.
    write_predictions(tabulate(manifest.subset(calibrate), calibration.logits), run.final / "calibration.csv")


def _leave_for_export(
    folder: Path,
    network: SliceNetwork,
    manifest: Manifest,
    learn: TrainingRows,
    *,
    held_out: Answers,
    hearsay: frozenset[str] = frozenset(),
) -> None:
    """Write where the training images lie, how far the held-out ones are from them, and what was learnt from."""
    _write_seen(folder, manifest.subset(learn.rows.tolist()), hearsay)
    space = fit_novelty_space(answer(network, learn.images, learn.one_a_slice).looks)
    save_space(folder / SPACE, space, space.distance(held_out.looks))


def _write_seen(folder: Path, manifest: Manifest, hearsay: frozenset[str]) -> None:
    """What a network was made from: that of its teachers too, which it knows by hearsay."""
    seen = sorted({row.sha256[:PREFIX] for row in manifest} | hearsay)
    atomic_write(folder / SEEN, "\n".join(seen) + "\n")


def _boxes(run: RunFolder, manifest: Manifest, announce: Announce) -> NDArray[np.float32] | None:
    """Where the tumours are, for a run that learns from it."""
    looks_at_boxes = run.config.zoom > 1 and any(record.box is not None for record in manifest)
    if not (run.config.supervision.active or looks_at_boxes):
        return None
    boxes = open_boxes(manifest)
    announce(f"tumour boxes: {int(np.isfinite(boxes).all(axis=1).sum()):,} of {len(manifest):,} images")
    return boxes


def _rows(
    manifest: Manifest,
    images: NDArray[np.uint8],
    rows: NDArray[np.int64],
    boxes: NDArray[np.float32] | None = None,
    *,
    groups: tuple[str, ...] | None = None,
    part: str = "held out",
) -> TrainingRows:
    slices = tuple(row.slice_id for row in manifest)
    return TrainingRows(images, manifest.labels(), slices, rows, boxes, groups, part)


def _groups(run: RunFolder, manifest: Manifest) -> tuple[str, ...] | None:
    """What belongs together, for a run that has to know it."""
    return tuple(undivided_groups(manifest).tolist()) if run.config.by_group else None
