"""Which blocks learn when; frozen ones really stay as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from fit_once import SETTINGS, rows
from lightning.pytorch.callbacks import Callback
from torch import nn

from tumorscope.models.blocks import blocks_from_head
from tumorscope.models.network import build_network
from tumorscope.training.config import TrainingConfig, configure
from tumorscope.training.fit import fit
from tumorscope.training.optimiser import make_optimiser
from tumorscope.training.stages import Phase, phase_at, plan_phases, set_learning

BLOCKS = 5  # of deep-cnn: the head and four


def _config(*settings: str, recipe: str = "deep-cnn") -> TrainingConfig:
    return configure(recipe, [*SETTINGS, *settings])


class TestPhases:
    def test_without_stages_all_learn_from_the_first_step(self) -> None:
        assert plan_phases(_config(), BLOCKS, 100) == (Phase(0, BLOCKS, 1.0),)

    def test_two_stages_are_those_of_vgg16_unless_the_recipe_has_others(self) -> None:
        expected = (Phase(0, 1, 1.0), Phase(30, 2, 0.1))
        assert plan_phases(configure("vgg16"), 6, 100) == expected
        assert plan_phases(_config("stages=two"), BLOCKS, 100) == expected

    def test_gradual_unfreezing_goes_one_block_deeper_at_a_time(self) -> None:
        phases = plan_phases(_config("stages=gradual", "unfreeze_share=0.4"), BLOCKS, 100)
        assert [(phase.first, phase.blocks) for phase in phases] == [
            (0, 1),
            (10, 2),
            (20, 3),
            (30, 4),
            (40, 5),
        ]
        assert {phase.rate for phase in phases} == {1.0}

    def test_a_step_is_in_the_last_phase_that_has_begun(self) -> None:
        phases = plan_phases(_config("stages=gradual"), BLOCKS, 8)
        assert [phase_at(phases, step).blocks for step in range(9)] == [1, 2, 3, 4, 5, 5, 5, 5, 5]
        short = plan_phases(_config("stages=gradual"), BLOCKS, 1)
        assert phase_at(short, 1).blocks == BLOCKS


def test_a_frozen_block_gets_no_gradient_and_its_norms_stay_still() -> None:
    network = build_network("deep-cnn", 32).train()
    blocks = blocks_from_head(network)
    set_learning(blocks, 2)
    frozen = {id(weight) for block in blocks[2:] for weight in block.parameters()}
    before = {name: tensor.clone() for name, tensor in network.named_buffers()}
    network(torch.rand(4, 1, 32, 32)).logits.square().sum().backward()
    for name, weight in network.named_parameters():
        assert (weight.grad is None) == (id(weight) in frozen), name
    inside = {id(module) for block in blocks[2:] for module in block.modules}
    norms = [(name, module) for name, module in network.named_modules() if isinstance(module, nn.BatchNorm2d)]
    assert {id(module) in inside for _, module in norms} == {True, False}
    for name, module in norms:
        still = torch.equal(before[f"{name}.running_mean"], module.running_mean)  # type: ignore[arg-type]
        assert still == (id(module) in inside), name
    set_learning(blocks, len(blocks))
    assert all(weight.requires_grad for weight in network.parameters())
    assert all(module.training for module in network.modules())


class _Watch(Callback):
    """Writes down which blocks have moved since the step before."""

    def __init__(self) -> None:
        self.moved: list[list[bool]] = []
        self._before: list[list[torch.Tensor]] = []

    def _weights(self, module: Any) -> list[list[torch.Tensor]]:
        return [[weight.detach().clone() for weight in block.parameters()] for block in module.blocks]

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self._before = self._weights(pl_module)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        now = self._weights(pl_module)
        self.moved.append(
            [
                any(not torch.equal(one, other) for one, other in zip(*pair, strict=True))
                for pair in zip(self._before, now, strict=True)
            ]
        )
        self._before = now


@pytest.mark.parametrize(
    ("stages", "expected"),
    [
        ("two", [[True, False, False]] * 2 + [[True, True, False]] * 6),
        ("gradual", [[True, False, False]] * 2 + [[True, True, False]] * 2 + [[True, True, True]] * 4),
    ],
)
def test_training_moves_the_blocks_whose_turn_it_is(
    stages: str, expected: list[list[bool]], tmp_path: Path
) -> None:
    """Two epochs of four steps; weights decay too, which must not move a frozen block."""
    watch, data = _Watch(), rows(4)
    config = _config(f"stages={stages}", "weight_decay=0.5", recipe="light-cnn")
    fit(config, data, data, tmp_path, progress=False, callbacks=[watch])
    assert watch.moved == expected


class TestRates:
    def test_by_default_there_are_two_groups_in_the_order_of_the_network(self) -> None:
        network = build_network("deep-cnn", 32)
        optimiser = make_optimiser(network, blocks_from_head(network), [], _config())
        decayed, plain = optimiser.param_groups
        assert (decayed["weight_decay"], plain["weight_decay"]) == (0.02, 0.0)
        assert [id(p) for p in decayed["params"]] == [id(p) for p in network.parameters() if p.ndim > 1]
        assert [id(p) for p in plain["params"]] == [id(p) for p in network.parameters() if p.ndim <= 1]

    def test_each_deeper_block_learns_more_slowly(self) -> None:
        network = build_network("deep-cnn", 32)
        blocks = blocks_from_head(network)
        beside = nn.Parameter(torch.zeros(3, 3))
        optimiser = make_optimiser(
            network, blocks, [beside], _config("layer_decay=0.5", "learning_rate=0.08")
        )
        rates = {id(p): group["lr"] for group in optimiser.param_groups for p in group["params"]}
        assert rates.pop(id(beside)) == 0.08
        assert rates.keys() == {id(p) for p in network.parameters()}
        for block, rate in zip(blocks, (0.08, 0.04, 0.02, 0.01, 0.005), strict=True):
            assert [rates[id(p)] for p in block.parameters()] == pytest.approx(
                [rate] * len([*block.parameters()])
            )
        decays = {id(p): group["weight_decay"] for group in optimiser.param_groups for p in group["params"]}
        assert all(decays[id(p)] == (0.02 if p.ndim > 1 else 0.0) for p in network.parameters())
