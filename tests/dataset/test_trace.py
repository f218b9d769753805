"""Images traced to their slices: planted changes on phantoms, and real images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tumorscope.core.errors import InvalidManifest
from tumorscope.core.labels import CLASS_ORDER, Diagnosis
from tumorscope.dataset.copies.orientation import ORIENTATIONS, is_reflection, turn, turn_point
from tumorscope.dataset.copies.pair import Orientation
from tumorscope.dataset.manifest import Box, ImageRecord, Manifest
from tumorscope.dataset.manifest_file import read_manifest
from tumorscope.dataset.trace import THRESHOLD, Traced, trace
from tumorscope.synthesis.phantom import make_phantom

SUBJECTS = 12


def _record(path: Path, label: Diagnosis, key: str) -> ImageRecord:
    return ImageRecord(path, label, group=key, slice_id=key, sha256="0" * 64)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """One slice each of some made-up persons, as a source with patients, boxes and folds."""
    folder = tmp_path_factory.mktemp("source")
    rows = []
    for number in range(SUBJECTS):
        label = CLASS_ORDER[number % 4]
        phantom = make_phantom(label, seed=number, size=192)
        path = folder / f"{number}.png"
        Image.fromarray(phantom.pixels).save(path)
        row = _record(path, label, f"figshare:{number}")
        box = Box(*phantom.box) if phantom.box else None
        rows.append(
            replace(
                row,
                group=f"patient:{number}",
                patient=str(number),
                box=box,
                fold=number % 4 + 1,
                source="source",
            )
        )
    return Manifest(tuple(rows), folder)


def _traced(source: Manifest, folder: Path, changed: list[Image.Image]) -> Traced:
    rows = []
    for number, image in enumerate(changed):
        path = folder / f"image{number}.png"
        image.save(path)
        rows.append(_record(path, source.records[number].label, f"own:{number}"))
    return trace(Manifest(tuple(rows), folder), source)


def _images(source: Manifest) -> list[Image.Image]:
    return [Image.open(row.path).convert("L") for row in source]


def _overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    width = min(one.center_x + one.width / 2, other.center_x + other.width / 2) - max(
        one.center_x - one.width / 2, other.center_x - other.width / 2
    )
    height = min(one.center_y + one.height / 2, other.center_y + other.height / 2) - max(
        one.center_y - one.height / 2, other.center_y - other.height / 2
    )
    shared = max(width, 0) * max(height, 0)
    return shared / (one.width * one.height + other.width * other.height - shared)


def test_a_mirrored_image_takes_over_what_its_slice_knows(source: Manifest, tmp_path: Path) -> None:
    result = _traced(
        source, tmp_path, [image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for image in _images(source)]
    )
    assert [match.source for match in result.matches] == list(range(SUBJECTS))
    for row, slice_row, match in zip(result.manifest, source, result.matches, strict=True):
        assert (row.slice_id, row.group, row.patient) == (
            slice_row.slice_id,
            slice_row.group,
            slice_row.patient,
        )
        assert (row.fold, row.source, row.source_label) == (slice_row.fold, "source", slice_row.label)
        assert row.mirrored is True
        assert match.orientation is Orientation.MIRRORED
        assert THRESHOLD <= match.score <= 1
        assert match.runner_up < THRESHOLD
        if slice_row.box:
            assert row.box is not None
            mirrored = slice_row.box._replace(center_x=1 - slice_row.box.center_x)
            assert _overlap(row.box, mirrored) > 0.9


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_turned_image_is_traced_and_its_box_turned_with_it(
    source: Manifest, tmp_path: Path, orientation: Orientation
) -> None:
    turned = [
        Image.fromarray(np.ascontiguousarray(turn(np.asarray(image), orientation)))
        for image in _images(source)
    ]
    result = _traced(source, tmp_path, turned)
    assert [match.source for match in result.matches] == list(range(SUBJECTS))
    for row, slice_row in zip(result.manifest, source, strict=True):
        assert row.mirrored is is_reflection(orientation)
        if slice_row.box:
            mask = np.zeros((100, 100))
            left, top = (
                slice_row.box.center_x - slice_row.box.width / 2,
                slice_row.box.center_y - slice_row.box.height / 2,
            )
            mask[
                round(100 * top) : round(100 * (top + slice_row.box.height)),
                round(100 * left) : round(100 * (left + slice_row.box.width)),
            ] = 1
            rows, columns = np.nonzero(turn(mask, orientation))
            truth = Box(
                (columns.min() + columns.max() + 1) / 200,
                (rows.min() + rows.max() + 1) / 200,
                (columns.max() + 1 - columns.min()) / 100,
                (rows.max() + 1 - rows.min()) / 100,
            )
            assert row.box is not None
            assert _overlap(row.box, truth) > 0.75


def test_a_cropped_and_rescaled_image_has_its_box_where_the_tumour_is(
    source: Manifest, tmp_path: Path
) -> None:
    left, top, right, bottom = 0.04, 0.02, 0.97, 0.95
    changed = []
    for image in _images(source):
        side = image.width
        part = image.crop((round(left * side), round(top * side), round(right * side), round(bottom * side)))
        changed.append(part.resize((300, 260), Image.Resampling.BICUBIC))
    result = _traced(source, tmp_path, changed)
    assert [match.source for match in result.matches] == list(range(SUBJECTS))
    for row, slice_row in zip(result.manifest, source, strict=True):
        assert row.mirrored is False
        if slice_row.box and row.box:
            box = slice_row.box
            truth = Box(
                (box.center_x - left) / (right - left),
                (box.center_y - top) / (bottom - top),
                box.width / (right - left),
                box.height / (bottom - top),
            )
            assert _overlap(row.box, truth) > 0.75


def test_other_persons_are_not_traced_and_keep_their_rows(source: Manifest, tmp_path: Path) -> None:
    rows = []
    for number in range(8):
        path = tmp_path / f"{number}.png"
        Image.fromarray(make_phantom(CLASS_ORDER[number % 4], seed=100 + number, size=192).pixels).save(path)
        rows.append(replace(_record(path, CLASS_ORDER[number % 4], f"own:{number}"), fold=2, patient="own"))
    result = trace(Manifest(tuple(rows), tmp_path), source)
    assert result.matches == ()
    for row, before in zip(result.manifest, rows, strict=True):
        assert (row.group, row.slice_id, row.patient, row.fold) == (before.group, before.slice_id, "own", 2)
        assert (row.mirrored, row.source_label, row.box) == (None, None, None)
        assert row.pixels_sha256  # facts are written down all the same


def test_a_mirror_image_of_a_mirrored_slice_is_plain(source: Manifest, tmp_path: Path) -> None:
    mirrored = Manifest(tuple(replace(row, mirrored=True) for row in source), source.root)
    result = _traced(
        mirrored, tmp_path, [image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for image in _images(source)]
    )
    assert [row.mirrored for row in result.manifest] == [False] * SUBJECTS


def test_another_class_than_the_source_says_is_kept_and_shown(source: Manifest, tmp_path: Path) -> None:
    path = tmp_path / "wrong.png"
    _images(source)[0].save(path)
    wrong = _record(path, Diagnosis.PITUITARY, "own")
    (row,) = trace(Manifest((wrong,), tmp_path), source).manifest
    assert (row.label, row.source_label) == (Diagnosis.PITUITARY, source.records[0].label)


def test_unreadable_images_and_slices_are_listed_and_cost_nobody_else(
    source: Manifest, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n then nothing")
    good = tmp_path / "good.png"
    _images(source)[3].save(good)
    with_broken = Manifest((_record(broken, Diagnosis.GLIOMA, "s"), *source.records), source.root)
    images = Manifest(
        (_record(broken, Diagnosis.GLIOMA, "b"), _record(good, Diagnosis.PITUITARY, "g")), tmp_path
    )
    result = trace(images, with_broken)
    assert [failure.path for failure in result.failures] == [broken]
    assert [failure.path for failure in result.source_failures] == [broken]
    (match,) = result.matches
    assert result.manifest.records[match.image].path == good
    assert with_broken.records[match.source].slice_id == "figshare:3"
    with pytest.raises(InvalidManifest, match="no image of the data set can be read"):
        trace(images.subset([0]), source)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_points_turn_as_arrays_do(orientation: Orientation) -> None:
    picture = np.zeros((5, 5))
    picture[1, 4] = 1  # x = 2, y = -1 from the centre
    row, column = np.argwhere(turn(picture, orientation))[0]
    assert turn_point((2, -1), orientation) == (column - 2, row - 2)


def test_real_images_are_traced_after_mirroring_saving_again_and_rescaling(
    real_data: Path, tmp_path: Path
) -> None:
    manifest = read_manifest(real_data / "brain-tumor-mri")
    traced = [row for row in manifest if row.patient]
    by_slice = {row.slice_id: row for row in traced}
    chosen = sorted(by_slice)[::16]
    source = Manifest(tuple(by_slice[key] for key in chosen[::2]), manifest.root)
    rows = []
    for number, key in enumerate(chosen):
        original = by_slice[key]
        with Image.open(original.path) as file:
            image = file.convert("L").transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        image = image.resize((round(image.width * 0.6), round(image.height * 0.6)), Image.Resampling.BICUBIC)
        path = tmp_path / f"{number}.jpg"
        image.save(path, quality=60)
        rows.append(replace(_record(path, original.label, f"own:{number}"), source=key))
    result = trace(Manifest(tuple(rows), tmp_path), source)
    # Every second slice is in the source; the images of the others must not be traced.
    assert [match.image for match in result.matches] == list(range(0, len(chosen), 2))
    for match in result.matches:
        row, original = result.manifest.records[match.image], source.records[match.source]
        assert row.slice_id == rows[match.image].source
        assert row.mirrored is not original.mirrored
        assert row.box is not None
        assert original.box is not None
        assert _overlap(row.box, original.box._replace(center_x=1 - original.box.center_x)) > 0.8
