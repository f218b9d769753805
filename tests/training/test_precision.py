"""Which arithmetic a fit uses."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest
import torch

from tumorscope.training.config import TrainingConfig
from tumorscope.training.fit import precision_of

CPUINFO = Path("/proc/cpuinfo")


@pytest.mark.skipif(
    not CPUINFO.is_file() or platform.machine() != "x86_64", reason="Linux on x86-64 lists its instructions"
)
def test_auto_is_bf16_where_the_processor_has_instructions_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)  # a GPU would decide
    flags = next(line for line in CPUINFO.read_text().splitlines() if line.startswith("flags")).split()
    expected = "bf16-mixed" if {"avx512_bf16", "amx_bf16"} & set(flags) else "32-true"
    assert precision_of(TrainingConfig(recipe="efficientnet-lite0")) == expected


@pytest.mark.parametrize(("asked", "expected"), [("bf16", "bf16-mixed"), ("32", "32-true")])
def test_what_is_asked_for_is_what_is_used(asked: str, expected: str) -> None:
    config = TrainingConfig.model_validate({"recipe": "efficientnet-lite0", "precision": asked})
    assert precision_of(config) == expected


@pytest.mark.parametrize(
    ("instructions", "machine", "expected"),
    [
        (False, "x86_64", "32-true"),  # torch would imitate it
        (True, "x86_64", "bf16-mixed"),
        (False, "aarch64", "bf16-mixed"),
    ],
)
def test_what_torch_only_imitates_is_not_taken(
    instructions: bool, machine: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: True)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: instructions)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert precision_of(TrainingConfig(recipe="efficientnet-lite0")) == expected
