"""Tumours pasted in, filled and faked: the right class, the right place, and nothing else changed."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from tumorscope.core.labels import CLASS_ORDER, Diagnosis
from tumorscope.dataset.manifest import Box
from tumorscope.explanation.box import to_square
from tumorscope.preprocess import find_head, preprocess
from tumorscope.synthesis.phantom import make_phantom
from tumorscope.training.batches import BatchStream, TrainingRows
from tumorscope.training.config import Supervision
from tumorscope.training.transplants import Changed, Donors, transplant

SIDE = 96
HEALTHY = Diagnosis.NOTUMOR.position


@cache
def _data() -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.float32]]:
    images, labels, boxes = [], [], []
    for diagnosis in CLASS_ORDER:
        for seed in range(10):
            phantom = make_phantom(diagnosis, seed, size=128)
            frame = find_head(phantom.pixels)
            images.append(preprocess(phantom.pixels, SIDE, frame))
            labels.append(diagnosis.position)
            box = phantom.box
            boxes.append([np.nan] * 4 if box is None else to_square(Box(*box), frame, phantom.pixels.shape))
    return np.stack(images), np.array(labels), np.array(boxes, dtype=np.float32)


def _change(
    rows: NDArray[np.bool_] | None = None,
    among: NDArray[np.bool_] | None = None,
    seed: int = 0,
    **settings: float,
) -> tuple[NDArray[np.int64], Changed]:
    """Rows of the data that were changed, and what became of them."""
    images, labels, boxes = _data()
    taken = np.arange(len(labels)) if rows is None else np.flatnonzero(rows)
    donors = Donors(images, labels, boxes, np.arange(len(labels)) if among is None else np.flatnonzero(among))
    rng = np.random.Generator(np.random.Philox(seed))
    chosen = Supervision.model_validate(settings)
    return taken, transplant(images[taken], labels[taken], boxes[taken], donors, settings=chosen, rng=rng)


def _inside(box: NDArray[np.float32], margin: float) -> NDArray[np.bool_]:
    """Pixels in a box that is ``margin`` times as large."""
    centre = (np.arange(SIDE) + 0.5) / SIDE
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    half = (
        margin * np.maximum((box[2] - box[0]) / 2, 2 / SIDE),
        margin * np.maximum((box[3] - box[1]) / 2, 2 / SIDE),
    )
    rows, columns = np.abs(centre - y) <= half[1] + 1 / SIDE, np.abs(centre - x) <= half[0] + 1 / SIDE
    return np.asarray(rows[:, None] & columns)


def test_nothing_happens_at_no_probability() -> None:
    images, labels, boxes = _data()
    _, changed = _change()
    assert np.array_equal(changed.images, images)
    assert np.array_equal(changed.labels, labels)
    assert np.array_equal(changed.boxes, boxes, equal_nan=True)
    assert (changed.weights == 1).all()


@pytest.mark.parametrize("diagnosis", [Diagnosis.GLIOMA, Diagnosis.MENINGIOMA])
def test_a_pasted_tumour_brings_its_class_and_its_place(diagnosis: Diagnosis) -> None:
    images, labels, _ = _data()
    rows, changed = _change(labels == HEALTHY, labels == diagnosis.position, paste=1)
    pasted = changed.labels != HEALTHY
    assert pasted.sum() >= 7
    assert set(changed.labels[pasted]) == {diagnosis.position}
    assert (changed.weights == 1).all()
    for k in range(len(rows)):
        difference = changed.images[k] != images[rows[k]]
        if not pasted[k]:
            assert not difference.any()
            assert np.isnan(changed.boxes[k]).all()
            continue
        place = _inside(changed.boxes[k], 1.25)
        assert not difference[~place].any()
        assert difference[_inside(changed.boxes[k], 0.5)].mean() > 0.5


def test_donors_are_those_that_are_learnt_from() -> None:
    _, labels, _ = _data()
    _, changed = _change(labels == HEALTHY, (labels == 0) | (labels == HEALTHY), paste=1)
    assert {0} <= set(changed.labels) <= {0, HEALTHY}
    _, changed = _change(labels == HEALTHY, labels <= 1, paste=1)
    assert {0, 1} <= set(changed.labels) <= {0, 1, HEALTHY}


def test_a_pituitary_tumour_stays_at_its_sella() -> None:
    images, labels, _ = _data()
    rows, changed = _change(labels == HEALTHY, paste=1)
    assert Diagnosis.PITUITARY.position not in changed.labels
    rows, changed = _change(labels == HEALTHY, labels == Diagnosis.PITUITARY.position, paste=1)
    assert np.array_equal(changed.images, images[rows])


def test_without_donors_nothing_is_pasted() -> None:
    images, labels, _ = _data()
    rows, changed = _change(labels == HEALTHY, labels == HEALTHY, paste=1, decoy=1)
    assert np.array_equal(changed.images, images[rows])


def test_a_filled_tumour_is_healthy_and_weighs_less() -> None:
    images, labels, boxes = _data()
    rows, changed = _change(labels != HEALTHY, heal=1, heal_weight=0.3)
    healed = changed.labels == HEALTHY
    assert healed.sum() >= 5
    assert np.isnan(changed.boxes[healed]).all()
    assert np.allclose(changed.weights, np.where(healed, 0.3, 1))
    for k, row in enumerate(rows):
        difference = changed.images[k] != images[row]
        assert difference.any() == healed[k]
        assert not difference[~_inside(boxes[row], 1.45)].any()
    # What is too large would still be seen by what it pushed aside.
    areas = (boxes[rows, 2] - boxes[rows, 0]) * (boxes[rows, 3] - boxes[rows, 1])
    assert areas[healed].max() <= 0.04


def test_a_decoy_changes_neither_class_nor_the_tumour() -> None:
    images, labels, boxes = _data()
    _, changed = _change(decoy=1)
    assert np.array_equal(changed.labels, labels)
    assert np.array_equal(changed.boxes, boxes, equal_nan=True)
    assert (changed.weights == 1).all()
    differs = changed.images != images
    touched = differs.any(axis=(1, 2))
    assert touched[labels == HEALTHY].sum() >= 6
    assert touched[labels != HEALTHY].sum() >= 10
    for k in np.flatnonzero(touched & (labels != HEALTHY)):
        assert not differs[k][_inside(boxes[k], 0.9)].any()


def test_a_tumour_of_unknown_place_is_left_alone() -> None:
    images, labels, boxes = _data()
    nowhere = np.full_like(boxes, np.nan)
    donors = Donors(images, labels, boxes, np.arange(len(labels)))
    rows = np.flatnonzero(labels != HEALTHY)
    settings = Supervision(paste=1, heal=1, decoy=1)
    rng = np.random.default_rng(0)
    changed = transplant(images[rows], labels[rows], nowhere[rows], donors, settings=settings, rng=rng)
    assert np.array_equal(changed.images, images[rows])
    assert np.array_equal(changed.labels, labels[rows])


def test_the_generator_alone_decides() -> None:
    first, again, other = (_change(seed=seed, paste=0.5, heal=0.5, decoy=0.5)[1] for seed in (4, 4, 5))
    assert np.array_equal(first.images, again.images)
    assert np.array_equal(first.boxes, again.boxes, equal_nan=True)
    assert not np.array_equal(first.images, other.images)


class TestBatches:
    def _stream(self, position: int, supervision: Supervision | None) -> BatchStream:
        images, labels, boxes = _data()
        names = tuple(f"s{k}" for k in range(len(labels)))
        data = TrainingRows(images, labels, names, np.arange(len(labels)), boxes)
        return BatchStream(data, 8, 1, lambda: position, supervision=supervision)

    def test_from_a_step_on_the_same_images_come(self) -> None:
        settings = Supervision(pointing=1, paste=0.5, heal=0.5, decoy=0.5)
        whole = list(self._stream(0, settings))
        rest = list(self._stream(3, settings))
        assert len(whole) == len(rest) + 3
        for one, other in zip(whole[3:], rest, strict=True):
            assert one.places is not None
            assert other.places is not None
            assert np.array_equal(one.images, other.images)
            assert np.array_equal(one.labels, other.labels)
            assert np.array_equal(one.places.boxes, other.places.boxes, equal_nan=True)
            assert np.array_equal(one.places.weights, other.places.weights)

    def test_without_supervision_batches_are_as_before(self) -> None:
        off, none = list(self._stream(0, Supervision())), list(self._stream(0, None))
        assert all(batch.places is None for batch in off)
        assert all(np.array_equal(a.images, b.images) for a, b in zip(off, none, strict=True))
        looking = list(self._stream(0, Supervision(pointing=1)))
        assert all(np.array_equal(a.images, b.images) for a, b in zip(off, looking, strict=True))
        assert all(batch.places is not None and bool(batch.places.known.all()) for batch in looking)
