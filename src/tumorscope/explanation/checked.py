"""One figure each for what the heat-maps of a model are worth, on images that it has not seen.

Owns the pass over the images that :mod:`~tumorscope.explanation.pointing`, :mod:`~tumorscope.explanation.faithfulness`
and :mod:`~tumorscope.explanation.randomised` share, and puts their figures into the part ``explanation`` of an
evaluation. Whether a model has seen an image is for the caller to know: fold models come with the rows of their fold.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import InvalidManifest, TumorscopeError
from tumorscope.dataset.load import load_slice
from tumorscope.dataset.manifest import ImageRecord, Manifest
from tumorscope.evaluation.intervals import mean_figure
from tumorscope.evaluation.report import ExplanationPart
from tumorscope.explanation.faithfulness import STEPS, Curves, Fill, area_under, curves
from tumorscope.explanation.pointing import Target, pointing_figures, pointing_table, target_of
from tumorscope.explanation.randomised import rank_correlation
from tumorscope.preprocess import find_head, preprocess

__all__ = ["HeldOut", "Run", "check_explanations"]

Run = Callable[[NDArray[np.uint8], Sequence[str]], Sequence[NDArray[np.float32]]]
"""A session's ``run``: ``uint8 [M, S, S]`` and names of outputs to these outputs."""
Progress = Callable[[int, int], None]

_BATCH = 16


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """A model and images that it has not seen.

    Parameters
    ----------
    images
        Rows of a manifest.
    size
        Side of the model's input in pixels.
    run
        The model.
    shuffled
        The same model with shuffled weights of its head, any number of times.
    """

    images: Manifest
    size: int
    run: Run
    shuffled: Sequence[Run] = ()


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    """An image as the network takes it, and its tumour's box if there is one."""

    row: ImageRecord
    image: NDArray[np.uint8]
    target: Target | None


@dataclass(frozen=True, slots=True, eq=False)
class _Shown:
    """An image, the class that was answered, and its map: what the answer rests on, right or wrong."""

    row: ImageRecord
    image: NDArray[np.uint8]
    position: int
    evidence: NDArray[np.float32]
    run: Run


@dataclass(slots=True)
class _Found:
    """What the pass collects."""

    targets: list[Target]
    pointed: list[NDArray[np.float32]]
    inputs: list[_Shown]
    correlations: list[float]
    failures: list[tuple[str, TumorscopeError]]


def check_explanations(
    parts: Sequence[HeldOut],
    *,
    curve_images: int = 100,
    fill: Fill = Fill.BLUR,
    steps: int = STEPS,
    progress: Progress | None = None,
) -> tuple[ExplanationPart, tuple[tuple[str, TumorscopeError], ...]]:
    """Measure pointing on every tumour with a box, and curves and randomisation on some images.

    Parameters
    ----------
    parts
        Models with the images held out from them.
    curve_images
        Images for the curves and the check against random weights, one a slice and as many of each class as can be,
        always the same for the same manifests; 0 for neither.
    fill, steps
        See :func:`~tumorscope.explanation.faithfulness.curves`.
    progress
        Called with (done, total).

    Returns
    -------
    tuple
        The part, and the images that could not be read with the reason for each.

    Raises
    ------
    InvalidManifest
        If no image with a tumour box could be read.
    """
    chosen = _spread([row for part in parts for row in part.images], curve_images)
    wanted = [
        Manifest(
            tuple(row for row in part.images if row.box is not None or row.path in chosen), part.images.root
        )
        for part in parts
    ]
    total, done = sum(map(len, wanted)) + len(chosen), 0
    found = _Found([], [], [], [], [])
    for part, images in zip(parts, wanted, strict=True):
        for batch in _batches(images, part.size, found):
            _collect(part, batch, chosen, found)
            done += len(batch)
            if progress is not None:
                progress(min(done, total), total)
    if not found.targets:
        raise InvalidManifest(
            "none of the images has a tumour box that could be used; a manifest with the columns box_cx, box_cy, "
            "box_w, box_h is needed to check heat-maps"
        )
    drawn: list[Curves] = []
    for number, shown in enumerate(found.inputs):
        drawn.append(_curves_of(shown, fill, steps))
        if progress is not None:
            progress(min(total - len(found.inputs) + number + 1, total), total)
    return _part(found, drawn), tuple(found.failures)


def _spread(rows: Sequence[ImageRecord], count: int) -> frozenset[Path]:
    """Images in an order that their content gives, classes in turn, one a slice and never the same file twice."""
    by_class: dict[str, dict[str, ImageRecord]] = defaultdict(dict)
    for row in sorted({row.sha256: row for row in rows}.values(), key=lambda row: row.sha256):
        by_class[row.label].setdefault(row.slice_id, row)
    queues = [list(by_class[key].values()) for key in sorted(by_class)]
    chosen: list[Path] = []
    for turn in range(max(map(len, queues), default=0)):
        chosen += [queue[turn].path for queue in queues if turn < len(queue)]
    return frozenset(chosen[:count])


def _batches(images: Manifest, size: int, found: _Found) -> Iterator[list[_Read]]:
    batch: list[_Read] = []
    for row in images:
        try:
            slice_ = load_slice(row.path)
            frame = find_head(slice_.pixels)
            batch.append(_Read(row, preprocess(slice_, size, frame), target_of(row, frame, slice_.shape)))
        except TumorscopeError as error:
            found.failures.append((images.display_path(row), error))
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _collect(part: HeldOut, batch: Sequence[_Read], chosen: frozenset[Path], found: _Found) -> None:
    images = np.stack([each.image for each in batch])
    heatmaps, probabilities = part.run(images, ("heatmap", "probabilities"))
    answered = probabilities.argmax(axis=1)
    shown = heatmaps[np.arange(len(batch)), answered]
    for number, each in enumerate(batch):
        if each.target is not None:
            found.targets.append(each.target)
            found.pointed.append(heatmaps[number, each.row.label.position])
    picked = [number for number, each in enumerate(batch) if each.row.path in chosen]
    found.inputs += [
        _Shown(batch[k].row, batch[k].image, int(answered[k]), shown[k], part.run) for k in picked
    ]
    if not picked:
        return
    for run in part.shuffled:
        (others,) = run(images[picked], ("heatmap",))
        after = others[np.arange(len(picked)), answered[picked]]
        found.correlations += rank_correlation(shown[picked], after).tolist()


def _curves_of(shown: _Shown, fill: Fill, steps: int) -> Curves:
    def answer(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        firsts = range(0, len(images), _BATCH)
        answers = [shown.run(images[first : first + _BATCH], ("probabilities",))[0] for first in firsts]
        return np.concatenate(answers)

    seed = int(shown.row.sha256[:8], 16)
    return curves(shown.image, shown.evidence, shown.position, answer, fill=fill, steps=steps, seed=seed)


def _part(found: _Found, drawn: Sequence[Curves]) -> ExplanationPart:
    evidence = np.stack(found.pointed)
    groups = np.array([shown.row.group for shown in found.inputs])
    areas = {
        name: mean_figure(
            np.array([area_under(getattr(each, name)) for each in drawn]), np.ones(len(drawn)), groups
        )
        for name in ("deletion", "insertion", "random_deletion", "random_insertion")
        if drawn
    }
    return ExplanationPart(
        grid=(int(evidence.shape[1]), int(evidence.shape[2])),
        pointing=tuple(pointing_figures(pointing_table(evidence, found.targets))),
        deletion_auc=areas.get("deletion"),
        insertion_auc=areas.get("insertion"),
        random_order_deletion_auc=areas.get("random_deletion"),
        random_order_insertion_auc=areas.get("random_insertion"),
        randomised_weights_correlation=float(np.mean(found.correlations)) if found.correlations else None,
    )
