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

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import torch

from tumorscope.augmentation.batch import augment_batch
from tumorscope.models.network import SliceNetwork
from tumorscope.training.batches import BatchStream, TrainingRows
from tumorscope.training.config import TrainingConfig
from tumorscope.training.folder import WEIGHTS
from tumorscope.training.module import as_input, augmentation_draws

__all__ = ["batches_of_an_epoch", "mean_weights", "measure_norms"]


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


def measure_norms(network: SliceNetwork, batches: Iterable[torch.Tensor]) -> None:
    """Measure the statistics of all batch normalisations anew, in place.

    Parameters
    ----------
    network
        Stays in evaluation mode.
    batches
        ``float32 [B, 1, S, S]`` in [0, 1], changed and mixed as in training. All batches count alike.
    """
    norms = [
        (part, part.momentum)
        for part in network.modules()
        if isinstance(part, torch.nn.modules.batchnorm._BatchNorm)
    ]
    if not norms:
        return
    network.eval()
    for norm, _ in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
        norm.train()
    with torch.no_grad():
        for batch in batches:
            network(batch.contiguous(memory_format=torch.channels_last))
    for norm, momentum in norms:
        norm.momentum = momentum
    network.eval()


def batches_of_an_epoch(config: TrainingConfig, learn: TrainingRows) -> Iterator[torch.Tensor]:
    """The images of the first epoch of a fit, as its network sees them."""
    stream = BatchStream(
        learn,
        config.batch_size,
        config.seed,
        lambda: 0,
        supervision=config.supervision,
        sampling=config.sampling,
    )
    for batch in stream:
        draws = augmentation_draws(config.seed, batch)
        images, _, _ = augment_batch(as_input(batch.images), config.augmentation, draws)
        yield images
