"""Intensity styles: images that look as if one scanner, one contrast and one export had made them.

Owns the features (source, grey values of the head, texture) and the clusters made of them without labels; scikit-learn
does the clustering (k-means). Reads no file: it is given network inputs. Folds of styles are in
:mod:`tumorscope.dataset.style_split`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.core.optional import require
from tumorscope.dataset.manifest import Manifest

__all__ = ["STYLES", "assign_styles", "style_features"]

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
    manifest: Manifest, features: Floats, styles: int = STYLES, *, whole_groups: bool = True
) -> NDArray[np.str_]:
    """Find the style of each image, without looking at labels.

    Parameters
    ----------
    manifest
        The data set; the order of its rows decides nothing.
    features
        ``float64 [N, 14]``, from :func:`style_features`, in its order.
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
    if len(features) != len(manifest):
        raise InvalidConfiguration(
            f"features of {len(features)} images were given for {len(manifest)} rows; one a row is needed"
        )
    slices = len({row.slice_id for row in manifest})
    if not 2 <= styles <= slices:
        raise InvalidConfiguration(
            f"{styles} styles were asked for; between 2 and the number of slices, {slices}, are possible"
        )
    cluster = require("sklearn.cluster", extra="evaluate", purpose=_PURPOSE)
    sources = sorted({row.source for row in manifest})
    # Each source counts about as much as one measured feature, so that a style may span sources that look alike.
    kind = np.array([[float(row.source == source) for source in sources] for row in manifest])
    weights = manifest.weights()
    table = np.concatenate([_standardised(features, weights), 2.0 * (kind - kind.mean(axis=0))], axis=1)
    if whole_groups:
        table = _group_means(table, np.array([row.group for row in manifest]), weights)
    order = sorted(
        range(len(manifest)), key=lambda k: (manifest.records[k].sha256, str(manifest.records[k].path))
    )
    model = cluster.KMeans(styles, n_init=_STARTS, random_state=_SEED)
    found = np.empty(len(manifest), dtype=np.int64)
    found[order] = model.fit_predict(table[order], sample_weight=weights[order])
    midtones = [
        float(features[found == number, 2].mean()) if (found == number).any() else np.inf
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
