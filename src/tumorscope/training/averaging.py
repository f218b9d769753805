"""One network whose weights are the mean of those of several.

Networks that began with the same weights and learnt with other seeds, settings or augmentation mostly end in one
valley of the loss: what lies between them answers about as well as their ensemble and costs as much as one of them
(Wortsman et al., "Model soups", ICML 2022); on other distributions the more so the more they differ (Rame et al.,
"Diverse weight averaging for out-of-distribution generalization", NeurIPS 2022). The statistics of batch
normalisation are no mean of theirs, and are measured anew on the images that all of them learnt from (Izmailov et
al., "Averaging weights leads to wider optima and better generalization", UAI 2018). Which runs may be averaged is
:mod:`tumorscope.training.members`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from tumorscope.models.network import SliceNetwork
from tumorscope.training.folder import WEIGHTS
from tumorscope.training.module import as_input

__all__ = ["mean_weights", "measure_norms"]

_BATCH = 64


def mean_weights(fits: Sequence[Path]) -> dict[str, torch.Tensor]:
    """The mean of the weights that finished fits left in their folders; counters are those of the first."""
    from safetensors.torch import load_file

    several = [load_file(fit / WEIGHTS) for fit in fits]
    return {
        name: torch.stack([weights[name].double() for weights in several]).mean(dim=0).to(tensor.dtype)
        if tensor.is_floating_point()
        else tensor
        for name, tensor in several[0].items()
    }


def measure_norms(
    network: SliceNetwork, images: NDArray[np.uint8], rows: NDArray[np.int64], seed: int = 0
) -> None:
    """Measure the statistics of all batch normalisations anew, in place.

    Parameters
    ----------
    network
        Stays in evaluation mode.
    images
        ``uint8 [N, S, S]``.
    rows
        Those to measure on; taken in an order that mixes the classes, as in training.
    seed
        Of that order.
    """
    norms = [part for part in network.modules() if isinstance(part, torch.nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    network.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # all batches count alike
        norm.train()
    mixed = np.random.default_rng(seed).permutation(rows)
    with torch.no_grad():
        for batch in np.array_split(mixed, -(-len(mixed) // _BATCH)):
            network(as_input(torch.from_numpy(images[batch])).contiguous(memory_format=torch.channels_last))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.eval()
