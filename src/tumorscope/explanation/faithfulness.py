"""Does the answer rest on what the map shows? Deletion and insertion curves.

Cells of the map are taken away from the image, the strongest first, and the probability of the answer is watched
(deletion); or they are given back to an image that has none of them (insertion). A faithful map makes the probability
fall early and rise early (Petsiuk, Das and Saenko, "RISE", BMVC 2018). A curve alone says little, since any order
deletes something: the same is done in a random order of the cells.

Where a cell is taken away, the image is blurred beyond recognition or set to its mean, not blackened: black squares in
a head are like nothing that the network was trained on.

Owns the curves and the area under them. Knows no model: it is handed the function that answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from tumorscope.core.errors import InvalidConfiguration

__all__ = ["SEED", "STEPS", "Curves", "Fill", "area_under", "curves", "removed"]

STEPS = 20
SEED = 20260101

Floats = NDArray[np.float64]
Probabilities = Callable[[NDArray[np.uint8]], NDArray[np.floating]]
"""``uint8 [M, S, S]`` to probabilities ``[M, 4]``."""


class Fill(StrEnum):
    """What stands where a cell was."""

    BLUR = "blur"
    """The image under a Gaussian whose standard deviation is the side of a cell."""
    MEAN = "mean"
    """The mean grey level of the image."""


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """Probability of a class while cells go or come.

    Parameters
    ----------
    deletion, insertion
        ``float64 [T + 1]``: by the map, from none of the cells changed to all of them.
    random_deletion, random_insertion
        The same in a random order.
    """

    deletion: Floats
    insertion: Floats
    random_deletion: Floats
    random_insertion: Floats


def removed(image: NDArray[np.uint8], grid: tuple[int, int], fill: Fill = Fill.BLUR) -> NDArray[np.uint8]:
    """Make the image that has no cell left: ``uint8 [S, S]``."""
    if fill is Fill.MEAN:
        return np.full_like(image, round(float(image.mean())))
    radius = image.shape[0] / grid[0]
    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(radius)))


def curves(
    image: NDArray[np.uint8],
    evidence: NDArray[np.floating],
    position: int,
    answer: Probabilities,
    *,
    fill: Fill = Fill.BLUR,
    steps: int = STEPS,
    seed: int = SEED,
) -> Curves:
    """Delete and insert the cells of one image by its map and in a random order.

    Parameters
    ----------
    image
        ``uint8 [S, S]``, the network's input.
    evidence
        ``float [h, w]``: the map of the class, over the whole input.
    position
        Class whose probability is watched, 0..3.
    answer
        Probabilities of a batch.
    fill
        What stands where a cell was.
    steps
        In how many equal parts the cells go, at least 1; no more than there are cells.
    seed
        Of the random order.

    Raises
    ------
    InvalidConfiguration
        If ``steps`` is not positive.
    """
    if steps < 1:
        raise InvalidConfiguration(f"steps is {steps}; a whole number from 1 on is expected")
    grid = (int(evidence.shape[0]), int(evidence.shape[1]))
    cells = evidence.size
    by_map = np.argsort(-evidence.ravel(), kind="stable")
    at_random = np.random.Generator(np.random.Philox(seed)).permutation(cells)
    counts = np.rint(np.linspace(0, cells, min(steps, cells) + 1)).astype(np.int64)
    cell_of = _cells_of_pixels(image.shape[0], grid)
    without = removed(image, grid, fill)
    series = []
    for order in (by_map, at_random):
        rank = np.empty(cells, dtype=np.int64)
        rank[order] = np.arange(cells)
        changed = rank[cell_of][np.newaxis] < counts[:, np.newaxis, np.newaxis]
        series.append(np.where(changed, without, image))
        series.append(np.where(changed, image, without))
    probability = np.asarray(answer(np.concatenate(series)), dtype=np.float64)[:, position]
    deletion, insertion, random_deletion, random_insertion = probability.reshape(4, len(counts))
    return Curves(deletion, insertion, random_deletion, random_insertion)


def area_under(curve: Floats) -> float:
    """Area under a curve over the share of cells from 0 to 1, by trapezoids."""
    return float((curve[1:] + curve[:-1]).sum() / (2 * (len(curve) - 1)))


def _cells_of_pixels(side: int, grid: tuple[int, int]) -> NDArray[np.int64]:
    """``int64 [S, S]``: the number of the cell that each pixel lies in."""
    rows, columns = (np.arange(side) * count // side for count in grid)
    return np.asarray(rows[:, None] * grid[1] + columns, dtype=np.int64)
