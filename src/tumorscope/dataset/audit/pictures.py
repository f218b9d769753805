"""Pictures of the few images that a page shows.

Owns the way back from a path in the document to pixels. They are decoded once more: to keep the pixels of all images
would cost more memory than the audit itself.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import TumorscopeError
from tumorscope.dataset.facts import read_labelled
from tumorscope.dataset.manifest import Manifest

__all__ = ["pictures_of"]


def pictures_of(manifest: Manifest) -> Callable[[str], NDArray[np.uint8] | None]:
    """Give a function from a path of the document to gray pixels ``uint8 [h, w]``, ``None`` if it cannot be read."""
    places = {manifest.display_path(row): row.path for row in manifest}

    def picture(path: str) -> NDArray[np.uint8] | None:
        if path not in places:
            return None
        try:
            _, image = read_labelled(places[path])
        except TumorscopeError:
            return None  # the audit lists it among the unreadable
        if image.pixels.dtype == np.uint8:
            return np.asarray(image.pixels, dtype=np.uint8)
        gray: NDArray[np.uint8] = np.rint(image.as_float() * 255.0).astype(np.uint8)
        return gray

    return picture
