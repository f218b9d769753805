"""Masks of boxes go where the image goes, and what is learnt from them is where evidence lies, not how much."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tumorscope.augmentation.batch import augment_batch
from tumorscope.augmentation.settings import Augmentation
from tumorscope.core.labels import CLASS_ORDER, Diagnosis
from tumorscope.explanation.box import SquareBox, cells_inside
from tumorscope.training.boxes import draw_masks
from tumorscope.training.places import TUMOURS, BoxHead, box_loss, pointing_loss

SIDE, GRID = 64, 8
HEALTHY = Diagnosis.NOTUMOR.position
GEOMETRY = Augmentation(gamma=0, contrast=0, brightness=0, noise=0)


def _masks(*boxes: tuple[float, float, float, float]) -> torch.Tensor:
    return draw_masks(torch.tensor(boxes), SIDE)


@given(
    corner=st.tuples(st.floats(-0.2, 0.9), st.floats(-0.2, 0.9)),
    sides=st.tuples(st.floats(0.02, 0.6), st.floats(0.02, 0.6)),
)
@settings(max_examples=40, deadline=None)
def test_a_mask_is_the_share_of_each_pixel_in_the_box(
    corner: tuple[float, float], sides: tuple[float, float]
) -> None:
    box = SquareBox(corner[0], corner[1], corner[0] + sides[0], corner[1] + sides[1])
    expected = cells_inside(box, (SIDE, SIDE))
    assert np.abs(_masks(box)[0, 0].numpy() - expected).max() < 1e-4


def test_no_box_makes_an_empty_mask() -> None:
    assert float(_masks((float("nan"),) * 4).sum()) == 0


@given(seed=st.integers(0, 10_000), top=st.integers(8, 30), left=st.integers(8, 30), side=st.integers(8, 20))
@settings(max_examples=40, deadline=None)
def test_a_bright_square_stays_under_its_mask(seed: int, top: int, left: int, side: int) -> None:
    images = torch.zeros(4, 1, SIDE, SIDE)
    images[:, :, top : top + side, left : left + side] = 1
    box = (left / SIDE, top / SIDE, (left + side) / SIDE, (top + side) / SIDE)
    moved, masks, _ = augment_batch(images, GEOMETRY, torch.Generator().manual_seed(seed), _masks(*[box] * 4))
    assert masks is not None
    assert (moved - masks).abs().max() < 1e-3
    assert not torch.equal(masks[0], masks[1])


def test_masks_change_nothing_of_the_images() -> None:
    images, numbers = torch.rand(3, 1, SIDE, SIDE), Augmentation()
    alone = augment_batch(images, numbers, torch.Generator().manual_seed(3)).images
    both = augment_batch(
        images, numbers, torch.Generator().manual_seed(3), _masks(*[(0.1, 0.2, 0.5, 0.6)] * 3)
    ).images
    assert torch.equal(alone, both)


class TestPointing:
    labels = torch.tensor([0, 1, 3])
    masks = _masks(*[(0.25, 0.25, 0.5, 0.5)] * 3)

    def _loss(self, evidence: torch.Tensor) -> float:
        return float(pointing_loss(evidence, self.labels, self.masks, 0.25))

    def _spot(self, row: int, column: int, size: float = 0.1) -> torch.Tensor:
        evidence = torch.zeros(3, 4, GRID, GRID)
        for k, label in enumerate(self.labels.tolist()):
            evidence[k, label, row, column] = size
        return evidence

    def test_it_falls_as_evidence_moves_into_the_box(self) -> None:
        outside, inside = self._loss(self._spot(6, 6)), self._loss(self._spot(2, 3))
        nothing = self._loss(torch.zeros(3, 4, GRID, GRID))
        assert inside < nothing < outside
        assert nothing == pytest.approx(np.log(GRID * GRID))
        even = sum(self._spot(row, column, 0.7) for row in (2, 3) for column in (2, 3))
        assert isinstance(even, torch.Tensor)
        # All of it even over the four cells of the box: the entropy of four.
        assert self._loss(even) == pytest.approx(np.log(4), abs=0.02)

    def test_a_constant_added_to_a_map_changes_nothing(self) -> None:
        evidence = torch.randn(3, 4, GRID, GRID, generator=torch.Generator().manual_seed(0)) / 20
        constants = torch.tensor([0.4, -0.3, 0.1, 0.7]).view(1, 4, 1, 1)
        assert self._loss(evidence + constants) == pytest.approx(self._loss(evidence), rel=1e-4)

    def test_it_pulls_at_no_logit(self) -> None:
        evidence = torch.randn(3, 4, GRID, GRID, requires_grad=True)
        pointing_loss(evidence, self.labels, self.masks, 0.25).backward()  # type: ignore[no-untyped-call]
        assert evidence.grad is not None
        assert float(evidence.grad.abs().max()) > 1e-3
        assert float(evidence.grad.sum(dim=(2, 3)).abs().max()) < 1e-4

    def test_images_without_a_box_count_nothing(self) -> None:
        evidence = torch.randn(3, 4, GRID, GRID)
        masks = self.masks.clone()
        masks[1] = 0
        kept = [0, 2]
        expected = pointing_loss(evidence[kept], self.labels[kept], masks[kept], 0.25)
        assert float(pointing_loss(evidence, self.labels, masks, 0.25)) == pytest.approx(float(expected))
        assert float(pointing_loss(evidence, self.labels, masks * 0, 0.25)) == 0

    def test_a_box_between_the_centres_of_cells_counts_where_it_lies(self) -> None:
        masks = _masks((0.25, 0.25, 0.31, 0.31))  # in the cell (2, 2), before its centre
        label = torch.tensor([0])
        here, beside = (
            pointing_loss(self._spot(2, 2)[:1], label, masks, 0.25),
            pointing_loss(self._spot(3, 3)[:1], label, masks, 0.25),
        )
        assert float(here) < float(beside)


class TestBoxHead:
    def test_the_truth_costs_least_and_other_classes_have_no_mark(self) -> None:
        labels, masks = torch.tensor([3, HEALTHY]), _masks((0.25, 0.25, 0.5, 0.5), (float("nan"),) * 4)
        known = torch.tensor([True, True])
        right = torch.full((2, 3, GRID, GRID), -20.0)
        right[0, TUMOURS.index(3), 2:4, 2:4] = 20
        assert float(box_loss(right, labels, masks, known, 8)) < 1e-6
        for channel in range(3):
            wrong = right.clone()
            wrong[1, channel, 0, 0] = 20
            assert float(box_loss(wrong, labels, masks, known, 8)) > 0.01
        missed = right.clone()
        missed[0, TUMOURS.index(3), 2:4, 2:4] = -20
        assert float(box_loss(missed, labels, masks, known, 8)) == pytest.approx(
            8 * float(box_loss(missed, labels, masks, known, 1)), rel=1e-4
        )

    def test_a_tumour_without_a_box_is_left_out(self) -> None:
        logits, labels = torch.randn(2, 3, GRID, GRID), torch.tensor([1, 0])
        masks = _masks((0.2, 0.2, 0.6, 0.5), (float("nan"),) * 4)
        known = torch.tensor([True, False])
        alone = box_loss(logits[:1], labels[:1], masks[:1], known[:1], 8)
        assert float(box_loss(logits, labels, masks, known, 8)) == pytest.approx(float(alone))
        assert float(box_loss(logits, labels, masks, known & False, 8)) == 0

    def test_it_marks_the_tumour_classes_at_the_places_of_the_features(self) -> None:
        head = BoxHead(5, torch.Generator().manual_seed(0))
        assert head(torch.randn(2, 5, 4, 4)).shape == (2, len(CLASS_ORDER) - 1, 4, 4)
        again = BoxHead(5, torch.Generator().manual_seed(0))
        assert torch.equal(head.layer.weight, again.layer.weight)
