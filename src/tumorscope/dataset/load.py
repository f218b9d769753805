"""One labelled image file to its slice, and to the network's input.

Owns the rule that a label speaks of a single slice. Training and evaluation read their images through it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import UnsupportedImage
from tumorscope.core.slice import Slice
from tumorscope.preprocess import preprocess
from tumorscope.reading.open import open_slices

__all__ = ["load_input", "load_slice"]


def load_slice(path: Path) -> Slice:
    """Read the one slice of a file.

    Parameters
    ----------
    path
        An image file.

    Raises
    ------
    UnsupportedImage
        If the file holds several slices, or none that is not blank.
    TumorscopeError
        As reading does.
    """
    image = next(iter(open_slices(path)), None)
    if image is None:
        raise UnsupportedImage("the file holds no slice that is not blank; an image with content is needed")
    if image.origin.frames > 1:
        raise UnsupportedImage(
            f"the file holds {image.origin.frames} slices and its label speaks of one; save single slices"
        )
    return image


def load_input(path: Path, size: int) -> NDArray[np.uint8]:
    """Read and preprocess the one slice of a file.

    Parameters
    ----------
    path
        An image file.
    size
        Side of the network's input in pixels.

    Returns
    -------
    numpy.ndarray
        ``uint8 [size, size]``.

    Raises
    ------
    TumorscopeError
        As :func:`load_slice` and preprocessing do.
    """
    return preprocess(load_slice(path), size)
