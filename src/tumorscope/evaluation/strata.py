"""Where a classifier is good and where it is not: figures of parts of the images.

Owns how images are put into strata by what a manifest says of them, and which strata are too small to be quoted. Knows
neither manifests nor how planes and contrast styles are told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import InvalidManifest
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.evaluation.intervals import RESAMPLES, SEED, rate_figures
from tumorscope.evaluation.predictions import PredictionTable
from tumorscope.evaluation.report import Stratum

__all__ = ["FEWEST_GROUPS", "UNKNOWN", "By", "Strata", "image_sizes", "measure_strata", "tumour_sizes"]

By = Literal["source", "plane", "contrast-style", "tumour-size", "image-size"]

FEWEST_GROUPS = 10
"""A stratum with fewer groups, or the sensitivity to a class of a stratum, is named, not measured."""

UNKNOWN = ""
"""The stratum of an image that has none, such as the tumour size of a slice without a tumour."""

_SHORT_SIDES = (256, 512)
_SIZE_NAMES = ("up to 256 pixels", "257 to 512 pixels", "above 512 pixels")
_THIRDS = ("smallest third", "middle third", "largest third")


@dataclass(frozen=True, slots=True)
class Strata:
    """What was measured, and one sentence for each property of which something was left out."""

    measured: tuple[Stratum, ...]
    notes: tuple[str, ...]


def measure_strata(
    table: PredictionTable,
    columns: Mapping[By, NDArray[np.str_]],
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Strata:
    """Accuracy and sensitivities of each stratum.

    Parameters
    ----------
    table
        The answers.
    columns
        For each property the stratum of each image, ``str [N]`` in the table's order; :data:`UNKNOWN` where it has
        none.
    resamples, seed
        Of the intervals, which are over the stratum's groups.

    Raises
    ------
    InvalidManifest
        If a column has another length than the table.
    """
    measured: list[Stratum] = []
    notes: list[str] = []
    for by, column in columns.items():
        if len(column) != len(table):
            raise InvalidManifest(
                f"there are {len(column)} values of {by} for {len(table)} predictions; one each is needed"
            )
        small = []
        for key in np.unique(column[column != UNKNOWN]).tolist():
            part = table.subset(np.flatnonzero(column == key))
            if part.group_count < FEWEST_GROUPS:
                small.append(f"{key} ({part.group_count})")
                continue
            of_class = _groups_by_class(part)
            small += [
                f"{name} of {key} ({groups})" for name, groups in of_class.items() if groups < FEWEST_GROUPS
            ]
            figures = rate_figures(part, {}, resamples=resamples, seed=seed)
            kept = {"accuracy": figures["accuracy"]}
            for name, groups in of_class.items():
                if groups >= FEWEST_GROUPS:
                    kept[f"sensitivity_{name}"] = figures[f"sensitivity_{name}"]
            measured.append(Stratum(by=by, key=key, images=len(part), groups=part.group_count, figures=kept))
        if small:
            notes.append(
                f"By {by} not measured, with fewer than {FEWEST_GROUPS} groups (how many in brackets): "
                f"{', '.join(small)}."
            )
    return Strata(tuple(measured), tuple(notes))


def image_sizes(widths: NDArray[Any], heights: NDArray[Any]) -> NDArray[np.str_]:
    """Strata by the short side in pixels: up to 256, up to 512, above. 0 means unknown.

    Parameters
    ----------
    widths, heights
        ``[N]`` in pixels, of the images as they are in their files.
    """
    short = np.minimum(widths, heights)
    names = np.array(_SIZE_NAMES)[np.digitize(short, _SHORT_SIDES, right=True)]
    return np.where(short > 0, names, UNKNOWN)


def tumour_sizes(areas: NDArray[Any], slice_ids: NDArray[np.str_]) -> NDArray[np.str_]:
    """Strata by the area of the tumour's box: thirds of the slices that have one.

    Parameters
    ----------
    areas
        ``[N]`` width times height of the box in fractions of the image; NaN where there is none.
    slice_ids
        ``str [N]``: copies of one slice count as one when the thirds are set.

    Returns
    -------
    numpy.ndarray
        ``str [N]``; the names carry the limits in per cent of the image.
    """
    wide = np.asarray(areas, dtype=np.float64)
    with_box = ~np.isnan(wide)
    if not with_box.any():
        return np.full(len(wide), UNKNOWN)
    _, position = np.unique(slice_ids[with_box], return_inverse=True)
    mean_of_slice = np.bincount(position, wide[with_box]) / np.bincount(position)
    low, high = np.quantile(mean_of_slice, [1 / 3, 2 / 3])
    limits = (f"up to {low:.1%}", f"{low:.1%} to {high:.1%}", f"above {high:.1%}")
    names = np.array(
        [f"{third} ({limit} of the image)" for third, limit in zip(_THIRDS, limits, strict=True)]
    )
    # Copies differ in the last digit of their boxes; a slice lies in one third only.
    own = np.full(len(wide), np.nan)
    own[with_box] = mean_of_slice[position]
    return np.where(with_box, names[np.digitize(own, [low, high], right=True)], UNKNOWN)


def _groups_by_class(table: PredictionTable) -> dict[str, int]:
    """How many groups each class has, of the classes that are present."""
    return {
        key.value: len(np.unique(table.groups[table.labels == key.position]))
        for key in CLASS_ORDER
        if (table.labels == key.position).any()
    }
