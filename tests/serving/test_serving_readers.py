"""The processes that open files: what they may take, and what happens when they take more."""

from __future__ import annotations

import os
import queue
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving_files import png

from reading_room import PATIENCE
from tumorscope.serving.readers import Message, Readers, Unit

MIB = 1024**2


@contextmanager
def reading(**options: Any) -> Iterator[Readers]:
    given = {"memory": 3072 * MIB, "seconds": PATIENCE, "size": 64, "slice_pixels": 10**8} | options
    readers = Readers(1, **given)
    try:
        until = time.monotonic() + PATIENCE
        while not readers.ready:
            assert time.monotonic() < until
            time.sleep(0.02)
        yield readers
    finally:
        readers.stop()


def read(
    readers: Readers, *paths: Path, meanwhile: Callable[[], None] = lambda: None
) -> list[dict[str, Any]]:
    """All headers of a unit but the last."""
    told: queue.Queue[Message] = queue.Queue()
    readers.submit(Unit(paths, told.put))
    meanwhile()
    headers = []
    while "end" not in (header := told.get(timeout=PATIENCE).header):
        headers.append(header)
    return headers


def kinds(headers: list[dict[str, Any]]) -> list[str]:
    return [next(kind for kind in ("source", "slice", "failure") if kind in header) for header in headers]


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "000000"
    path.write_bytes(png())
    return path


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the memory of a process this way")
def test_what_needs_too_much_memory_costs_one_file(tmp_path: Path, good: Path) -> None:
    large = np.zeros((9900, 10000), np.uint8)
    large[4000:6000, 3000:7000] = np.arange(4000) % 200 + 20
    path = tmp_path / "000001"
    path.write_bytes(png(large))
    with reading(memory=350 * MIB) as readers:
        headers = read(readers, path, good)
    assert kinds(headers) == ["source", "failure", "source", "slice"]
    assert "memory" in headers[1]["failure"].lower()


def test_too_large_a_slice_is_refused(good: Path) -> None:
    with reading(slice_pixels=1000) as readers:
        headers = read(readers, good)
    assert kinds(headers) == ["source", "failure"]
    assert headers[1]["code"] == "too-large"
    assert "at most 1,000 are taken" in headers[1]["failure"]


@pytest.mark.skipif(sys.platform == "win32", reason="no signals that stop a process")
def test_what_hangs_is_ended_and_the_rest_is_read(tmp_path: Path, good: Path) -> None:
    other = tmp_path / "000002"
    other.write_bytes(png())
    with reading(seconds=1.0) as readers:
        process = readers._processes[0].process.pid
        os.kill(process, signal.SIGSTOP)
        headers = read(readers, good)
        assert kinds(headers) == ["failure"]
        assert "took longer than 1 seconds" in headers[0]["failure"]
        assert readers.restarts == 1
        assert kinds(read(readers, other)) == ["source", "slice"]


def test_a_cancelled_unit_is_not_read(good: Path) -> None:
    told: queue.Queue[Message] = queue.Queue()
    with reading() as readers:
        unit = Unit([good], told.put)
        unit.cancelled.set()
        readers.submit(unit)
        assert told.get(timeout=PATIENCE).header == {"end": True}
        assert readers.restarts == 0


def test_stopping_ends_the_processes(good: Path) -> None:
    with reading() as readers:
        assert kinds(read(readers, good)) == ["source", "slice"]
        process = readers._processes[0].process
        assert process.poll() is None
    assert process.poll() is not None
