"""Gradients of depthwise convolutions, by the fast forms and by torch's own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from tumorscope.models.network import build_network
from tumorscope.training import depthwise
from tumorscope.training.depthwise import fast_depthwise


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def gradients(image: torch.Tensor, weight: torch.Tensor, fast: bool, **how: Any) -> list[torch.Tensor]:
    """The answer of one convolution in bfloat16 and both gradients, in float32."""
    image, weight = image.clone().requires_grad_(), weight.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        if fast:
            with fast_depthwise():
                answer = functional.conv2d(image, weight, **how)
        else:
            answer = functional.conv2d(image, weight, **how)
    answer.float().square().sum().backward()  # type: ignore[no-untyped-call]
    assert image.grad is not None
    assert weight.grad is not None
    return [answer.detach().float(), image.grad, weight.grad]


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from([3, 5, 7]),
    st.integers(1, 3),
    st.integers(0, 3),
    st.integers(8, 15),
    st.integers(8, 15),
    st.integers(2, 5),
)
def test_they_are_those_of_torch(
    wide: int, stride: int, padding: int, height: int, width: int, channels: int
) -> None:
    generator = torch.Generator().manual_seed(height * width)
    image = torch.randn(2, channels, height, width, generator=generator)
    weight = torch.randn(channels, 1, wide, wide, generator=generator)
    how = {"stride": stride, "padding": padding, "groups": channels}
    for mine, others in zip(
        gradients(image, weight, True, **how), gradients(image, weight, False, **how), strict=True
    ):
        assert mine.shape == others.shape
        # The same sums of products in another order, each rounded to eight bits once.
        torch.testing.assert_close(mine, others, atol=0.01 * float(others.abs().max()), rtol=0)


def test_those_of_a_whole_network_are_torchs(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    plain = depthwise._torchs

    def counted(*arguments: Any) -> Any:
        calls.append(arguments)
        return plain(*arguments)

    monkeypatch.setattr(depthwise, "_torchs", counted)
    torch.manual_seed(0)
    network = build_network("tf_efficientnet_lite0", 64).eval()
    images, labels = torch.rand(4, 1, 64, 64), torch.arange(4)

    def learnt() -> dict[str, torch.Tensor]:
        network.zero_grad()
        functional.cross_entropy(network(images).logits.float(), labels).backward()  # type: ignore[no-untyped-call]
        return {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}

    with torch.autocast("cpu", torch.bfloat16):
        expected = learnt()
        assert not calls
        with fast_depthwise():
            found = learnt()
    # Sixteen depthwise layers by image and by weight, nine of them with kernels of 5 as four of 3.
    assert len(calls) == 16 + 7 + 4 * 9
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        assert float((found[name] - gradient).norm()) <= 0.01 * float(gradient.norm()) + 1e-6, name


@pytest.mark.parametrize(
    ("shape", "how"),
    [
        ((6, 3, 3, 3), {"groups": 2}),
        ((6, 6, 3, 3), {}),
        ((6, 1, 3, 3), {"groups": 6, "dilation": 2}),
        ((6, 1, 3, 3), {"groups": 6, "padding": "same"}),
        ((6, 1, 3, 3), {"groups": 6, "bias": torch.ones(6)}),
        ((6, 1, 2, 2), {"groups": 6}),
        ((12, 1, 3, 3), {"groups": 6}),
    ],
)
def test_all_others_are_left_to_torch(
    shape: tuple[int, ...], how: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(depthwise._Depthwise, "apply", lambda *_: pytest.fail("this is none of those meant"))
    gradients(torch.randn(2, 6, 9, 9), torch.randn(shape), True, **how)


def test_in_32_bits_torch_computes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(depthwise._Depthwise, "apply", lambda *_: pytest.fail("not in 16 bits"))
    with fast_depthwise():
        functional.conv2d(torch.randn(2, 6, 9, 9), torch.randn(6, 1, 3, 3), groups=6)


def test_a_frozen_weight_gets_no_gradient() -> None:
    image, weight = torch.randn(2, 6, 9, 9, requires_grad=True), torch.randn(6, 1, 5, 5)
    with torch.autocast("cpu", torch.bfloat16), fast_depthwise():
        functional.conv2d(image, weight, groups=6).float().sum().backward()  # type: ignore[no-untyped-call]
    assert image.grad is not None
    assert weight.grad is None
