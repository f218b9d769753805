"""Pictures for a page: small, few, each encoded once.

Owns thumbnails and the rule that a page shows the first so many of a thing and says how many more there are.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tumorscope.reporting.page import data_uri

__all__ = ["Picture", "Shown", "Thumbnails", "first_of", "within"]

Picture = Callable[[str], NDArray[np.uint8] | None]
"""Gives the gray pixels ``uint8 [h, w]`` for a path of the data set, or ``None`` if it cannot be read."""

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Shown(Generic[Item]):
    """The first of many.

    Parameters
    ----------
    items
        What is shown.
    more
        How many are not.
    """

    items: tuple[Item, ...]
    more: int


def first_of(items: Sequence[Item], limit: int) -> Shown[Item]:
    """Keep the first ``limit``."""
    return Shown(tuple(items[:limit]), max(0, len(items) - limit))


def within(items: Sequence[Item], cost: Callable[[Item], int], budget: int) -> Shown[Item]:
    """Keep the first whose costs together are at most ``budget``, and the very first whatever it costs."""
    kept = spent = 0
    for item in items:
        spent += cost(item)
        if kept and spent > budget:
            break
        kept += 1
    return first_of(items, kept)


class Thumbnails:
    """Small JPEG files as data URIs.

    Parameters
    ----------
    picture
        Where pixels come from; asked once for each path.
    side
        Longest side in pixels; larger pictures are made smaller, smaller ones stay.
    quality
        Of the JPEG, 1 to 95.
    """

    def __init__(self, picture: Picture, *, side: int = 128, quality: int = 80) -> None:
        self._picture = picture
        self._side = side
        self._quality = quality
        self._known: dict[str, str | None] = {}

    def uri(self, path: str) -> str | None:
        """The thumbnail of an image of the data set, ``None`` if it cannot be read."""
        if path not in self._known:
            pixels = self._picture(path)
            self._known[path] = None if pixels is None else self._encoded(pixels)
        return self._known[path]

    def _encoded(self, pixels: NDArray[np.uint8]) -> str:
        image = Image.fromarray(np.ascontiguousarray(pixels))
        image.thumbnail((self._side, self._side), Image.Resampling.BOX)
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=self._quality)
        return data_uri(stream.getvalue(), "image/jpeg")
