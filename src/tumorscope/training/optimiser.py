"""The optimiser of a run and the groups of weights it is made of.

Owns which weight has which rate and which decay. How rates change in time is :mod:`tumorscope.training.schedule`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import nn

from tumorscope.models.blocks import NetworkBlock
from tumorscope.training.config import TrainingConfig

__all__ = ["make_optimiser"]


def make_optimiser(
    network: nn.Module,
    blocks: Sequence[NetworkBlock],
    beside: Iterable[nn.Parameter],
    config: TrainingConfig,
) -> torch.optim.AdamW:
    """AdamW without decay on norms and biases, with lower rates for deeper blocks where they are asked for.

    Parameters
    ----------
    network
        What learns.
    blocks
        Its blocks from the head down. The rate of a block is ``layer_decay`` times that of the one above it (Clark et
        al., "ELECTRA", ICLR 2020, for networks of any kind).
    beside
        Further weights that learn at the rate of the head.
    config
        Rates and decay.
    """
    if config.layer_decay == 1:
        # In the order of the network: checkpoints of earlier versions have no other.
        groups = _with_and_without_decay([*network.parameters(), *beside], config)
        return torch.optim.AdamW(groups, lr=config.learning_rate)
    groups = []
    for depth, block in enumerate(blocks):
        weights = [*block.parameters(), *(beside if depth == 0 else ())]
        rate = config.learning_rate * config.layer_decay**depth
        groups += [
            group | {"lr": rate} for group in _with_and_without_decay(weights, config) if group["params"]
        ]
    return torch.optim.AdamW(groups, lr=config.learning_rate)


def _with_and_without_decay(weights: Sequence[nn.Parameter], config: TrainingConfig) -> list[dict[str, Any]]:
    return [
        {"params": [p for p in weights if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in weights if p.ndim <= 1], "weight_decay": 0.0},
    ]
