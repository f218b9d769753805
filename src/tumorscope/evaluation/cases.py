"""Labelled slices in their native depth, for what must change an image before a model sees it.

Owns :class:`Cases`, the balanced part of them that slow passes use, and how a model is asked. Knows no file format
and no model: pixels come from a function, and answers too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.card import Figure
from tumorscope.core.errors import InvalidConfiguration, UnsupportedImage
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.dataset.load import load_slice
from tumorscope.dataset.manifest import Box, Manifest
from tumorscope.evaluation.intervals import mean_figure
from tumorscope.evaluation.predictions import PredictionTable
from tumorscope.preprocess import preprocess

__all__ = ["Answer", "Cases", "as_table", "ask", "cases_of", "draw_balanced", "share"]

Floats = NDArray[np.float64]

Answer = Callable[[NDArray[np.uint8], NDArray[np.int64]], NDArray[Any]]
"""``(images uint8 [N, S, S], positions int64 [N]) -> probabilities [N, 4]``.

The positions say which case each image was made of, so that it is answered by the model that did not see it.
"""

_BATCH = 64


@dataclass(frozen=True, slots=True, eq=False)
class Cases:
    """Slices with their truth.

    Parameters
    ----------
    labels
        Class positions, ``int64 [N]`` in 0..3.
    groups, slice_ids
        ``str [N]``, as in a :class:`~tumorscope.evaluation.predictions.PredictionTable`.
    load
        Gives the pixels ``[H, W]`` of the case at a position, in their native depth.
    folds
        ``int64 [N]``: where each case was held out; ``None`` where one model answers all.
    boxes
        The tumour box of each case, ``None`` where unknown; empty where none is.
    styles
        ``str [N]``: the intensity style of each case (:mod:`tumorscope.dataset.styles`); ``None`` where unknown.
    """

    labels: NDArray[np.int64]
    groups: NDArray[np.str_]
    slice_ids: NDArray[np.str_]
    load: Callable[[int], NDArray[Any]]
    folds: NDArray[np.int64] | None = None
    boxes: Sequence[Box | None] = ()
    styles: NDArray[np.str_] | None = None

    def __len__(self) -> int:
        return len(self.labels)


def cases_of(manifest: Manifest, styles: NDArray[np.str_] | None = None) -> Cases:
    """The cases of a manifest, read when asked for; folds and styles are taken over where all rows have one."""
    folds = [row.fold for row in manifest]
    if styles is None and all(row.style for row in manifest):
        styles = np.array([row.style for row in manifest])
    return Cases(
        labels=manifest.labels(),
        groups=np.array([row.group for row in manifest]),
        slice_ids=np.array([row.slice_id for row in manifest]),
        load=lambda position: load_slice(manifest.records[position].path).pixels,
        folds=None if any(fold is None for fold in folds) else np.array(folds, dtype=np.int64),
        boxes=[row.box for row in manifest],
        styles=styles,
    )


def draw_balanced(
    cases: Cases, limit: int | None, seed: int = 0, *, among: NDArray[np.bool_] | None = None
) -> NDArray[np.int64]:
    """Choose cases with as many of each class, from as many groups as there are.

    Within a class every group gives one slice before any gives a second; of the copies of a slice one is used.

    Parameters
    ----------
    cases
        All there are.
    limit
        How many at most; all slices for ``None``.
    seed
        Of the drawing; the order of the cases decides nothing but the choice between copies.
    among
        ``bool [N]``: the cases to choose from; all for ``None``.

    Returns
    -------
    numpy.ndarray
        Positions, ``int64 [M]``, ascending.

    Raises
    ------
    InvalidConfiguration
        If the limit is below the number of classes, or there is nothing to choose from.
    """
    if limit is not None and limit < len(CLASS_ORDER):
        raise InvalidConfiguration(f"{limit} images were asked for; at least {len(CLASS_ORDER)} are needed")
    open_to = np.arange(len(cases)) if among is None else np.flatnonzero(among)
    if not len(open_to):
        raise InvalidConfiguration("there is no image to draw from; give images with the classes asked for")
    rng = np.random.Generator(np.random.Philox(seed))
    chosen: list[int] = []
    present = np.unique(cases.labels[open_to])
    for label in present:
        rows = open_to[cases.labels[open_to] == label]
        rows = rows[np.unique(cases.slice_ids[rows], return_index=True)[1]]
        rows = rows[rng.permutation(len(rows))]
        _, group = np.unique(cases.groups[rows], return_inverse=True)
        # The first slice of each group, then the second of each, and so on; within a round in random order.
        turn = np.empty(len(rows), dtype=np.int64)
        for number in range(int(group.max()) + 1):
            members = np.flatnonzero(group == number)
            turn[members] = np.arange(len(members))
        rows = rows[np.argsort(turn, kind="stable")]
        chosen += rows[: len(rows) if limit is None else limit // len(present)].tolist()
    return np.sort(np.array(chosen, dtype=np.int64))


def ask(
    answer: Answer, images: Sequence[NDArray[Any] | None], positions: NDArray[np.int64], size: int
) -> Floats:
    """Preprocess slices and ask a model about them.

    Parameters
    ----------
    answer
        The model.
    images
        Pixels ``[H, W]``; ``None`` stands for an image of which nothing is left.
    positions
        ``int64 [N]``: the case that each was made of.
    size
        Side of the model's input.

    Returns
    -------
    numpy.ndarray
        Probabilities, ``float64 [N, 4]``; NaN where there is nothing to answer (blank, or ``None``).

    Raises
    ------
    InvalidConfiguration
        If the model's answer has another shape or is not finite.
    """
    inputs, rows = [], []
    for row, pixels in enumerate(images):
        if pixels is None:
            continue
        try:
            inputs.append(preprocess(pixels, size))
        except UnsupportedImage:
            continue
        rows.append(row)
    found = np.full((len(images), len(CLASS_ORDER)), np.nan)
    for first in range(0, len(rows), _BATCH):
        part = rows[first : first + _BATCH]
        said = np.asarray(answer(np.stack(inputs[first : first + _BATCH]), positions[part]), dtype=np.float64)
        if said.shape != (len(part), len(CLASS_ORDER)) or not np.isfinite(said).all():
            raise InvalidConfiguration(
                f"for {len(part)} images the model answered with an array of shape {said.shape}; finite "
                f"probabilities of shape ({len(part)}, {len(CLASS_ORDER)}) are needed"
            )
        found[part] = said
    return found


def as_table(cases: Cases, positions: NDArray[np.int64], probabilities: Floats) -> PredictionTable:
    """Put answers beside the truth of the cases; no answer (NaN) counts as a wrong one."""
    labels = cases.labels[positions]
    wrong = np.eye(len(CLASS_ORDER))[(labels + 1) % len(CLASS_ORDER)]
    whole = np.where(np.isnan(probabilities), wrong, probabilities)
    return PredictionTable(
        labels=labels,
        logits=np.log(np.maximum(whole, 1e-12)),
        groups=cases.groups[positions],
        slice_ids=cases.slice_ids[positions],
        is_patient=np.zeros(len(positions), dtype=np.bool_),
    )


def share(cases: Cases, positions: NDArray[np.int64], hits: NDArray[Any]) -> Figure:
    """Mean of ``hits`` (``[N]``, 0 to 1) with its 95 % interval, clustered by group; copies share a weight."""
    table = as_table(cases, positions, np.full((len(positions), len(CLASS_ORDER)), 0.25))
    return mean_figure(hits, table.weights, table.groups, share=True)
