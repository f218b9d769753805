"""Classes and patients that count alike, however many images they have.

Owns the weights of the classes and the order of an epoch that draws them evenly. The order that draws every slice once
is :func:`tumorscope.training.counters.draw_order`. Free of torch.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.labels import CLASS_ORDER
from tumorscope.training.counters import Purpose, copies_in_turn, stream_seed

__all__ = ["balanced_weights", "draw_balanced"]

Path = tuple[Hashable, ...]


def balanced_weights(labels: Sequence[int], slice_ids: Sequence[str]) -> NDArray[np.float32]:
    """The weight of each class against its number of distinct slices.

    Parameters
    ----------
    labels, slice_ids
        Of the rows that are learnt from.

    Returns
    -------
    numpy.ndarray
        ``float32 [4]``; over the slices their mean is 1. A class without a slice has 0.
    """
    first = dict(zip(reversed(slice_ids), reversed(labels), strict=True))
    counts = np.bincount(list(first.values()), minlength=len(CLASS_ORDER)).astype(np.float64)
    there = counts > 0
    weights = np.zeros(len(CLASS_ORDER))
    weights[there] = counts.sum() / (there.sum() * counts[there])
    return weights.astype(np.float32)


def draw_balanced(
    paths: Sequence[Path], slice_ids: Sequence[str], seed: int, epoch: int
) -> NDArray[np.int64]:
    """Rows of one epoch, evenly over classes, over patients, or over the patients of each class.

    As many are drawn as there are distinct slices. At each level no branch is drawn more than once more than another of
    the same parent; who is drawn once more changes with the epoch. Inside a branch no slice is drawn a second time
    before all were drawn; of a slice the copies take turns.

    Parameters
    ----------
    paths
        For each row where it belongs, from the outermost level inwards: ``(class,)``, ``(group,)``, ``(class, group)``.
    slice_ids
        The slice each row is a copy of.
    seed, epoch
        The counters.

    Returns
    -------
    numpy.ndarray
        ``int64 [number of distinct slices]``, positions in ``slice_ids``.
    """
    copies = copies_in_turn(slice_ids, seed)
    tree: dict[Path, list[tuple[list[int], int]]] = {}
    for rows, first in copies:
        tree.setdefault(paths[rows[0]], []).append((rows, first))
    rng = np.random.default_rng(stream_seed(seed, Purpose.SAMPLING, epoch))
    chosen: list[int] = []
    for path, draws in _shares(list(tree), len(copies), rng).items():
        slices = tree[path]
        for turn in range(-(-draws // len(slices))):
            wanted = min(len(slices), draws - turn * len(slices))
            for index in rng.permutation(len(slices))[:wanted]:
                rows, first = slices[index]
                chosen.append(rows[(first + epoch + turn) % len(rows)])
    order = np.random.default_rng(stream_seed(seed, Purpose.ORDER, epoch))
    return order.permutation(np.array(chosen, dtype=np.int64))


def _shares(paths: Sequence[Path], draws: int, rng: np.random.Generator) -> Mapping[Path, int]:
    """How often each path is drawn: evenly over the first level, and so on inside each branch."""
    if len(paths) == 1:
        return {paths[0]: draws}
    branches: dict[Hashable, list[Path]] = {}
    for path in paths:
        branches.setdefault(path[0], []).append(path)
    each, left = divmod(draws, len(branches))
    more = set(rng.permutation(len(branches))[:left].tolist())
    shares: dict[Path, int] = {}
    for number, (key, inside) in enumerate(branches.items()):
        below = _shares([path[1:] for path in inside], each + (number in more), rng)
        shares |= {(key, *path): count for path, count in below.items()}
    return shares
