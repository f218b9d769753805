"""Images are decoded once; what is on disk is always whole."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from tumorscope.core.errors import UnreadableImage
from tumorscope.core.labels import Diagnosis
from tumorscope.dataset.cache import cache_folder, open_cache
from tumorscope.dataset.manifest import Manifest
from tumorscope.dataset.manifest_file import read_manifest
from tumorscope.preprocess import preprocess
from tumorscope.reading.open import open_slices
from tumorscope.synthesis.phantom import write_phantoms


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "caches" / "mine"
    monkeypatch.setenv("TUMORSCOPE_CACHE", str(folder))
    return folder


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    list(write_phantoms(tmp_path / "data", 8, size=64))
    return read_manifest(tmp_path / "data")


def test_it_holds_the_network_input_of_every_row(manifest: Manifest, cache: Path) -> None:
    result = open_cache(manifest, 32)
    assert result.images.shape == (8, 32, 32)
    assert result.images.dtype == np.uint8
    assert result.failures == ()
    for row, image in zip(manifest, result.images, strict=True):
        np.testing.assert_array_equal(image, preprocess(next(iter(open_slices(row.path))), 32))
    assert [path.suffix for path in cache.iterdir()] == [".npy"]


def test_it_is_mapped_and_cannot_be_written(manifest: Manifest, cache: Path) -> None:
    for _ in range(2):
        images = open_cache(manifest, 32).images
        assert isinstance(images, np.memmap)
        assert not images.flags.writeable


def test_the_second_time_no_image_is_read(manifest: Manifest, cache: Path) -> None:
    first = np.array(open_cache(manifest, 32).images)
    for row in manifest:
        row.path.unlink()
    calls: list[tuple[int, int]] = []
    second = open_cache(manifest, 32, lambda done, total: calls.append((done, total)))
    np.testing.assert_array_equal(second.images, first)
    assert second.failures == ()
    assert calls == []


def test_progress_is_told_of_every_image(manifest: Manifest, cache: Path) -> None:
    calls: list[tuple[int, int]] = []
    open_cache(manifest, 32, lambda done, total: calls.append((done, total)))
    assert calls == [(n, 8) for n in range(1, 9)]


def test_size_content_and_order_make_another_cache_but_names_do_not(manifest: Manifest, cache: Path) -> None:
    open_cache(manifest, 32)
    open_cache(manifest, 64)
    open_cache(manifest.subset([1, 0, *range(2, 8)]), 32)
    assert len(list(cache.iterdir())) == 3

    shutil.copy(manifest.records[0].path, manifest.records[1].path)
    (manifest.root / "manifest.csv").unlink()
    changed = read_manifest(manifest.root)
    open_cache(changed, 32)
    assert len(list(cache.iterdir())) == 4

    moved = manifest.root / "deeper"
    moved.mkdir()
    for key in Diagnosis:
        (manifest.root / key.value).rename(moved / key.value)
    open_cache(read_manifest(moved), 32)
    assert len(list(cache.iterdir())) == 4


def test_failures_are_listed_and_never_kept(manifest: Manifest, cache: Path) -> None:
    broken = manifest.records[2].path
    whole = broken.read_bytes()
    broken.write_bytes(whole[: len(whole) // 2])
    for _ in range(2):
        result = open_cache(manifest, 32)
        (failure,) = result.failures
        assert (failure.row, failure.path) == (2, broken)
        assert isinstance(failure.error, UnreadableImage)
        assert not result.images[2].any()
        assert result.images[3].any()
        assert list(cache.iterdir()) == []
    broken.write_bytes(whole)
    assert open_cache(manifest, 32).failures == ()


def test_an_interrupted_build_leaves_no_file(manifest: Manifest, cache: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_cache(manifest, 32, interrupt)
    assert list(cache.iterdir()) == []
    assert open_cache(manifest, 32).images[7].any()


@pytest.mark.parametrize("keep", [0, 100, -10])
def test_a_damaged_cache_is_made_anew(manifest: Manifest, cache: Path, keep: int) -> None:
    expected = np.array(open_cache(manifest, 32).images)
    (path,) = cache.iterdir()
    path.write_bytes(path.read_bytes()[:keep])
    np.testing.assert_array_equal(open_cache(manifest, 32).images, expected)
    np.testing.assert_array_equal(np.load(path), expected)


def test_without_a_named_folder_it_is_the_users(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    assert cache_folder() == cache
    monkeypatch.delenv("TUMORSCOPE_CACHE")
    assert cache_folder().name.lower() in {"tumorscope", "cache"}
    assert os.fspath(cache_folder()).startswith(os.fspath(Path.home()))
