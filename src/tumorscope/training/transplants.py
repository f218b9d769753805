"""Tumours put into healthy training images, taken out of others, and healthy patches put anywhere.

Owns which images of a batch are changed, by which donor and where, and what is then true of them: class, box, weight.
How a patch is cut and its edge hidden is in :mod:`tumorscope.synthesis.transplant`, whose blendings are drawn at random
so that no seam stands for a class. Works on network inputs; all randomness comes from the generator that is given.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.labels import CLASS_ORDER, Diagnosis
from tumorscope.synthesis.transplant import Blending, Ellipse, fill, paste
from tumorscope.training.config import Supervision

__all__ = ["Changed", "Donors", "transplant"]

Image = NDArray[np.float64]
Boxes = NDArray[np.float32]

_HEALTHY = Diagnosis.NOTUMOR.position
# A pituitary tumour is known by the sella, which most slices do not cut: elsewhere it would teach that any lump in the
# middle is one.
_NEVER_MOVED = (_HEALTHY, Diagnosis.PITUITARY.position)
_MARGIN = 1.25  # of the ellipse over the box: boxes are tight, and swelling goes beyond
_WHOLE = 1.45  # the same where a tumour is taken out: it reaches into the corners of its box
_SIGNAL = 0.1  # brightness above which there is head
_FULL = 0.5  # share of a place that must be bright
_WITHIN = 0.97  # share of a place that must lie within the head's outline
_SMALLEST = 6.0  # pixels; a smaller tumour is no more than its seam
_NEAR = 0.08  # of the head: how far from its donor's place a tumour may go
_SIZES = 0.2  # natural logarithm of the largest change of size
_TRIES = 6
# Donors of which the one whose head is most like the host's is taken: mostly one of the same plane.
_CHOICE = 8
_OUTLINE = 20  # pixels a side of the outlines by which heads are compared
# Agreement of an outline with its mirror image from which on the head is seen from above or in front.
_SYMMETRIC = 0.92
_HEALED = 0.04  # of the square: the brain around a larger tumour would show where it was


class Changed(NamedTuple):
    """A batch after transplants.

    Parameters
    ----------
    images
        ``uint8 [B, S, S]``.
    labels
        ``int64 [B]``.
    boxes
        ``float32 [B, 4]``; NaN where there is no tumour or its place is unknown.
    weights
        ``float32 [B]``, of each image in the loss of the classes.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    boxes: Boxes
    weights: NDArray[np.float32]


class Donors:
    """Images that tumours and healthy patches are taken from.

    Parameters
    ----------
    images
        ``uint8 [N, S, S]``.
    labels
        ``int64 [N]``.
    boxes
        ``float32 [N, 4]``.
    rows
        Positions that may be used: those that are learnt from.
    """

    def __init__(
        self, images: NDArray[np.uint8], labels: NDArray[np.int64], boxes: Boxes, rows: NDArray[np.int64]
    ) -> None:
        self._images, self._boxes = images, boxes
        side = images.shape[-1]
        large = (
            np.minimum(boxes[rows, 2] - boxes[rows, 0], boxes[rows, 3] - boxes[rows, 1]) * side >= _SMALLEST
        )
        self._tumours = {
            position: found
            for position in range(len(CLASS_ORDER))
            if position not in _NEVER_MOVED and len(found := rows[large & (labels[rows] == position)])
        }
        self._healthy = rows[labels[rows] == _HEALTHY]

    @property
    def has_tumours(self) -> bool:
        """Whether any tumour is large enough to be moved, and of a class that may lie elsewhere."""
        return bool(self._tumours)

    @property
    def has_healthy(self) -> bool:
        """Whether there is any healthy image."""
        return len(self._healthy) > 0

    def tumour(
        self, rng: np.random.Generator, host: Image | None = None
    ) -> tuple[Image, NDArray[np.float32], int]:
        """A movable tumour of a random class in a head like the host's: image, box, class; half of them mirrored."""
        label = int(rng.choice(list(self._tumours)))
        row = self._alike(self._tumours[label], rng, host)
        image, box = _brightness(self._images[row]), self._boxes[row]
        if rng.random() < 0.5:
            return image[:, ::-1], np.array([1 - box[2], box[1], 1 - box[0], box[3]], dtype=np.float32), label
        return image, box, label

    def healthy(self, rng: np.random.Generator, host: Image | None = None) -> Image:
        """A healthy image of a head like the host's."""
        return _brightness(self._images[self._alike(self._healthy, rng, host)])

    def _alike(self, rows: NDArray[np.int64], rng: np.random.Generator, host: Image | None) -> int:
        """Of some random rows the one whose head's outline agrees best with the host's."""
        drawn = rng.choice(rows, _CHOICE)
        if host is None:
            return int(drawn[0])
        own = _outline(host)
        return int(max(drawn, key=lambda row: _agreement(own, _outline(_brightness(self._images[row])))))


def transplant(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    boxes: Boxes,
    donors: Donors,
    *,
    settings: Supervision,
    rng: np.random.Generator,
) -> Changed:
    """Change some images of a batch.

    Parameters
    ----------
    images, labels, boxes
        ``uint8 [B, S, S]``, ``int64 [B]``, ``float32 [B, 4]``; not changed.
    donors
        Where tissue comes from.
    settings
        How often each change is made; a change that finds no place is not made.
    rng
        Source of all random numbers.
    """
    result = Changed(images.copy(), labels.copy(), boxes.copy(), np.ones(len(labels), dtype=np.float32))
    for k, label in enumerate(labels.tolist()):
        pasting, healing, decoying = rng.random(3)
        image = before = _brightness(images[k])
        if label == _HEALTHY:
            if pasting < settings.paste and donors.has_tumours:
                image = _paste_tumour(image, k, result, donors, rng)
        elif healing < settings.heal and _can_be_healed(image, boxes[k]):
            image = _heal(image, boxes[k], donors, rng)
            result.labels[k], result.boxes[k], result.weights[k] = _HEALTHY, np.nan, settings.heal_weight
        placed = result.labels[k] == _HEALTHY or np.isfinite(result.boxes[k]).all()
        if decoying < settings.decoy and placed and donors.has_healthy and donors.has_tumours:
            taken = boxes[k] if np.isfinite(boxes[k]).all() else result.boxes[k]
            image = _paste_decoy(image, taken, donors, rng)
        if image is not before:
            result.images[k] = np.rint(np.clip(image, 0.0, 1.0) * 255.0)
    return result


def _paste_tumour(image: Image, k: int, result: Changed, donors: Donors, rng: np.random.Generator) -> Image:
    """The image with a tumour where its donor has it, about; its class and box are written into the result."""
    for _ in range(_TRIES):
        donor, box, label = donors.tumour(rng, image)
        source = _ellipse(box, donor)
        target = _target(source, donor, image, rng)
        if target is None:
            continue
        result.labels[k], result.boxes[k] = label, _box(target, image)
        return paste(image, donor, source, target, _blending(rng))
    return image


def _can_be_healed(image: Image, box: NDArray[np.float32]) -> bool:
    """Whether a tumour is known, small, and away from the edge of the head, which could not be grown again."""
    if not _area(box) <= _HEALED:
        return False
    inside = _ellipse(box, image, _WHOLE).radius((image.shape[0], image.shape[1])) < 1.0
    return bool(inside.any() and _within(image > _SIGNAL)[inside].mean() >= _WITHIN)


def _heal(image: Image, box: NDArray[np.float32], donors: Donors, rng: np.random.Generator) -> Image:
    """The image with healthy tissue in the place of its tumour.

    From the other side of the same head where that holds nothing of the tumour, else from the same place of a
    healthy head, or grown in from around the tumour.
    """
    ellipse = _ellipse(box, image, _WHOLE)
    apart = abs(box[0] + box[2] - 1.0) > _WHOLE * (box[2] - box[0])
    outline = _outline(image)
    kind = rng.random()
    if apart and kind < 0.6 and _agreement(outline, outline[:, ::-1]) >= _SYMMETRIC:
        return paste(image, image[:, ::-1], ellipse, ellipse, _blending(rng))
    if kind < 0.8 and donors.has_healthy:
        donor = donors.healthy(rng, image)
        source = _carried(ellipse, image, donor)
        if _filled(source, donor):
            return paste(image, donor, source, ellipse, _blending(rng))
    return fill(image, ellipse, rng)


def _paste_decoy(image: Image, taken: NDArray[np.float32], donors: Donors, rng: np.random.Generator) -> Image:
    """The image with a healthy patch where a tumour might be, away from the place that is taken."""
    for _ in range(_TRIES):
        tumour, box, _ = donors.tumour(rng)
        target = _target(_ellipse(box, tumour), tumour, image, rng)
        if target is None or _overlap(target, taken, image):
            continue
        donor = donors.healthy(rng)
        if rng.random() < 0.5:
            donor = donor[:, ::-1]
        source = _target(target, image, donor, rng)
        if source is not None:
            return paste(image, donor, source, target, _blending(rng))
    return image


def _target(source: Ellipse, donor: Image, image: Image, rng: np.random.Generator) -> Ellipse | None:
    """About the same place in another head, about as large; ``None`` if that is not all head."""
    near = _carried(source, donor, image)
    size = float(np.exp(rng.uniform(-_SIZES, _SIZES)))
    reach = _NEAR * image.shape[0]
    down, across = rng.uniform(-reach, reach, 2)
    target = Ellipse(near.row + down, near.column + across, size * near.height, size * near.width)
    return target if _filled(target, image) else None


def _carried(ellipse: Ellipse, image: Image, other: Image) -> Ellipse:
    """The same place relative to the bounds of another head."""
    top, left, height, width = _head(image)
    other_top, other_left, other_height, other_width = _head(other)
    down, across = other_height / height, other_width / width
    size = float(np.sqrt(down * across))
    return Ellipse(
        other_top + (ellipse.row - top) * down,
        other_left + (ellipse.column - left) * across,
        ellipse.height * size,
        ellipse.width * size,
    )


def _head(image: Image) -> tuple[int, int, int, int]:
    """Bounds of what is bright: top, left, height, width. The square around a head has black margins."""
    bright = image > _SIGNAL
    rows, columns = (np.flatnonzero(bright.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return 0, 0, image.shape[0], image.shape[1]
    return int(rows[0]), int(columns[0]), int(rows[-1] - rows[0]) + 1, int(columns[-1] - columns[0]) + 1


def _filled(ellipse: Ellipse, image: Image) -> bool:
    """Whether a place lies in the image and holds head for the most part."""
    height, width = image.shape
    if not (0 < ellipse.row < height - 1 and 0 < ellipse.column < width - 1):
        return False
    inside = ellipse.radius((height, width)) < 1.0
    if not inside.any():
        return False
    bright = image > _SIGNAL
    return bool(bright[inside].mean() >= _FULL and _within(bright)[inside].mean() >= _WITHIN)


def _within(bright: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What lies between bright pixels both along its row and along its column: the head with its dark parts."""
    along = [
        np.logical_or.accumulate(bright, axis=axis)
        & np.flip(np.logical_or.accumulate(np.flip(bright, axis), axis=axis), axis)
        for axis in (0, 1)
    ]
    return np.asarray(along[0] & along[1])


def _outline(image: Image) -> NDArray[np.bool_]:
    """The head on a coarse grid."""
    step = max(1, image.shape[0] // _OUTLINE)
    return _within(image[step // 2 :: step, step // 2 :: step] > _SIGNAL)


def _agreement(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Intersection over union."""
    return float((one & other).sum() / max(1, int((one | other).sum())))


def _area(box: NDArray[np.float32]) -> float:
    """Of a box as a fraction of the square; NaN where there is none."""
    return float((box[2] - box[0]) * (box[3] - box[1]))


def _overlap(ellipse: Ellipse, box: NDArray[np.float32], image: Image) -> bool:
    if not np.isfinite(box).all():
        return False
    left, top, right, bottom = (box * image.shape[0]).tolist()
    return bool(
        left < ellipse.column + ellipse.width
        and ellipse.column - ellipse.width < right
        and top < ellipse.row + ellipse.height
        and ellipse.row - ellipse.height < bottom
    )


def _ellipse(box: NDArray[np.float32], image: Image, margin: float = _MARGIN) -> Ellipse:
    left, top, right, bottom = box.tolist()
    place = ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)
    return Ellipse.of_box(place, (image.shape[0], image.shape[1]), margin)


def _box(ellipse: Ellipse, image: Image) -> NDArray[np.float32]:
    """The inverse of :func:`_ellipse`."""
    height, width = ellipse.height / _MARGIN, ellipse.width / _MARGIN
    row, column = ellipse.row + 0.5, ellipse.column + 0.5
    edges = np.array([column - width, row - height, column + width, row + height])
    return np.asarray(edges / image.shape[0], dtype=np.float32)


def _blending(rng: np.random.Generator) -> Blending:
    return list(Blending)[int(rng.integers(len(Blending)))]


def _brightness(image: NDArray[np.uint8]) -> Image:
    return np.asarray(image, dtype=np.float64) / 255.0
