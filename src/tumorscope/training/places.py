"""Losses that say where a tumour is, beside the loss that says what it is.

Owns two of them. The pointing loss moves the evidence of the true class into the tumour's box; the box loss teaches the
features at stride 16 to mark the tumour of each class by a head that exists in training alone. Knows no files.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from tumorscope.core.labels import CLASS_ORDER, Diagnosis

__all__ = ["TUMOURS", "BoxHead", "box_loss", "pointing_loss"]

TUMOURS = tuple(key.position for key in CLASS_ORDER if key is not Diagnosis.NOTUMOR)
"""Classes that the box head marks, in the order of its channels."""

_EMPTY = 0.05  # cells; less of a box than this is left of the image after augmentation


class BoxHead(nn.Module):
    """A linear layer at every place of the stride-16 features: is there a tumour of this class here?

    Parameters
    ----------
    channels
        Of these features.
    generator
        Source of the initial weights.
    """

    def __init__(self, channels: int, generator: torch.Generator) -> None:
        super().__init__()
        self.layer = nn.Conv2d(channels, len(TUMOURS), kernel_size=1)
        with torch.no_grad():
            self.layer.weight.copy_(torch.randn(self.layer.weight.shape, generator=generator) * 0.01)
            self.layer.bias.zero_()  # type: ignore[union-attr]

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """``[B, C, h, w]`` to logits ``float32 [B, 3, h, w]``."""
        logits: torch.Tensor = self.layer(features)
        return logits.float()


def pointing_loss(
    evidence: torch.Tensor, labels: torch.Tensor, masks: torch.Tensor, temperature: float
) -> torch.Tensor:
    """Cross-entropy between where the evidence of the true class lies and an even spread over the tumour's box.

    The evidence of the true class less the mean of all classes, times the number of cells (so that a finer map has
    values of the same size) and the temperature, becomes a distribution over the cells by a softmax. Adding a constant
    to a class's map changes nothing: the loss says where evidence lies, not how much there is.

    Parameters
    ----------
    evidence
        ``float32 [B, 4, h, w]``.
    labels
        ``int64 [B]``.
    masks
        ``float32 [B, 1, S, S]``, share of each pixel in the box; an image whose mask is empty counts nothing.
    temperature
        Factor of the evidence.

    Returns
    -------
    torch.Tensor
        Mean over the images with a box; 0 where there is none.
    """
    grid = (evidence.shape[-2], evidence.shape[-1])
    target = _cells_in_box(masks, grid)
    mass = target.sum(dim=1)
    own = evidence.gather(1, labels.view(-1, 1, 1, 1).expand(-1, 1, *grid)).squeeze(1)
    contrast = (own - evidence.mean(dim=1)).flatten(1) * (grid[0] * grid[1] * temperature)
    entropy = -(target * functional.log_softmax(contrast, dim=1)).sum(dim=1) / mass.clamp(min=1e-6)
    counted = (mass > 0).float()
    return (entropy * counted).sum() / counted.sum().clamp(min=1)


def box_loss(
    logits: torch.Tensor,
    labels: torch.Tensor,
    masks: torch.Tensor,
    known: torch.Tensor,
    positive_weight: float,
) -> torch.Tensor:
    """Binary cross-entropy of the marks of each tumour class with the share of each cell in the box.

    Parameters
    ----------
    logits
        ``float32 [B, 3, h, w]``.
    labels
        ``int64 [B]``.
    masks
        ``float32 [B, 1, S, S]``; of the class of the image, the other classes have none.
    known
        ``bool [B]``: whether the mask says the truth; other images count nothing.
    positive_weight
        Weight of what lies in a box: most of an image does not.
    """
    coverage = functional.adaptive_avg_pool2d(masks, (logits.shape[-2], logits.shape[-1]))
    classes = torch.tensor(TUMOURS, device=labels.device)
    target = (labels[:, None] == classes)[:, :, None, None] * coverage
    weight = torch.tensor(positive_weight, device=logits.device)
    each = functional.binary_cross_entropy_with_logits(logits, target, pos_weight=weight, reduction="none")
    counted = known.float()
    return (each.mean(dim=(1, 2, 3)) * counted).sum() / counted.sum().clamp(min=1)


def _cells_in_box(masks: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
    """1 for cells whose centre lies in the box, the covered share of each cell if no centre does: ``[B, h w]``."""
    # Without antialiasing a cell takes the mask's value at its own centre.
    centres = (functional.interpolate(masks, size=grid, mode="bilinear") >= 0.5).float().flatten(1)
    coverage = functional.adaptive_avg_pool2d(masks, grid).flatten(1)
    chosen = torch.where(centres.sum(dim=1, keepdim=True) > 0, centres, coverage)
    return chosen * (coverage.sum(dim=1, keepdim=True) > _EMPTY)
