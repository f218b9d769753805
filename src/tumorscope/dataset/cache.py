"""Decoded and preprocessed images, once, in a memory-mapped file.

Owns the cache that lets epochs never touch a JPEG again. Its key is the content of the images and the version
of the preprocessing: a changed file or a changed function makes a new cache.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import TumorscopeError
from tumorscope.core.files import explain_full_disk
from tumorscope.core.optional import require
from tumorscope.dataset.load import load_input
from tumorscope.dataset.manifest import ImageRecord, Manifest
from tumorscope.dataset.scan import Failure, Progress
from tumorscope.preprocess import PREPROCESSING

__all__ = ["Cache", "cache_folder", "open_cache"]


@dataclass(frozen=True, slots=True)
class Cache:
    """Network inputs of a manifest.

    Parameters
    ----------
    images
        ``uint8 [N, S, S]``, memory-mapped read-only, in manifest order; rows of failures are zero.
    failures
        The rows that could not be read or preprocessed.
    """

    images: NDArray[np.uint8]
    failures: tuple[Failure, ...]


def cache_folder() -> Path:
    """The folder caches are kept in: ``TUMORSCOPE_CACHE``, or the user's cache folder."""
    named = os.environ.get("TUMORSCOPE_CACHE")
    if named:
        return Path(named)
    folders = require("platformdirs", extra="train", purpose="keeping a cache in the user's folder")
    return Path(folders.user_cache_path("tumorscope", appauthor=False))


def open_cache(manifest: Manifest, size: int, progress: Progress | None = None) -> Cache:
    """Open the cache of a manifest, making it first where it does not exist.

    Parameters
    ----------
    manifest
        The data set.
    size
        Side of the network input in pixels.
    progress
        Called with (done, total) after each image while the cache is made.

    Returns
    -------
    Cache
        Failed images are listed, not raised: the caller decides.
    """
    path = cache_folder() / f"{_key(manifest.records, size)}.npy"
    if path.is_file() and (images := _existing(path, (len(manifest), size, size))) is not None:
        return Cache(images, ())
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.stem}.{os.getpid()}.partial")
    failures = []
    try:
        with explain_full_disk(path):
            images = np.lib.format.open_memmap(
                partial, mode="w+", dtype=np.uint8, shape=(len(manifest), size, size)
            )
            _reserve(partial)
        for row, record in enumerate(manifest):
            try:
                images[row] = load_input(record.path, size)
            except TumorscopeError as error:
                failures.append(Failure(row, record.path, error))
            if progress is not None:
                progress(row + 1, len(manifest))
        images.flush()
        del images  # an open map would keep the file from being renamed on Windows
        if failures:
            # Not kept: the next call must find the same failures again.
            return Cache(np.load(partial), tuple(failures))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return Cache(np.load(path, mmap_mode="r"), ())


def _reserve(path: Path) -> None:
    """Take the room of a file now: on a full disk, writing into its map would end the process without a word."""
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as stream:
            os.posix_fallocate(stream.fileno(), 0, path.stat().st_size)


def _existing(path: Path, shape: tuple[int, int, int]) -> NDArray[np.uint8] | None:
    """A cache that was made before; ``None`` for a damaged one (a full disk, a power cut), to be made anew."""
    try:
        images: NDArray[np.uint8] = np.load(path, mmap_mode="r")
    except (ValueError, EOFError):
        return None
    return images if images.shape == shape and images.dtype == np.uint8 else None


def _key(records: Sequence[ImageRecord], size: int) -> str:
    digest = hashlib.sha256(f"{PREPROCESSING},{size}\n".encode())
    for record in records:
        digest.update(record.sha256.encode())
    return digest.hexdigest()[:32]
