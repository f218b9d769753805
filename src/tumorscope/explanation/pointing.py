"""Does the map point at the tumour? The pointing game and the energy in the box.

The pointing game (Zhang et al., "Top-down neural attention by excitation backprop", IJCV 126, 2018) counts the maps
whose maximum lies in the box of the object; here without the 15 pixels of tolerance that the paper allows. The energy
is the share of the evidence in favour of the class that lies in the box (Wang et al., "Score-CAM", CVPR Workshops
2020). The map is that of the true class, also where the answer is another one.

The maximum is placed at the *centre of the strongest cell* of the graph's own grid. A bilinear enlargement, as
pictures show it, has its maximum at the same point: between four cell centres no value exceeds the largest of the
four. The bound follows from that: a box that holds no cell centre cannot be hit.

Owns the figures. How a box gets from the image to the grid is in :mod:`tumorscope.explanation.box`. Knows no model:
maps are handed in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import InvalidManifest
from tumorscope.core.labels import CLASS_ORDER, Diagnosis
from tumorscope.dataset.manifest import ImageRecord
from tumorscope.evaluation.intervals import mean_figure
from tumorscope.evaluation.report import PointingOf
from tumorscope.explanation.box import SquareBox, cells_inside, centres_inside, share_of_head, to_square
from tumorscope.preprocess import HeadFrame

__all__ = ["SIZES", "PointingTable", "Target", "pointing_figures", "pointing_table", "target_of"]

SIZES = ("small", "medium", "large")
"""Thirds of the boxes by the share of the head that they cover."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Target:
    """A tumour's box in one image.

    Parameters
    ----------
    box
        In the square that the network sees.
    size
        Share of the head's bounding box that it covers, in [0, 1].
    diagnosis
        True class: the class whose map is to point.
    group, slice_id
        As in the manifest.
    """

    box: SquareBox
    size: float
    diagnosis: Diagnosis
    group: str
    slice_id: str


@dataclass(frozen=True, slots=True, eq=False)
class PointingTable:
    """What each map did, one row an image.

    Parameters
    ----------
    hit
        ``float64 [N]``: 1 where the maximum lies in the box, 0 where not; the share of equally strong cells in the box
        where several are strongest.
    reachable
        ``float64 [N]``: 1 where the box holds the centre of a cell.
    energy
        ``float64 [N]``: share of the positive evidence in the box; 0 where there is none.
    targets
        The boxes.
    """

    hit: Floats
    reachable: Floats
    energy: Floats
    targets: tuple[Target, ...]


def target_of(row: ImageRecord, frame: HeadFrame, shape: tuple[int, int]) -> Target | None:
    """Take the target of an image from its row.

    Parameters
    ----------
    row
        Of the manifest.
    frame
        Where the head lies in the image.
    shape
        Height and width of the image in pixels.

    Returns
    -------
    Target or None
        ``None`` where there is no tumour or no box, or where the box has no area.
    """
    if row.box is None or row.label is Diagnosis.NOTUMOR or min(row.box.width, row.box.height) <= 0:
        return None
    box = to_square(row.box, frame, shape)
    return Target(box, share_of_head(box, frame), row.label, row.group, row.slice_id)


def pointing_table(evidence: NDArray[np.floating], targets: Sequence[Target]) -> PointingTable:
    """Hold maps against boxes.

    Parameters
    ----------
    evidence
        ``float [N, h, w]``: the true class's evidence over the square, one map a target.
    targets
        N boxes in the same order.

    Raises
    ------
    InvalidManifest
        If there is no target, or not one map for each.
    """
    if not targets or evidence.ndim != 3 or len(evidence) != len(targets):
        raise InvalidManifest(
            f"{len(targets)} tumour boxes and maps of the shape {evidence.shape} were given; "
            "one map [h, w] for each of at least one box is needed"
        )
    grid = (int(evidence.shape[1]), int(evidence.shape[2]))
    hit, reachable, energy = np.empty((3, len(targets)))
    for row, (map_, target) in enumerate(zip(evidence, targets, strict=True)):
        inside = centres_inside(target.box, grid)
        hit[row] = inside[map_ == map_.max()].mean()
        reachable[row] = inside.any()
        positive = np.clip(map_.astype(np.float64), 0.0, None)
        total = positive.sum()
        energy[row] = (positive * cells_inside(target.box, grid)).sum() / total if total else 0.0
    return PointingTable(hit, reachable, energy, tuple(targets))


def pointing_figures(table: PointingTable) -> list[PointingOf]:
    """Summarise by class and by tumour size, with intervals over groups.

    Images of one slice count together as one. ``bound`` is the share of boxes that hold the centre of a cell, and
    ``chance`` the mean share of the head's bounding box that the tumour's box covers.

    Returns
    -------
    list
        First ``all``, then the classes that are there, then :data:`SIZES`; a size without an image is left out.
    """
    targets = table.targets
    labels = np.array([target.diagnosis.position for target in targets])
    sizes = np.array([target.size for target in targets])
    third = np.searchsorted(np.quantile(sizes, [1 / 3, 2 / 3]), sizes, side="left")
    chosen = [("all", np.ones(len(targets), dtype=np.bool_))]
    chosen += [(key.value, labels == key.position) for key in CLASS_ORDER]
    chosen += [(name, third == k) for k, name in enumerate(SIZES)]
    return [_figures(name, table, rows) for name, rows in chosen if rows.any()]


def _figures(name: str, table: PointingTable, rows: NDArray[np.bool_]) -> PointingOf:
    targets = [target for target, wanted in zip(table.targets, rows, strict=True) if wanted]
    groups = np.array([target.group for target in targets])
    slices = np.array([target.slice_id for target in targets])
    _, position, copies = np.unique(slices, return_inverse=True, return_counts=True)
    weights = 1.0 / copies[position]
    return PointingOf(
        key=name,
        images=len(targets),
        groups=len(np.unique(groups)),
        pointing=mean_figure(table.hit[rows], weights, groups, share=True),
        bound=float(np.average(table.reachable[rows], weights=weights)),
        chance=float(np.average([target.size for target in targets], weights=weights)),
        energy=mean_figure(table.energy[rows], weights, groups, share=True),
    )
