"""Which blocks of a network learn at which step.

Owns the stages of a training: a frozen backbone, fine-tuning, gradual unfreezing. The answer is a function of the step
alone, so that a resumed run goes on with it. What a block is, :mod:`tumorscope.models.blocks` says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tumorscope.models.blocks import NetworkBlock
from tumorscope.recipes.registry import TWO_STAGES, find_recipe
from tumorscope.training.config import TrainingConfig

__all__ = ["Phase", "phase_at", "plan_phases", "set_learning"]


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of a run in which the same blocks learn.

    Parameters
    ----------
    first
        The step of the optimiser it begins with.
    blocks
        How many learn, counted from the head; at least 1.
    rate
        Factor of the learning rate.
    """

    first: int
    blocks: int
    rate: float


def plan_phases(config: TrainingConfig, blocks: int, total_steps: int) -> tuple[Phase, ...]:
    """Divide a run into phases, in their order.

    Parameters
    ----------
    config
        Its ``stages``: ``none``, all blocks learn; ``two``, the stages of the recipe, those of ``vgg16`` where it has
        none; ``gradual``, one block more at a time, evenly over ``unfreeze_share`` of the steps (Howard and Ruder,
        "Universal language model fine-tuning", ACL 2018).
    blocks
        How many the network has, the head included.
    total_steps
        Steps of the optimiser in the whole run.
    """
    if config.stages == "none":
        return (Phase(0, blocks, 1.0),)
    if config.stages == "gradual":
        span = config.unfreeze_share * total_steps / max(1, blocks - 1)
        return tuple(Phase(round(index * span), index + 1, 1.0) for index in range(blocks))
    phases, share = [], 0.0
    for stage in find_recipe(config.recipe).stages or TWO_STAGES:
        learning = {"head": 1, "upper": min(2, blocks), "all": blocks}[stage.learns]
        phases.append(Phase(round(share * total_steps), learning, stage.rate))
        share += stage.share
    return tuple(phases)


def phase_at(phases: Sequence[Phase], step: int) -> Phase:
    """The phase that a step lies in; of those that begin together the last."""
    return [phase for phase in phases if phase.first <= step][-1]


def set_learning(blocks: Sequence[NetworkBlock], learning: int) -> None:
    """Let some blocks learn and keep the others as they are.

    A frozen block gets no gradient, and its layers behave as they do when they answer: batch normalisation neither uses
    nor changes the statistics of a batch, dropout is off.

    Parameters
    ----------
    blocks
        From the head down.
    learning
        How many of them learn.
    """
    for depth, block in enumerate(blocks):
        learns = depth < learning
        for module in block.modules:
            module.training = learns
        for weight in block.parameters():
            weight.requires_grad_(learns)
