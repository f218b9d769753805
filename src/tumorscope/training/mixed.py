"""The loss of images that are of two classes, as mixup and cutmix make them.

Owns how a mixture becomes a loss. Where images are mixed is :mod:`tumorscope.augmentation.mixing`.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from tumorscope.augmentation.mixing import Mixture

__all__ = ["class_losses"]


def class_losses(
    logits: torch.Tensor,
    labels: torch.Tensor,
    mixture: Mixture | None,
    *,
    smoothing: float,
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Cross-entropy of each image with its class, or with both of its classes by their shares.

    Parameters
    ----------
    logits
        ``float32 [B, 4]``.
    labels
        ``int64 [B]``, of the image that the other was mixed into.
    mixture
        What else is in the images; ``None`` where nothing is.
    smoothing
        Share of the target that is spread over all classes.
    weights
        ``float32 [4]``, of each class.

    Returns
    -------
    torch.Tensor
        ``float32 [B]``.
    """

    def losses(of: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(logits, of, weights, label_smoothing=smoothing, reduction="none")

    own = losses(labels)
    if mixture is None:
        return own
    return own + mixture.shares * (losses(labels[mixture.partners]) - own)
