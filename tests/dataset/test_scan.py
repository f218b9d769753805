"""One pass over many files: order, failures, threads, progress."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tumorscope.core.errors import UnsupportedImage
from tumorscope.core.labels import Diagnosis
from tumorscope.core.slice import Slice
from tumorscope.dataset.facts import ImageFacts
from tumorscope.dataset.manifest import ImageRecord, Manifest
from tumorscope.dataset.scan import scan


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """A hundred images whose first pixel is their number; every tenth is broken."""
    folder = tmp_path_factory.mktemp("scan")
    rows = []
    for k in range(100):
        path = folder / f"{k:03}.png"
        pixels = np.full((8, 8), 200, dtype=np.uint8)
        pixels[0, 0] = k
        Image.fromarray(pixels).save(path)
        if k % 10 == 3:
            path.write_bytes(path.read_bytes()[:50])
        rows.append(ImageRecord(path, Diagnosis.GLIOMA, group=str(k), slice_id=str(k), sha256=""))
    return Manifest(tuple(rows), folder)


def _first_pixel(record: ImageRecord, facts: ImageFacts, image: Slice) -> int:
    time.sleep(0.002 * (int(record.group) % 3))  # so that threads finish out of order
    return int(image.pixels[0, 0])


@pytest.mark.parametrize("threads", [1, 4, None])
def test_answers_come_in_order_and_failures_are_listed(manifest: Manifest, threads: int | None) -> None:
    counts: list[tuple[int, int]] = []
    seen = scan(
        manifest, _first_pixel, threads=threads, progress=lambda done, total: counts.append((done, total))
    )
    good = [k for k in range(100) if k % 10 != 3]
    assert list(seen.rows) == list(seen.found) == good
    assert [failure.row for failure in seen.failures] == [k for k in range(100) if k % 10 == 3]
    assert all(failure.path == manifest.records[failure.row].path for failure in seen.failures)
    assert counts[-1] == (100, 100)
    assert [done for done, _ in counts] == sorted({done for done, _ in counts})


def test_what_the_function_refuses_is_a_failure_of_that_image(manifest: Manifest) -> None:
    def look(record: ImageRecord, facts: ImageFacts, image: Slice) -> str:
        if record.group == "5":
            raise UnsupportedImage("not this one")
        return record.group

    seen = scan(manifest, look)
    assert "5" not in seen.found
    assert {5: "not this one"}.items() <= {
        failure.row: str(failure.error) for failure in seen.failures
    }.items()


def test_a_bug_is_no_failure_and_ends_the_pass_soon(manifest: Manifest) -> None:
    looked: list[str] = []

    def look(record: ImageRecord, facts: ImageFacts, image: Slice) -> None:
        looked.append(record.group)
        if record.group == "1":
            raise ZeroDivisionError

    many = Manifest(manifest.records * 20, manifest.root)
    with pytest.raises(ZeroDivisionError):
        scan(many, look, threads=1)
    assert len(looked) < len(many) / 2
    assert threading.active_count() < 10


def test_nothing_to_look_at_is_no_error(tmp_path: Path) -> None:
    seen = scan(Manifest((), tmp_path), _first_pixel)
    assert (seen.rows, seen.found, seen.failures) == ((), (), ())
