"""Boxes of a data set in the network's square: measured once, where the tumour is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tumorscope.core.errors import InvalidManifest
from tumorscope.core.labels import Diagnosis
from tumorscope.dataset.load import load_input, load_slice
from tumorscope.dataset.manifest import Manifest
from tumorscope.dataset.manifest_file import read_manifest
from tumorscope.explanation.box import SquareBox, to_image
from tumorscope.preprocess import find_head
from tumorscope.synthesis.phantom import write_phantoms
from tumorscope.training.boxes import open_boxes


@pytest.fixture
def manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Manifest:
    monkeypatch.setenv("TUMORSCOPE_CACHE", str(tmp_path / "cache"))
    list(write_phantoms(tmp_path / "data", 24, seed=1, size=96))
    return read_manifest(tmp_path / "data" / "manifest.csv")


def test_a_box_goes_back_to_where_the_manifest_has_it(manifest: Manifest) -> None:
    boxes = open_boxes(manifest)
    assert boxes.shape == (len(manifest), 4)
    for row, box in zip(manifest, boxes, strict=True):
        if row.label is Diagnosis.NOTUMOR or row.box is None:
            assert np.isnan(box).all()
            continue
        pixels = load_slice(row.path).pixels
        back = to_image(SquareBox(*box.tolist()), find_head(pixels), (pixels.shape[0], pixels.shape[1]))
        assert back == pytest.approx(row.box, abs=1e-5)


def test_they_are_measured_once(manifest: Manifest, tmp_path: Path) -> None:
    first = open_boxes(manifest)
    calls: list[tuple[int, int]] = []
    assert np.array_equal(open_boxes(manifest, lambda *done: calls.append(done)), first, equal_nan=True)
    assert calls == []
    (kept,) = (tmp_path / "cache").glob("*.boxes.npy")
    kept.write_bytes(b"damaged")
    again = open_boxes(manifest, lambda *done: calls.append(done))
    assert np.array_equal(again, first, equal_nan=True)
    assert calls[-1][0] == calls[-1][1] == int(np.isfinite(first[:, 0]).sum())


def test_another_box_is_measured_anew(manifest: Manifest) -> None:
    first = open_boxes(manifest)
    k = int(np.flatnonzero(np.isfinite(first[:, 0]))[0])
    rows = list(manifest.records)
    box = rows[k].box
    assert box is not None
    rows[k] = replace(rows[k], box=box._replace(width=box.width / 2))
    second = open_boxes(Manifest(tuple(rows), manifest.root))
    assert second[k, 2] - second[k, 0] == pytest.approx((first[k, 2] - first[k, 0]) / 2, rel=1e-3)


def test_data_without_boxes_is_refused_in_one_line(manifest: Manifest) -> None:
    bare = Manifest(tuple(replace(row, box=None) for row in manifest), manifest.root)
    with pytest.raises(InvalidManifest, match=r"no tumour boxes .* supervision") as caught:
        open_boxes(bare)
    assert "\n" not in str(caught.value)


def test_on_real_images_tumours_lie_in_the_square(
    real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUMORSCOPE_CACHE", str(tmp_path))
    whole = read_manifest(real_data / "brain-tumor-mri" / "manifest.csv")
    some = whole.subset(range(0, len(whole), 150))
    boxes = open_boxes(some)
    known = np.flatnonzero(np.isfinite(boxes).all(axis=1))
    assert len(known) >= 15
    assert boxes[known].min() > -0.05
    assert boxes[known].max() < 1.05
    for k in known:
        image = load_input(some.records[k].path, 160)
        left, top, right, bottom = (boxes[k] * 160).round().astype(int)
        assert image[top:bottom, left:right].max() > 25  # there is head in it
