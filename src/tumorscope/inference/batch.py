"""From inputs to network-ready batches: in order, in bounded memory, one failure at a time.

Owns preparation (open, crop, resize) and the overlap of preparing the next batch with running this one. An
input that fails becomes a :class:`~tumorscope.inference.record.Failure` in its place and costs nobody else an
answer. Knows no session.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import TumorscopeError, UnreadableImage, UnsupportedImage
from tumorscope.core.slice import Slice
from tumorscope.inference.record import Failure
from tumorscope.preprocess import HeadFrame, find_head, preprocess
from tumorscope.reading.discover import Source, discover

__all__ = ["Input", "Prepared", "batches", "prepare"]

Input = str | os.PathLike[str] | NDArray[Any] | Slice | Source
"""What can be asked about: a path, the pixels of one slice ``[H, W]``, a slice, or a source of slices."""


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A slice as the network takes it, and what leads back to the slice.

    Parameters
    ----------
    image
        ``uint8 [S, S]``.
    frame
        Where the head lies in the slice.
    source
        The slice itself.
    """

    image: NDArray[np.uint8]
    frame: HeadFrame
    source: Slice


def prepare(inputs: Iterable[Input], size: int) -> Iterator[Prepared | Failure]:
    """Open and preprocess inputs lazily.

    Parameters
    ----------
    inputs
        Paths, arrays and slices, mixed at will. A file, folder or archive of many slices gives many results.
    size
        Side of the network's input in pixels.

    Yields
    ------
    Prepared or Failure
        In order. A source that breaks off keeps the slices it gave before.
    """
    for entry in inputs:
        if isinstance(entry, Slice):
            yield _prepare_slice(entry, size)
        elif isinstance(entry, np.ndarray):
            yield _prepare_slice(Slice(entry), size)
        elif isinstance(entry, Source):
            yield from _prepare_source(entry, size)
        elif isinstance(entry, str | os.PathLike):
            for source in discover(entry):
                yield from _prepare_source(source, size)
        else:
            message = (
                f"a {type(entry).__name__} was given; a path, a two-dimensional array or a Slice is expected"
            )
            yield Failure(None, UnsupportedImage, message)


def batches(items: Iterator[Prepared | Failure], size: int) -> Iterator[list[Prepared | Failure]]:
    """Group items, making the next group in a thread while the caller works on this one.

    Parameters
    ----------
    items
        From :func:`prepare`.
    size
        Items in a group, at least 1. At most two groups exist at any time.

    Yields
    ------
    list
        ``size`` items, fewer in the last. Where one group holds everything, no thread is started.
    """
    group = list(islice(items, size))
    if len(group) == size > 1:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="tumorscope-prepare") as pool:
            while len(group) == size:
                following = pool.submit(lambda: list(islice(items, size)))
                yield group
                group = following.result()
    while group:
        yield group
        group = list(islice(items, size))


def _prepare_source(source: Source, size: int) -> Iterator[Prepared | Failure]:
    path = source.path
    try:
        for image in source.open():
            yield _prepare_slice(image, size)
    except TumorscopeError as error:
        yield Failure(path, type(error), _one_line(error), source.series)
    except OSError as error:
        message = f"{path}: it could not be read ({error.strerror}); check the file and its permissions"
        yield Failure(path, UnreadableImage, message, source.series)
    except MemoryError:
        message = f"{path}: it does not fit in memory; give its slices one by one"
        yield Failure(path, UnreadableImage, message, source.series)


def _prepare_slice(image: Slice, size: int) -> Prepared | Failure:
    origin = image.origin
    try:
        frame = find_head(image.pixels)
        return Prepared(preprocess(image, size, frame), frame, image)
    except TumorscopeError as error:
        which = f", slice {origin.frame + 1} of {origin.frames}" if origin.frames > 1 else ""
        place = f"{origin.path}{which}: " if origin.path else ""
        return Failure(origin.path, type(error), place + _one_line(error), origin.series)


def _one_line(error: TumorscopeError) -> str:
    return " ".join(str(error).split())
