"""Whether a model looks at the tumour: what it says once the brain, or the tumour, is taken away or put in.

Owns the four questions and their figures (:class:`~tumorscope.evaluation.report.ShortcutTest`). A model that is right
without a brain has learnt the source of the images (Geirhos et al., Nature Machine Intelligence 2, 2020; DeGrave et
al., Nature Machine Intelligence 3, 2021). Knows no model: answers come from a function. Masks need SciPy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.card import Figure
from tumorscope.core.labels import CLASS_ORDER, Diagnosis
from tumorscope.dataset.manifest import Box
from tumorscope.evaluation.cases import Answer, Cases, as_table, ask, draw_balanced, share
from tumorscope.evaluation.intervals import figures
from tumorscope.evaluation.report import ShortcutTest, Support
from tumorscope.evaluation.resting_on import support_of
from tumorscope.synthesis.degrade import head_depth, head_mask
from tumorscope.synthesis.stresses import from_brightness, to_brightness
from tumorscope.synthesis.transplant import Blending, Ellipse, fill, paste

__all__ = ["IMAGES", "ask_for_shortcuts", "blacken_inside", "fill_box", "outline_only"]

IMAGES = 200
"""How many images each question is asked about unless told otherwise."""

_RIM = 0.1  # of the head's radius stays: scalp and skull
_LINE = 0.04  # thickness of the outline
_FILL_MARGIN = 1.25  # boxes are tight, and swelling goes beyond
_PASTE_MARGIN = 1.1
_DEEP = 0.25  # of the head's radius: where a lesion may be put
_UPPER = 0.6  # of the head's height, from above
_TRIES = 8

Progress = Callable[[int, int], None]
Pixels = NDArray[Any]


def blacken_inside(pixels: Pixels) -> Pixels:
    """The slice with everything inside the head black; a rim of a tenth of its radius and the surroundings stay."""
    image, scale = to_brightness(pixels)
    inside = head_depth(head_mask(image)) > _RIM
    return from_brightness(np.where(inside, 0.0, image), scale)


def outline_only(pixels: Pixels) -> Pixels:
    """The head's edge as a white line on black: its shape and size, nothing else."""
    image, scale = to_brightness(pixels)
    depth = head_depth(head_mask(image))
    return from_brightness(np.where((depth > 0) & (depth <= _LINE), 1.0, 0.0), scale)


def fill_box(pixels: Pixels, box: Box, seed: int = 0) -> Pixels:
    """The slice with the ellipse of its tumour box filled with the tissue around it."""
    image, scale = to_brightness(pixels)
    ellipse = Ellipse.of_box(box, (image.shape[0], image.shape[1]), _FILL_MARGIN)
    return from_brightness(fill(image, ellipse, np.random.Generator(np.random.Philox(seed))), scale)


def ask_for_shortcuts(
    cases: Cases,
    answer: Answer,
    size: int,
    *,
    limit: int | None = IMAGES,
    seed: int = 0,
    progress: Progress | None = None,
) -> ShortcutTest:
    """Ask a model about slices without a brain, without their tumour, and with a tumour of another slice.

    A filled tumour counts where the model called it one before, a pasted one where the model called the healthy slice
    healthy before. Donors come from the fold of the slice they are put into, so that the answering model has not
    seen them, and from another style where styles are known. Each slice is pasted into once by each
    :class:`~tumorscope.synthesis.transplant.Blending`, at the same place for lesion and healthy patch; the control says
    how often the pasting alone makes a tumour.

    Parameters
    ----------
    cases
        Slices that the answering model has not seen; without boxes the last three figures are ``None``.
    answer
        The model; see :data:`~tumorscope.evaluation.cases.Answer`.
    size
        Side of its input.
    limit
        How many images each question is asked about at most; all for ``None``.
    seed
        Of every random choice.
    progress
        Called with (done, total) in images.

    Raises
    ------
    MissingDependency
        If SciPy is not installed.
    """
    asker = _Asker(cases, answer, size, seed)
    rows = draw_balanced(cases, limit, seed)
    tumour = cases.labels != Diagnosis.NOTUMOR.position
    boxed = np.array([box is not None for box in cases.boxes] or [False] * len(cases), dtype=np.bool_)
    with_box = _drawn(cases, limit, seed, tumour & boxed)
    healthy = _drawn(cases, limit, seed, ~tumour) if len(with_box) else with_box
    total, done = len(rows) + len(with_box) + len(healthy), 0

    def step() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    masked, outline = np.empty((len(rows), 4)), np.empty((len(rows), 4))
    for k, row in enumerate(rows.tolist()):
        pixels = cases.load(row)
        masked[k], outline[k] = asker.ask(row, [blacken_inside(pixels), outline_only(pixels)])
        step()
    shares = np.bincount(cases.labels[rows], minlength=len(CLASS_ORDER)) / len(rows)
    filled = _Tally(cases)
    for row in with_box.tolist():
        pixels, box = cases.load(row), cases.boxes[row]
        if box is not None:
            before, after = _calls_tumour(asker.ask(row, [pixels, fill_box(pixels, box, seed + row)]))
            if before:
                filled.add(row, float(not after))
        step()
    pasted, control = _Tally(cases), _Tally(cases)
    for row in healthy.tolist():
        _paste_both(asker, row, tumour & boxed, pasted, control)
        step()
    tallies = {"tumour_filled": filled, "lesion_pasted": pasted, "healthy_pasted": control}
    support = dict.fromkeys(("brain_masked", "outline_only"), support_of(cases, rows))
    support |= {name: found for name, tally in tallies.items() if (found := tally.support()) is not None}
    return ShortcutTest(
        brain_masked=figures(as_table(cases, rows, masked), {})["accuracy"],
        outline_only=figures(as_table(cases, rows, outline), {})["accuracy"],
        chance=float(shares.max()),
        tumour_filled=filled.figure(),
        lesion_pasted=pasted.figure(),
        healthy_pasted=control.figure(),
        images=len(rows),
        support=support,
    )


@dataclass(frozen=True, slots=True)
class _Asker:
    cases: Cases
    answer: Answer
    size: int
    seed: int

    def ask(self, row: int, images: list[Pixels]) -> NDArray[np.float64]:
        return ask(self.answer, images, np.full(len(images), row, dtype=np.int64), self.size)


class _Tally:
    """Outcomes of single cases."""

    def __init__(self, cases: Cases) -> None:
        self._cases = cases
        self._rows: list[int] = []
        self._hits: list[float] = []

    def add(self, row: int, hit: float) -> None:
        self._rows.append(row)
        self._hits.append(hit)

    def figure(self) -> Figure | None:
        """``None`` where nothing could be asked."""
        if not self._rows:
            return None
        return share(self._cases, np.array(self._rows, dtype=np.int64), np.array(self._hits))

    def support(self) -> Support | None:
        """What the figure rests on."""
        return support_of(self._cases, np.array(self._rows, dtype=np.int64)) if self._rows else None


def _drawn(cases: Cases, limit: int | None, seed: int, among: NDArray[np.bool_]) -> NDArray[np.int64]:
    if not among.any():
        return np.empty(0, dtype=np.int64)
    return draw_balanced(cases, limit, seed, among=among)


def _calls_tumour(said: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether the first answer is one of the tumours; no answer (NaN) is none."""
    whole = np.where(np.isnan(said), -1.0, said)
    found = (whole.argmax(axis=1) != Diagnosis.NOTUMOR.position) & ~np.isnan(said).any(axis=1)
    return np.asarray(found)


def _paste_both(asker: _Asker, row: int, tumours: NDArray[np.bool_], pasted: _Tally, control: _Tally) -> None:
    """A lesion and, at the same place, a healthy patch, by every blending."""
    cases = asker.cases
    pixels = cases.load(row)
    if _calls_tumour(asker.ask(row, [pixels]))[0]:
        return
    rng = np.random.Generator(np.random.Philox(asker.seed + row))
    image, scale = to_brightness(pixels)
    depth = head_depth(head_mask(image))
    healthy = cases.labels == Diagnosis.NOTUMOR.position
    for _ in range(_TRIES):
        lesion_row, patch_row = (_donor(cases, row, kind, rng) for kind in (tumours, healthy))
        if lesion_row is None or patch_row is None:
            return
        lesion, _ = to_brightness(cases.load(lesion_row))
        box = cases.boxes[lesion_row]
        if box is None:
            return
        source = Ellipse.of_box(box, (lesion.shape[0], lesion.shape[1]), _PASTE_MARGIN)
        target = _place(source, head_mask(lesion), depth, rng)
        if target is None:
            continue
        patch, _ = to_brightness(cases.load(patch_row))
        patch_source = _place(target, depth > 0, head_depth(head_mask(patch)), rng)
        if patch_source is None:
            continue
        images = [paste(image, lesion, source, target, blending) for blending in Blending]
        images += [paste(image, patch, patch_source, target, blending) for blending in Blending]
        said = _calls_tumour(asker.ask(row, [from_brightness(made, scale) for made in images]))
        pasted.add(row, float(said[: len(Blending)].mean()))
        control.add(row, float(said[len(Blending) :].mean()))
        return


def _donor(cases: Cases, row: int, kind: NDArray[np.bool_], rng: np.random.Generator) -> int | None:
    able = kind & (cases.groups != cases.groups[row])
    if cases.folds is not None:
        able &= cases.folds == cases.folds[row]
    if cases.styles is not None and (able & (cases.styles != cases.styles[row])).any():
        able &= cases.styles != cases.styles[row]
    rows = np.flatnonzero(able)
    return int(rng.choice(rows)) if len(rows) else None


def _place(
    source: Ellipse, mask: NDArray[np.bool_], depth: NDArray[np.float64], rng: np.random.Generator
) -> Ellipse | None:
    """A place deep in another head for an ellipse of the same size relative to it; ``None`` if it does not fit."""
    factor = float(np.sqrt((depth > 0).sum() / max(int(mask.sum()), 1)))
    height, width = source.height * factor, source.width * factor
    rows, columns = np.nonzero(depth > _DEEP)
    if not len(rows):
        return None
    # Face and neck lie below the brain in two of three planes.
    tall = np.flatnonzero((depth > 0).any(axis=1))
    high = rows <= tall[0] + _UPPER * (tall[-1] - tall[0])
    rows, columns = (rows[high], columns[high]) if high.any() else (rows, columns)
    chosen = int(rng.integers(len(rows)))
    target = Ellipse(float(rows[chosen]), float(columns[chosen]), height, width)
    shape = (depth.shape[0], depth.shape[1])
    if not (depth[target.radius(shape) < 1.0] > 0).all():
        return None
    inside = (height < target.row < shape[0] - height) and (width < target.column < shape[1] - width)
    return target if inside else None
