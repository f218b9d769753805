"""The loss of images of two classes."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from tumorscope.augmentation.mixing import Mixture
from tumorscope.training.mixed import class_losses

LOGITS = torch.tensor([[2.0, 0.0, -1.0, 0.5], [0.1, 0.3, 0.2, -2.0], [1.0, 1.0, 0.0, 0.0]])
LABELS = torch.tensor([0, 1, 3])
MIXTURE = Mixture(torch.tensor([1, 1, 0]), torch.tensor([0.25, 0.0, 0.5]))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_that_of_soft_labels(smoothing: float) -> None:
    soft = torch.tensor([[0.75, 0.25, 0, 0], [0, 1, 0, 0], [0.5, 0, 0, 0.5]])
    expected = functional.cross_entropy(LOGITS, soft, label_smoothing=smoothing, reduction="none")
    result = class_losses(LOGITS, LABELS, MIXTURE, smoothing=smoothing)
    assert torch.allclose(result, expected, atol=1e-6)


def test_without_a_mixture_it_is_that_of_the_labels() -> None:
    expected = functional.cross_entropy(LOGITS, LABELS, reduction="none")
    assert torch.equal(class_losses(LOGITS, LABELS, None, smoothing=0.0), expected)
    assert class_losses(LOGITS, LABELS, MIXTURE, smoothing=0.0)[1] == expected[1]


def test_classes_weigh_as_they_are_mixed() -> None:
    weights = torch.tensor([1.0, 3.0, 1.0, 1.0])
    each = [functional.cross_entropy(LOGITS[:1], torch.tensor([k])) for k in (0, 1)]
    result = class_losses(LOGITS, LABELS, MIXTURE, smoothing=0.0, weights=weights)
    assert float(result[0]) == pytest.approx(float(0.75 * each[0] + 3 * 0.25 * each[1]), rel=1e-6)
