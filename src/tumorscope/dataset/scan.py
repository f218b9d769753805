"""One pass over the images of a data set, each file opened once.

Owns the order, the threads and the list of what could not be read. What is looked for in an image, the caller
brings as a function. Decoding and hashing release the interpreter's lock, so threads use all cores.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Generic, TypeVar

from tumorscope.core.errors import TumorscopeError
from tumorscope.core.slice import Slice
from tumorscope.dataset.facts import ImageFacts, read_labelled
from tumorscope.dataset.manifest import ImageRecord, Manifest

__all__ = ["Failure", "Look", "Progress", "Scan", "scan"]

Found = TypeVar("Found")
Look = Callable[[ImageRecord, ImageFacts, Slice], Found]
Progress = Callable[[int, int], None]

_CHUNK = 16  # images handed to a thread at once: hand-over costs less than one decode


@dataclass(frozen=True, slots=True)
class Failure:
    """An image that could not be used, and why."""

    row: int
    path: Path
    error: TumorscopeError


@dataclass(frozen=True, slots=True)
class Scan(Generic[Found]):
    """What was found.

    Parameters
    ----------
    rows
        Positions in the manifest of the images that could be read, ascending.
    found
        What the function returned for each of them.
    failures
        The images that could not be read.
    """

    rows: tuple[int, ...]
    found: tuple[Found, ...]
    failures: tuple[Failure, ...]


def scan(
    manifest: Manifest, look: Look[Found], *, threads: int | None = None, progress: Progress | None = None
) -> Scan[Found]:
    """Look at every image once.

    Parameters
    ----------
    manifest
        The data set.
    look
        Given the row, the facts of its file and its slice. A :class:`TumorscopeError` it raises counts as a
        failure of that image.
    threads
        How many; all cores where ``None``.
    progress
        Called with (done, total) as images are done.
    """
    rows, found, failures = [], [], []

    def look_at(chunk: range) -> list[Found | TumorscopeError]:
        return [_attempt(manifest.records[row], look) for row in chunk]

    chunks = [range(at, min(at + _CHUNK, len(manifest))) for at in range(0, len(manifest), _CHUNK)]
    workers = threads or os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        for chunk, outcomes in zip(chunks, _few_ahead(pool, look_at, chunks, workers * 4), strict=True):
            for row, outcome in zip(chunk, outcomes, strict=True):
                if isinstance(outcome, TumorscopeError):
                    failures.append(Failure(row, manifest.records[row].path, outcome))
                else:
                    rows.append(row)
                    found.append(outcome)
            if progress is not None:
                progress(chunk.stop, len(manifest))
    return Scan(tuple(rows), tuple(found), tuple(failures))


def _attempt(record: ImageRecord, look: Look[Found]) -> Found | TumorscopeError:
    try:
        facts, image = read_labelled(record.path)
        return look(record, facts, image)
    except TumorscopeError as error:
        return error


def _few_ahead(
    pool: ThreadPoolExecutor,
    work: Callable[[range], list[Found | TumorscopeError]],
    chunks: list[range],
    ahead: int,
) -> Iterator[list[Found | TumorscopeError]]:
    """Results in order, with a bounded number of chunks under way, so that Ctrl-C ends soon."""
    waiting = iter(chunks)
    pending = [pool.submit(work, chunk) for chunk in islice(waiting, ahead)]
    try:
        while pending:
            done = pending.pop(0).result()
            pending += [pool.submit(work, chunk) for chunk in islice(waiting, 1)]
            yield done
    finally:
        for future in pending:
            future.cancel()
