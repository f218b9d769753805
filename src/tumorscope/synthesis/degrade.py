"""What happens to a slice after the scan: fewer pixels, compression, cropping, skull stripping, turning.

Owns these changes as functions of brightness, and :func:`head_mask`, which says where the head is. How strong each
severity is and which are listed is in :mod:`tumorscope.synthesis.stresses`. NumPy and Pillow; masks need SciPy.

Every function takes ``image``, ``float64 [H, W]`` with 0 for no signal and 1 for the bright end of the head, a
``strength`` in its own unit (0 changes nothing), and a generator that only :func:`rotation` uses.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from tumorscope.core.optional import require
from tumorscope.preprocess import MINIMUM_SIDE

__all__ = [
    "cropping",
    "head_depth",
    "head_mask",
    "jpeg",
    "resolution_higher",
    "resolution_lower",
    "rotation",
    "skull_stripping",
    "turning",
]

Image = NDArray[np.float64]

_HEAD = 0.1
_PURPOSE = "finding the head"


def resolution_lower(image: Image, strength: float, rng: np.random.Generator | None = None) -> Image:
    """Stored with fewer pixels and enlarged again: averaged down, interpolated bilinearly up to its own size.

    ``strength`` is 1000 divided by the pixels that the longer side is left with; an image with fewer stays as it is.
    """
    del rng
    if not strength or max(image.shape) * strength <= 1000.0:
        return image.copy()
    factor = 1000.0 / strength / max(image.shape)
    return _resized(_resized(image, factor), 1.0, image.shape)


def resolution_higher(image: Image, strength: float, rng: np.random.Generator | None = None) -> Image:
    """Interpolated to more pixels by a bicubic filter, as viewers export it; ``1 + strength`` times as many a side."""
    del rng
    return _resized(image, 1.0 + strength) if strength else image.copy()


def jpeg(image: Image, strength: float, rng: np.random.Generator | None = None) -> Image:
    """Lossy compression with 8 bits, discrete cosine transform on blocks of 8 x 8 (ITU-T T.81).

    ``strength`` is 100 less the quality; from 95 on hardly more than the mean of each block is left.
    """
    del rng
    if not strength:
        return image.copy()
    top = max(float(image.max()), 1e-300)
    stream = io.BytesIO()
    shades = np.rint(image * (255.0 / top)).astype(np.uint8)
    Pillow.fromarray(shades).save(stream, "JPEG", quality=max(1, round(100.0 - strength)))
    return np.asarray(Pillow.open(stream), dtype=np.float64) * (top / 255.0)


def cropping(image: Image, strength: float, rng: np.random.Generator | None = None) -> Image:
    """A field of view too small for the head: ``strength`` of its width and height is missing at each border.

    The result is smaller than the image. Borders without head would be cropped by preprocessing anyway.
    """
    del rng
    if not strength:
        return image.copy()
    rows, columns = (np.flatnonzero((image > _HEAD).any(axis=axis)) for axis in (1, 0))
    ends = []
    for places, side in zip((rows, columns), image.shape, strict=True):
        first, last = (int(places[0]), int(places[-1]) + 1) if len(places) else (0, side)
        cut = min(round(strength * (last - first)), max(0, (last - first - MINIMUM_SIDE) // 2))
        ends.append((first + cut, last - cut) if last - first >= MINIMUM_SIDE else (0, side))
    (top, bottom), (left, right) = ends
    return image[top:bottom, left:right].copy()


def skull_stripping(image: Image, strength: float, rng: np.random.Generator | None = None) -> Image:
    """Scalp and skull are blackened, and with the higher severities some of the brain, as bad masks do.

    A plain mask: the head, eroded (Smith, Hum. Brain Mapp. 17, 2002, does it properly). ``strength`` is the depth of
    the peel as a fraction of the head's radius.

    Raises
    ------
    MissingDependency
        If SciPy is not installed.
    """
    del rng
    if not strength:
        return image.copy()
    mask = head_mask(image)
    return np.where(head_depth(mask) > strength, image, 0.0)


def rotation(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """The head lies askew: turned by ``strength`` degrees to a random side, bicubic; corners are black.

    The result is as large as the turned image needs, so that nothing is cut.
    """
    turn = strength if rng.integers(2) else -strength
    if not strength:
        return image.copy()
    turned = Pillow.fromarray(image.astype(np.float32)).rotate(turn, Pillow.Resampling.BICUBIC, expand=True)
    return np.maximum(np.asarray(turned, dtype=np.float64), 0.0)


def turning(image: Image, strength: float, rng: np.random.Generator | None = None) -> Image:
    """Lost or wrong orientation (DICOM PS3.3 C.7.6.1.1.1): mirrored and quarter turns, without any loss.

    ``strength`` counts: 1 left and right exchanged, 2 upside down by mirroring, 3 half a turn, 4 a quarter turn, 5 a
    quarter turn and mirrored.
    """
    del rng
    changed = {
        0: image,
        1: image[:, ::-1],
        2: image[::-1],
        3: image[::-1, ::-1],
        4: np.rot90(image),
        5: image.T,
    }[round(strength)]
    return np.ascontiguousarray(changed)


def head_mask(image: Image) -> NDArray[np.bool_]:
    """Where the head is: the largest bright piece, closed, without holes.

    Parameters
    ----------
    image
        See the module.

    Returns
    -------
    numpy.ndarray
        ``bool [H, W]``; true somewhere unless the image is black.

    Raises
    ------
    MissingDependency
        If SciPy is not installed.
    """
    ndimage = require("scipy.ndimage", extra="evaluate", purpose=_PURPOSE)
    # Noise of single pixels is neither head nor hole.
    smooth = ndimage.uniform_filter(image, size=max(3, max(image.shape) // 100))
    pieces, count = ndimage.label(smooth > _HEAD)
    if not count:
        return np.asarray(image > 0.0)
    sizes = np.bincount(pieces.ravel())[1:]
    head = pieces == int(sizes.argmax()) + 1
    reach = max(1, max(image.shape) // 40)
    # Closing next to the border needs room beyond it.
    roomy = np.pad(head, reach + 1)
    roomy = ndimage.binary_closing(roomy, iterations=reach)
    filled: NDArray[np.bool_] = ndimage.binary_fill_holes(roomy)[
        reach + 1 : -reach - 1, reach + 1 : -reach - 1
    ]
    return filled


def head_depth(mask: NDArray[np.bool_]) -> Image:
    """How deep below the surface of the head each pixel lies.

    Parameters
    ----------
    mask
        ``bool [H, W]``; beyond the border of the image lies no head.

    Returns
    -------
    numpy.ndarray
        ``float64 [H, W]``, in radii of the disc with the head's area; 0 outside.

    Raises
    ------
    MissingDependency
        If SciPy is not installed.
    """
    ndimage = require("scipy.ndimage", extra="evaluate", purpose=_PURPOSE)
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    return np.asarray(depth / np.sqrt(max(float(mask.sum()), 1.0) / np.pi))


def _resized(image: Image, factor: float, shape: tuple[int, ...] | None = None) -> Image:
    height, width = shape or tuple(max(MINIMUM_SIDE, round(side * factor)) for side in image.shape)
    way = Pillow.Resampling.BICUBIC if factor > 1.0 else Pillow.Resampling.BILINEAR
    resized = Pillow.fromarray(image.astype(np.float32)).resize((width, height), way)
    return np.maximum(np.asarray(resized, dtype=np.float64), 0.0)
