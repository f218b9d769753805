"""Phantoms are deterministic, valid input for everything else, and show what their label says."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import time
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.ensemble import ExtraTreesClassifier

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.core.labels import CLASS_ORDER, Diagnosis
from tumorscope.core.slice import Plane
from tumorscope.dataset.manifest import ImageRecord, OfficialSplit
from tumorscope.dataset.manifest_file import COLUMNS, read_manifest
from tumorscope.preprocess import preprocess
from tumorscope.synthesis import SYNTHETIC
from tumorscope.synthesis.phantom import MANIFEST_COLUMNS, Phantom, make_phantom, write_phantoms
from tumorscope.synthesis.template import at_sella, folder, slice_count, template_slice


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
    for seed in range(25):
        pituitary = make_phantom(Diagnosis.PITUITARY, seed, 128)
        meningioma = make_phantom(Diagnosis.MENINGIOMA, seed, 128)
        glioma = make_phantom(Diagnosis.GLIOMA, seed, 128)
        assert pituitary.box is not None
        assert meningioma.box is not None
        assert glioma.box is not None
        assert abs(pituitary.box[0] - 0.5) < 0.15  # near the middle from left to right, or from front to back
        assert 0.3 < pituitary.box[1] < 0.85
        assert max(pituitary.box[2:]) < 0.15
        assert _skull_beside(meningioma)
        assert not _skull_beside(pituitary)
        assert min(glioma.box[2:]) > 0.04


def _skull_beside(phantom: Phantom) -> bool:
    """Whether the scalp's outer edge, air behind it, is less than a sixth of the picture from the centre of the box."""
    assert phantom.box is not None
    side = phantom.pixels.shape[0]
    across, down = np.meshgrid(np.arange(side) / side, np.arange(side) / side)
    near = np.hypot(across - phantom.box[0], down - phantom.box[1]) < 1 / 6
    return bool((_air(phantom.pixels) & near).any())


def _air(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Dark pixels to the left or right of, or above, everything that is bright."""
    bright = pixels > 45
    seen = [np.maximum.accumulate(bright, axis=1), np.maximum.accumulate(bright, axis=0)]
    seen.append(np.maximum.accumulate(bright[:, ::-1], axis=1)[:, ::-1])
    return ~(seen[0] & seen[1] & seen[2])


def test_persons_are_seen_in_all_planes_and_both_contrasts() -> None:
    """The share of air below the head tells axial slices from the others; bright fluid, T2 from T1."""
    touching = [
        (make_phantom(Diagnosis.NOTUMOR, seed, 64).pixels[-1] > 30).mean() > 0.15 for seed in range(40)
    ]
    assert 8 <= sum(touching) <= 32
    contrasts = {make_phantom(Diagnosis.NOTUMOR, seed, 64).contrast for seed in range(40)}
    assert contrasts == {"T1", "T2"}


@pytest.mark.parametrize(("seed", "size", "index"), [(-1, 64, 0), (0, 47, 0), (0, 64, -1)])
def test_numbers_out_of_range_are_named(seed: int, size: int, index: int) -> None:
    with pytest.raises(InvalidConfiguration, match=f"seed {seed}, index {index} and side {size}"):
        make_phantom(Diagnosis.GLIOMA, seed, size, index=index)


def test_written_phantoms_read_back_as_a_manifest(tmp_path: Path) -> None:
    made = tmp_path / "phantoms"
    paths = list(write_phantoms(made, 70, seed=3, size=48))
    assert len(paths) == 70
    manifest = read_manifest(made)
    assert len(manifest) == 70
    assert [int((manifest.labels() == k).sum()) for k in range(4)] == [18, 18, 17, 17]
    assert len({row.group for row in manifest}) == 36  # two slices a person: eight persons a class come first
    assert {row.fold for row in manifest} == {1, 2, 3, 4}
    folds_of: dict[str, set[int | None]] = {}
    for row in manifest:
        folds_of.setdefault(row.group, set()).add(row.fold)
        assert row.source == SYNTHETIC == "synthetic"
        assert row.path.name.startswith("synthetic-")
        assert row.group == f"patient:{row.patient}"
        assert row.patient is not None
        assert not row.has_real_patient
        assert re.fullmatch(r"synthetic-\d{3}", row.patient)
        assert hashlib.sha256(row.path.read_bytes()).hexdigest() == row.sha256
        assert row.path.parent.name == row.label.value
    assert all(len(folds) == 1 for folds in folds_of.values())
    for fold in range(1, 5):
        assert {row.label for row in manifest if row.fold == fold} == set(CLASS_ORDER)


def test_copies_are_planted_within_persons_and_the_official_split_leaks(tmp_path: Path) -> None:
    list(write_phantoms(tmp_path / "p", 200, size=48))
    manifest = read_manifest(tmp_path / "p")
    pixels = {row.path: np.asarray(Image.open(row.path)) for row in manifest}
    slices: dict[str, list[ImageRecord]] = {}
    for row in manifest:
        slices.setdefault(row.slice_id, []).append(row)
    pairs = [tuple(rows) for rows in slices.values() if len(rows) > 1]
    plain, mirrored = 0, 0
    for first, second in pairs:
        assert (first.group, first.label) == (second.group, second.label)
        assert not first.mirrored
        if second.mirrored:
            mirrored += 1
            np.testing.assert_array_equal(pixels[first.path][:, ::-1], pixels[second.path])
            assert (first.box is None) == (second.box is None)
            if first.box is not None and second.box is not None:
                assert second.box.center_x == pytest.approx(1 - first.box.center_x, abs=2e-5)
                assert second.box[1:] == first.box[1:]
        else:
            plain += 1
            assert first.sha256 == second.sha256
    assert plain > 5
    assert mirrored > 5
    assert len({row.sha256 for row in manifest}) == 200 - plain
    sides: dict[str, set[str]] = {}
    for row in manifest:
        sides.setdefault(row.group, set()).add(str(row.official_split))
    assert sum(len(found) == 2 for found in sides.values()) > 10
    for side in OfficialSplit:
        assert {row.label for row in manifest if row.official_split is side} == set(CLASS_ORDER)


def test_boxes_and_sizes_in_the_manifest_are_true(tmp_path: Path) -> None:
    made = tmp_path / "phantoms"
    list(write_phantoms(made, 8, size=64))
    with (made / "manifest.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == MANIFEST_COLUMNS
    assert set(MANIFEST_COLUMNS) <= set(COLUMNS)
    for row in rows:
        with Image.open(made / row["path"]) as image:
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
    """Trees on 21 brightness shares tell unseen persons apart: the classes can be learned."""
    persons = [(d, seed) for d in CLASS_ORDER for seed in range(60)]
    matrix = np.array([_features(make_phantom(d, seed, 96).pixels) for d, seed in persons])
    truth = np.array([d.position for d, _ in persons])
    held_back = np.array([seed >= 40 for _, seed in persons])
    trees = ExtraTreesClassifier(200, random_state=0).fit(matrix[~held_back], truth[~held_back])
    assert trees.score(matrix[held_back], truth[held_back]) > 0.6


def test_two_hundred_take_seconds() -> None:
    """Several times what it takes on an idle core, since tests share theirs."""
    begin = time.process_time()
    for k in range(20):
        make_phantom(CLASS_ORDER[k % 4], k)
    assert time.process_time() - begin < 4


class TestTemplate:
    def test_it_is_what_its_script_makes_and_small(self) -> None:
        path = Path(__file__).parents[2] / "examples" / "make_template.py"
        spec = spec_from_file_location("make_template", path)
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        made: dict[str, bytes] = module.build()
        assert {path.name for path in folder().glob("*.png")} == set(made)
        for name, content in made.items():
            fresh = np.asarray(Image.open(io.BytesIO(content))).astype(int)
            shipped = np.asarray(Image.open(folder() / name)).astype(int)
            assert fresh.shape == shipped.shape
            # Libraries of other versions round differently, by a level of gray.
            assert (np.abs(fresh - shipped) > 9).mean() < 0.01, name
        assert sum((folder() / name).stat().st_size for name in made) < 300_000

    def test_its_notice_goes_with_it(self) -> None:
        text = (folder() / "LICENSE").read_text(encoding="utf-8")
        assert "Copyright (C) 1993-2004 Louis Collins, McConnell Brain Imaging Centre" in text
        assert "provided that the above copyright notice appear in all copies" in " ".join(text.split())

    @pytest.mark.parametrize("plane", list(Plane))
    def test_its_layers_fit_each_other(self, plane: Plane) -> None:
        for number in range(slice_count(plane)):
            part = template_slice(plane, number)
            assert part.brightness.shape == part.distance.shape == part.brain.shape
            assert part.brightness.min() >= 0
            assert part.brightness.max() <= 1
            assert (part.distance[part.brain > 0.9] < 1.5).mean() > 0.99
            if plane is not Plane.SAGITTAL:
                np.testing.assert_array_equal(part.brain, part.brain[:, ::-1])
            assert (part.sella is not None) == (number in at_sella(plane))
