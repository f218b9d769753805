"""A disk without room: the file that was there stays, and nothing lies beside it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tumorscope.core.errors import DiskFull
from tumorscope.core.files import atomic_stream, atomic_write
from tumorscope.dataset.cache import open_cache
from tumorscope.dataset.manifest_file import read_manifest
from tumorscope.synthesis.phantom import write_phantoms

if sys.platform == "win32":
    pytest.skip("Windows has no limits of a process", allow_module_level=True)

import resource

LARGEST = 2**20


@pytest.fixture
def full_disk() -> Iterator[None]:
    """No file of this process may become larger than a mebibyte, as on a disk that has no more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("full_disk")
def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "answers.csv"
    atomic_write(path, "old")
    with pytest.raises(
        DiskFull, match=r"answers\.csv could not be written: file too large; make room"
    ) as caught:
        atomic_write(path, bytes(2 * LARGEST))
    assert "\n" not in str(caught.value)
    with pytest.raises(DiskFull), atomic_stream(path) as stream:
        for _ in range(3):
            stream.write("x" * LARGEST)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["answers.csv"]


def test_the_cache_of_images_takes_its_room_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full_disk: None
) -> None:
    monkeypatch.setenv("TUMORSCOPE_CACHE", str(tmp_path / "cache"))
    list(write_phantoms(tmp_path / "data", 4, size=48))
    with pytest.raises(DiskFull, match="could not be written"):
        open_cache(read_manifest(tmp_path / "data"), 1024)
    assert list((tmp_path / "cache").iterdir()) == []
