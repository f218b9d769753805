"""Intensity styles: images that look as if one scanner, one contrast and one export had made them.

Owns the features (source, grey values of the head, texture), the clusters made of them without labels, and folds
that hold out whole styles, so that a model which recognises where an image comes from is found out on the data at
hand. After group-wise shift benchmarks (Koh et al., WILDS, ICML 2021); scikit-learn does the clustering (k-means).
Reads no file: it is given network inputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import InvalidConfiguration, InvalidManifest
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.core.optional import require
from tumorscope.dataset.copies.pair import CopyPair
from tumorscope.dataset.groups import undivided_groups, with_groups
from tumorscope.dataset.manifest import Manifest, Part

__all__ = ["STYLES", "StyleFold", "StyleSplit", "assign_styles", "split_by_style", "style_features"]

STYLES = 8
"""How many styles are looked for."""

_QUANTILES = (5, 25, 50, 75, 95)
_HEAD = 25  # of 255: darker is air or fluid
_BANDS = (1, 4, 8, 14, 22, 32, 64)  # cycles over the side of the input; finer is lost in a small input
_SEED = 20260101
_STARTS = 8
_PURPOSE = "finding intensity styles"

Floats = NDArray[np.float64]


def style_features(images: NDArray[np.uint8]) -> Floats:
    """What an image looks like, whatever it shows.

    Parameters
    ----------
    images
        Network inputs, ``uint8 [N, S, S]``: the head fills them and its range is stretched, so that neither margins nor
        plain brightness and contrast count.

    Returns
    -------
    numpy.ndarray
        ``float64 [N, 14]``: five quantiles of the head's grey values, their skewness and the share of dark pixels;
        the mean and spread of the local variance; the logarithms of the shares of spectral energy in bands.
    """
    return np.stack([_features(image) for image in images]) if len(images) else np.empty((0, 0))


def _features(image: NDArray[np.uint8]) -> Floats:
    gray = image.astype(np.float64) / 255.0
    head = gray[image > _HEAD]
    head = head if len(head) else gray.ravel()
    spread = max(float(head.std()), 1e-6)
    tone = [
        *np.percentile(head, _QUANTILES),
        float((((head - head.mean()) / spread) ** 3).mean()),
        float((image <= _HEAD).mean()),
    ]
    side = len(gray) // 4 * 4
    blocks = gray[:side, :side].reshape(side // 4, 4, side // 4, 4).swapaxes(1, 2).reshape(-1, 16)
    local = np.log10(blocks[blocks.mean(axis=1) > _HEAD / 255.0].var(axis=1) + 1e-5)
    local = local if len(local) else np.zeros(1)
    energy = np.abs(np.fft.rfft2(gray - gray.mean())) ** 2
    down = np.fft.fftfreq(len(gray), 1.0 / len(gray))[:, None]
    across = np.arange(energy.shape[1])[None, :]
    band = np.digitize(np.hypot(down, across), _BANDS)
    sums = np.bincount(band.ravel(), energy.ravel(), minlength=len(_BANDS) + 1)[1 : len(_BANDS)]
    texture = np.log10(sums / max(float(sums.sum()), 1e-12) + 1e-8)
    return np.array([*tone, float(local.mean()), float(local.std()), *texture[1:]])


def assign_styles(
    manifest: Manifest, images: NDArray[np.uint8], styles: int = STYLES, *, whole_groups: bool = True
) -> NDArray[np.str_]:
    """Find the style of each image, without looking at labels.

    Parameters
    ----------
    manifest
        The data set; the order of its rows decides nothing.
    images
        Its network inputs, ``uint8 [N, S, S]``, in its order.
    styles
        How many to look for, at least 2.
    whole_groups
        Whether a group has one style, found from the mean of its images: one exam comes from one scanner, and what
        differs within it is anatomy. Without this, planes and levels of the head make styles too.

    Returns
    -------
    numpy.ndarray
        ``str [N]``: ``style-1``, ``style-2``... from the darkest midtones to the brightest.

    Raises
    ------
    InvalidConfiguration
        If fewer than two styles are asked for, or more than there are distinct slices.
    MissingDependency
        If scikit-learn is not installed.
    """
    if len(images) != len(manifest):
        raise InvalidConfiguration(
            f"{len(images)} images were given for {len(manifest)} rows; one a row is needed"
        )
    slices = len({row.slice_id for row in manifest})
    if not 2 <= styles <= slices:
        raise InvalidConfiguration(
            f"{styles} styles were asked for; between 2 and the number of slices, {slices}, are possible"
        )
    cluster = require("sklearn.cluster", extra="evaluate", purpose=_PURPOSE)
    measured = style_features(images)
    sources = sorted({row.source for row in manifest})
    # Each source counts about as much as one measured feature, so that a style may span sources that look alike.
    kind = np.array([[float(row.source == source) for source in sources] for row in manifest])
    weights = manifest.weights()
    table = np.concatenate([_standardised(measured, weights), 2.0 * (kind - kind.mean(axis=0))], axis=1)
    if whole_groups:
        table = _group_means(table, np.array([row.group for row in manifest]), weights)
    order = sorted(
        range(len(manifest)), key=lambda k: (manifest.records[k].sha256, str(manifest.records[k].path))
    )
    model = cluster.KMeans(styles, n_init=_STARTS, random_state=_SEED)
    found = np.empty(len(manifest), dtype=np.int64)
    found[order] = model.fit_predict(table[order], sample_weight=weights[order])
    midtones = [
        float(measured[found == number, 2].mean()) if (found == number).any() else np.inf
        for number in range(styles)
    ]
    rank = np.argsort(np.argsort(midtones, kind="stable"), kind="stable")
    return np.array([f"style-{rank[number] + 1}" for number in found.tolist()])


def _group_means(table: Floats, groups: NDArray[np.str_], weights: Floats) -> Floats:
    """Every row replaced by the mean of its group."""
    _, place = np.unique(groups, return_inverse=True)
    total = np.bincount(place, weights)
    means = np.stack([np.bincount(place, weights * column) / total for column in table.T], axis=1)[place]
    return np.asarray(means)


def _standardised(table: Floats, weights: Floats) -> Floats:
    mean = np.average(table, axis=0, weights=weights)
    spread = np.sqrt(np.average((table - mean) ** 2, axis=0, weights=weights))
    return np.asarray((table - mean) / np.where(spread > 0, spread, 1.0))


@dataclass(frozen=True, slots=True)
class StyleFold:
    """What one fold holds.

    Parameters
    ----------
    fold
        Its number, from 1.
    styles
        The styles that are in it and in no other.
    images
        By class key; 0 for a class that none of its styles shows.
    """

    fold: int
    styles: tuple[str, ...]
    images: dict[str, int]

    @property
    def absent(self) -> tuple[str, ...]:
        """Classes without an image in this fold: no figure of them can be had from it."""
        return tuple(key for key, count in self.images.items() if not count)


@dataclass(frozen=True, slots=True)
class StyleSplit:
    """Folds of whole styles and whole groups.

    Parameters
    ----------
    manifest
        The rows in their order; excluded ones have no fold and the part ``excluded``.
    folds
        What each fold holds.
    excluded
        How many images are left out since most of their group lies in the style of another fold.
    """

    manifest: Manifest
    folds: tuple[StyleFold, ...]
    excluded: int


def split_by_style(
    manifest: Manifest,
    styles: NDArray[np.str_],
    folds: int = 4,
    pairs: Sequence[CopyPair] = (),
) -> StyleSplit:
    """Make folds that are whole styles and whole groups.

    Styles are put together to folds whose images and classes are as even as whole styles allow. A group goes where most
    of it lies; its images in styles of other folds are excluded, or the held-out style would be learnt from.

    Parameters
    ----------
    manifest
        The data set; rows of the parts ``test`` and ``excluded`` stay as they are, without a fold.
    styles
        ``str [N]``, from :func:`assign_styles`.
    folds
        How many, at least 2 and at most as many as styles.
    pairs
        Near copies, as positions in the manifest.

    Raises
    ------
    InvalidConfiguration
        If the number of folds does not fit the styles.
    InvalidManifest
        If a class would be in one fold only, so that it is never both learnt and measured.
    """
    tied = with_groups(manifest, undivided_groups(manifest, pairs))
    learnt = np.array([row.part in (None, Part.TRAIN) for row in tied], dtype=np.bool_)
    names = np.unique(styles[learnt])
    if not 2 <= folds <= len(names):
        raise InvalidConfiguration(
            f"{folds} folds were asked for; between 2 and {len(names)}, the styles, are possible"
        )
    labels, weights = tied.labels(), tied.weights()
    counts = np.array(
        [
            np.bincount(labels[learnt & (styles == name)], weights[learnt & (styles == name)], minlength=4)
            for name in names
        ]
    )
    fold_of_style = dict(zip(names.tolist(), _pack(counts, folds).tolist(), strict=True))
    wanted = np.array([fold_of_style.get(style, 0) for style in styles.tolist()])
    number = np.zeros(len(tied), dtype=np.int64)
    _, group = np.unique([row.group for row in tied], return_inverse=True)
    mass = np.zeros((int(group.max()) + 1, folds + 1))
    np.add.at(mass, (group[learnt], wanted[learnt]), weights[learnt])
    home = mass[:, 1:].argmax(axis=1) + 1
    number[learnt] = np.where(home[group] == wanted, wanted, 0)[learnt]
    rows = tuple(
        replace(
            row,
            fold=int(fold) or None,
            part=Part.EXCLUDED if is_learnt and not fold else row.part,
        )
        for row, fold, is_learnt in zip(tied, number.tolist(), learnt.tolist(), strict=True)
    )
    described = tuple(
        StyleFold(
            fold,
            tuple(name for name in names.tolist() if fold_of_style[name] == fold),
            {key.value: int(((number == fold) & (labels == key.position)).sum()) for key in CLASS_ORDER},
        )
        for fold in range(1, folds + 1)
    )
    for key in CLASS_ORDER:
        holding = [part.fold for part in described if part.images[key.value]]
        if len(holding) == 1:
            raise InvalidManifest(
                f"all images of the class {key.value} have styles of fold {holding[0]}: the other folds could not "
                "measure it and that one not learn it; ask for fewer folds, or give images of it in other styles"
            )
    return StyleSplit(Manifest(rows, manifest.root), described, int((learnt & (number == 0)).sum()))


def _pack(counts: Floats, folds: int) -> NDArray[np.int64]:
    """The fold of each style, from 1: the largest styles first, each where the classes stay evenest."""
    shares = counts / np.maximum(counts.sum(axis=0), 1e-12)
    # Size counts too: without it a fold could hold a small class alone.
    shares = np.concatenate([shares, (counts.sum(axis=1) / counts.sum())[:, None]], axis=1)
    filled = np.zeros((folds, shares.shape[1]))
    fold = np.zeros(len(counts), dtype=np.int64)
    for style in np.argsort(-shares.max(axis=1), kind="stable").tolist():
        costs = [
            float((((filled + shares[style] * (np.arange(folds) == k)[:, None]) - 1.0 / folds) ** 2).sum())
            for k in range(folds)
        ]
        best = int(np.argmin(costs))
        # A fold without any style is none: the last styles go to those that are still empty.
        empty = np.flatnonzero(filled.sum(axis=1) == 0)
        if len(empty) >= int((fold == 0).sum()):
            best = int(empty[0])
        filled[best] += shares[style]
        fold[style] = best + 1
    return fold
