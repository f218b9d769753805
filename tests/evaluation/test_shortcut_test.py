"""Made models that look at the border, the tumour or nothing are told apart by their figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.labels import Diagnosis
from tumorscope.dataset.manifest import Box
from tumorscope.dataset.manifest_file import read_manifest
from tumorscope.evaluation.cases import Cases, cases_of
from tumorscope.evaluation.shortcut_test import ask_for_shortcuts, blacken_inside, fill_box, outline_only
from tumorscope.synthesis.phantom import make_phantom

SIZE = 96
WIDTH = (1.0, 0.9, 0.8, 0.7)


def head(label: int, number: int, tumour: bool = True) -> tuple[NDArray[np.uint8], Box | None]:
    """An oval head whose width tells the class, with or without a round, white tumour."""
    rng = np.random.default_rng(100 * label + number)
    rows, columns = np.ogrid[:120, :120]
    away = np.hypot((rows - 60) / 50, (columns - 60) / (50 * WIDTH[label]))
    pixels = np.where(away < 1.0, 90 + rng.normal(0, 2, (120, 120)), 0.0)
    pixels[(away < 1.0) & (away > 0.92)] = 140
    box = None
    if tumour:
        row, column = rng.integers(50, 70, 2)
        pixels[np.hypot(rows - row, columns - column) < 8] = 250
        box = Box((column + 0.5) / 120, (row + 0.5) / 120, 16 / 120, 16 / 120)
    return np.rint(pixels).astype(np.uint8), box


def made() -> Cases:
    made = [head(label, number, label != 2) for label in range(4) for number in range(8)]
    labels = np.repeat(np.arange(4), 8)
    return Cases(
        labels=labels,
        groups=np.array([f"g{k // 2}" for k in range(32)]),
        slice_ids=np.array([f"s{k}" for k in range(32)]),
        load=lambda position: made[position][0],
        folds=np.arange(32) // 2 % 2,
        boxes=[box for _, box in made],
    )


CASES = made()


def test_a_model_that_reads_the_border_is_found_out() -> None:
    def border(images: NDArray[np.uint8], positions: NDArray[np.int64]) -> NDArray[Any]:
        width = (images > 60).any(axis=1).sum(axis=1) / SIZE
        return np.asarray(
            np.eye(4, dtype=np.float64)[np.abs(width[:, None] - np.array(WIDTH)).argmin(axis=1)]
        )

    found = ask_for_shortcuts(CASES, border, SIZE, limit=None)
    assert found.chance == 0.25
    assert found.brain_masked.value == 1.0
    assert found.outline_only.value == 1.0
    whole = found.support["brain_masked"]
    assert (whole.images, whole.groups) == (32, {key.value: 4 for key in Diagnosis})
    assert found.support["tumour_filled"].groups.keys() == {"glioma", "meningioma", "pituitary"}
    assert found.tumour_filled is not None
    assert found.tumour_filled.value == 0.0
    assert found.lesion_pasted is not None
    assert found.lesion_pasted.value == 0.0


def test_a_model_that_is_right_by_the_case_alone_scores_without_a_brain() -> None:
    def knows(images: NDArray[np.uint8], positions: NDArray[np.int64]) -> NDArray[Any]:
        return np.asarray(np.eye(4)[CASES.labels[positions]])

    done: list[tuple[int, int]] = []
    found = ask_for_shortcuts(CASES, knows, SIZE, limit=16, progress=lambda *now: done.append(now))
    assert found.images == 16
    assert found.brain_masked.value == found.outline_only.value == 1.0
    assert found.tumour_filled is not None
    assert found.tumour_filled.value == 0.0
    assert found.lesion_pasted is not None
    assert found.lesion_pasted.value == 0.0
    assert done[-1][0] == done[-1][1] == len(done)


def test_a_model_that_looks_for_the_tumour_passes() -> None:
    def looks(images: NDArray[np.uint8], positions: NDArray[np.int64]) -> NDArray[Any]:
        labels = CASES.labels[positions]
        rows, columns = np.mgrid[:SIZE, :SIZE] / (SIZE - 1.0) * 2.0 - 1.0
        brain = np.hypot(rows, columns / np.array(WIDTH)[labels][:, None, None]) < 0.8
        has = (brain & (images > 200)).reshape(len(images), -1).mean(axis=1) > 0.005
        return np.asarray(np.eye(4)[np.where(has, np.where(labels == 2, 0, labels), 2)])

    found = ask_for_shortcuts(CASES, looks, SIZE, limit=None)
    assert found.brain_masked.value == 0.25  # all called healthy, as a quarter of them is
    assert found.outline_only.value == 0.25
    assert found.tumour_filled is not None
    assert found.tumour_filled.value == 1.0
    assert found.lesion_pasted is not None
    assert found.lesion_pasted.value > 0.6
    assert found.healthy_pasted is not None
    assert found.healthy_pasted.value == 0.0
    assert ask_for_shortcuts(CASES, looks, SIZE, limit=None) == found


def test_donors_come_from_the_fold_of_the_slice_and_another_style() -> None:
    loaded: list[int] = []
    asked: list[int] = []
    styles = np.array(["a", "b"] * 16)

    def load(position: int) -> NDArray[Any]:
        loaded.append(position)
        return CASES.load(position)

    cases = Cases(
        CASES.labels,
        CASES.groups,
        CASES.slice_ids,
        load,
        CASES.folds,
        CASES.boxes,
        styles,
    )
    assert CASES.folds is not None

    def healthy(images: NDArray[np.uint8], positions: NDArray[np.int64]) -> NDArray[Any]:
        asked.append(int(positions[0]))
        return np.asarray(np.eye(4)[np.full(len(images), Diagnosis.NOTUMOR.position)])

    ask_for_shortcuts(cases, healthy, SIZE, limit=None)
    first = loaded.index(16, 56)  # the pasting starts with the first healthy slice
    pasting = loaded[first:]
    row = -1
    for position in pasting:
        if CASES.labels[position] == 2 and position == max(row + 1, 16):
            row = position
            continue
        if CASES.labels[position] != 2:
            assert CASES.folds[position] == CASES.folds[row]
            assert styles[position] != styles[row]
    assert row == 23


def test_without_boxes_or_without_healthy_slices_only_what_can_be_asked_is_measured() -> None:
    tumours = np.flatnonzero(CASES.labels != 2)
    part = Cases(
        CASES.labels[tumours],
        CASES.groups[tumours],
        CASES.slice_ids[tumours],
        lambda position: CASES.load(int(tumours[position])),
    )
    found = ask_for_shortcuts(part, lambda images, _: np.full((len(images), 4), 0.25), SIZE)
    assert (found.tumour_filled, found.lesion_pasted, found.healthy_pasted) == (None, None, None)


def test_masks_leave_what_they_say_in_every_depth() -> None:
    pixels = make_phantom(Diagnosis.NOTUMOR, 2, 160).pixels
    for dtype in (np.uint8, np.uint16, np.float32):
        image = pixels.astype(dtype)
        masked, outline = blacken_inside(image), outline_only(image)
        assert masked.dtype == outline.dtype == image.dtype
        assert (masked[70:90, 70:90] == image.min()).all()
        assert (masked != image.min()).mean() > 0.02
        assert len(np.unique(outline)) == 2
        assert 0.005 < (outline > image.min()).mean() < 0.08


def test_real_tumours_are_filled_and_real_heads_emptied(real_data: Path) -> None:
    manifest = read_manifest(real_data / "brain-tumor-mri" / "manifest.csv")
    cases = cases_of(manifest)
    rows = [k for k, row in enumerate(manifest) if row.box is not None][::400]
    for row in rows:
        pixels, box = cases.load(row), cases.boxes[row]
        assert box is not None
        height, width = pixels.shape
        spot = (
            slice(
                int((box.center_y - box.height / 4) * height), int((box.center_y + box.height / 4) * height)
            ),
            slice(int((box.center_x - box.width / 4) * width), int((box.center_x + box.width / 4) * width)),
        )
        filled = fill_box(pixels, box)
        assert filled.shape == pixels.shape
        assert (filled[spot] != pixels[spot]).mean() > 0.5
        assert blacken_inside(pixels)[spot].mean() < pixels[spot].mean()
