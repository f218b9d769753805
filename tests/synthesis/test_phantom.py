"""Phantoms are deterministic, valid input for everything else, and show what their label says."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.core.labels import CLASS_ORDER, Diagnosis
from tumorscope.dataset.manifest_file import read_manifest
from tumorscope.preprocess import preprocess
from tumorscope.synthesis.phantom import MANIFEST_COLUMNS, make_phantom, write_phantoms


@pytest.mark.parametrize("diagnosis", CLASS_ORDER)
def test_same_numbers_give_same_bytes_and_other_numbers_others(diagnosis: Diagnosis) -> None:
    one, again = make_phantom(diagnosis, 7, 96), make_phantom(diagnosis, 7, 96)
    assert one.pixels.tobytes() == again.pixels.tobytes()
    assert one.box == again.box
    assert one.subject == again.subject
    other_slice = make_phantom(diagnosis, 7, 96, index=1)
    assert other_slice.subject == one.subject
    assert (other_slice.pixels != one.pixels).mean() > 0.3
    other_person = make_phantom(diagnosis, 8, 96)
    assert other_person.subject != one.subject
    assert (other_person.pixels != one.pixels).mean() > 0.3


def test_bytes_do_not_depend_on_what_was_made_before() -> None:
    alone = make_phantom(Diagnosis.GLIOMA, 3, 64, index=2).pixels
    for index in range(2):
        make_phantom(Diagnosis.GLIOMA, 3, 64, index=index)
    np.testing.assert_array_equal(make_phantom(Diagnosis.GLIOMA, 3, 64, index=2).pixels, alone)


@pytest.mark.parametrize("diagnosis", CLASS_ORDER)
@pytest.mark.parametrize("size", [48, 96, 256])
def test_a_phantom_is_a_slice_that_preprocessing_takes(diagnosis: Diagnosis, size: int) -> None:
    for seed in range(6):
        phantom = make_phantom(diagnosis, seed, size)
        assert phantom.pixels.dtype == np.uint8
        assert phantom.pixels.shape == (size, size)
        assert phantom.pixels.max() > 100
        assert preprocess(phantom.pixels, 64).shape == (64, 64)
        assert (phantom.box is None) == (diagnosis is Diagnosis.NOTUMOR)


@pytest.mark.parametrize("diagnosis", [d for d in CLASS_ORDER if d is not Diagnosis.NOTUMOR])
def test_the_box_lies_on_a_mass_that_stands_out(diagnosis: Diagnosis) -> None:
    for seed in range(12):
        phantom = make_phantom(diagnosis, seed, 128)
        assert phantom.box is not None
        cx, cy, width, height = (value * 128 for value in phantom.box)
        assert cx - width / 2 >= 0
        assert cx + width / 2 <= 128
        assert cy - height / 2 >= 0
        assert cy + height / 2 <= 128
        inside = phantom.pixels[
            round(cy - height / 2) : round(cy + height / 2), round(cx - width / 2) : round(cx + width / 2)
        ]
        brain = np.median(phantom.pixels[phantom.pixels > 40])
        assert np.percentile(inside, 90) > 1.15 * brain


def test_masses_lie_where_their_kind_does() -> None:
    for seed in range(12):
        pituitary = make_phantom(Diagnosis.PITUITARY, seed, 128).box
        meningioma = make_phantom(Diagnosis.MENINGIOMA, seed, 128).box
        assert pituitary is not None
        assert meningioma is not None
        assert np.hypot(pituitary[0] - 0.5, pituitary[1] - 0.5) < 0.1
        assert np.hypot(meningioma[0] - 0.5, meningioma[1] - 0.5) > 0.15
        assert max(pituitary[2:]) < 0.25


@pytest.mark.parametrize(("seed", "size", "index"), [(-1, 64, 0), (0, 47, 0), (0, 64, -1)])
def test_numbers_out_of_range_are_named(seed: int, size: int, index: int) -> None:
    with pytest.raises(InvalidConfiguration, match=f"seed {seed}, index {index} and side {size}"):
        make_phantom(Diagnosis.GLIOMA, seed, size, index=index)


def test_written_phantoms_read_back_as_a_manifest(tmp_path: Path) -> None:
    folder = tmp_path / "phantoms"
    paths = list(write_phantoms(folder, 70, seed=3, size=48))
    assert len(paths) == 70
    manifest = read_manifest(folder)
    assert len(manifest) == 70
    assert [int((manifest.labels() == k).sum()) for k in range(4)] == [18, 18, 17, 17]
    assert len({row.group for row in manifest}) == 36  # two slices a person: eight persons a class come first
    assert {row.fold for row in manifest} == {1, 2, 3, 4}
    assert not any(row.patient for row in manifest)
    folds_of: dict[str, set[int | None]] = {}
    for row in manifest:
        folds_of.setdefault(row.group, set()).add(row.fold)
        assert row.source == "phantom"
        assert hashlib.sha256(row.path.read_bytes()).hexdigest() == row.sha256
        assert row.path.parent.name == row.label.value
    assert all(len(folds) == 1 for folds in folds_of.values())
    for fold in range(1, 5):
        assert {row.label for row in manifest if row.fold == fold} == set(CLASS_ORDER)


def test_boxes_and_sizes_in_the_manifest_are_true(tmp_path: Path) -> None:
    folder = tmp_path / "phantoms"
    list(write_phantoms(folder, 8, size=64))
    with (folder / "manifest.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == MANIFEST_COLUMNS
    for row in rows:
        with Image.open(folder / row["path"]) as image:
            assert (str(image.width), str(image.height), image.mode) == (
                row["width"],
                row["height"],
                row["mode"],
            )
        assert (row["box_cx"] == "") == (row["label"] == "notumor")


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(InvalidConfiguration, match="not an empty folder"):
        write_phantoms(tmp_path, 4)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_too_few_images_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration, match="3 phantoms"):
        write_phantoms(tmp_path / "new", 3)
    assert not (tmp_path / "new").exists()


def _features(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Shares of bright and dark pixels in the middle, the body and the rim of the brain."""
    image = preprocess(pixels, 64).astype(np.float64)
    axis = np.arange(64) - 31.5
    radius = np.hypot(axis[:, None], axis[None, :]) / 32
    edges = np.array([-np.inf, 0.3, 0.6, 0.8, 1.25, 1.5, 1.9, np.inf]) * np.median(image[radius < 0.6])
    zones = [radius < 0.25, (radius >= 0.25) & (radius < 0.5), (radius >= 0.5) & (radius < 0.75)]
    return np.concatenate([np.histogram(image[zone], edges)[0] / zone.sum() for zone in zones])


def test_a_plain_classifier_learns_phantoms_of_other_persons() -> None:
    """A linear model on 21 brightness shares tells unseen persons apart: the classes can be learned."""
    persons = [(d, seed) for d in CLASS_ORDER for seed in range(60)]
    matrix = np.array([[1.0, *_features(make_phantom(d, seed, 96).pixels)] for d, seed in persons])
    truth = np.array([d.position for d, _ in persons])
    held_back = np.array([seed >= 40 for _, seed in persons])
    weights = np.linalg.lstsq(matrix[~held_back], np.eye(4)[truth[~held_back]])[0]
    answers = (matrix[held_back] @ weights).argmax(axis=1)
    assert (answers == truth[held_back]).mean() > 0.8
