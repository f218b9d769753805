"""Gradients of depthwise convolutions in 16 bits, by forms that a processor computes fast.

Owns a way round two slow paths of oneDNN on processors: in bfloat16 the gradient of a strided depthwise convolution
by its input, and that of a depthwise kernel wider than 3 by its weights, take ten to a hundred times as long as the
others. Both are put in terms of those that are fast; the sums are the same. What a network computes does not change.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any, NamedTuple

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

__all__ = ["fast_depthwise"]

_FAST = 3
"""Widest depthwise kernel whose gradient is fast."""


@contextmanager
def fast_depthwise() -> Iterator[None]:
    """Take the fast gradients of all depthwise convolutions in bfloat16 on the processor that run within.

    Only those without a bias and dilation are meant, as they stand before a normalisation; all others are as ever.
    """
    with _Mode():
        yield


class _Mode(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.conv2d and (call := _meant(*args, **(kwargs or {}))) is not None:
            return _Depthwise.apply(call.image, call.weight, call.stride, call.padding)
        return func(*args, **(kwargs or {}))


class _Call(NamedTuple):
    """``image [N, C, h, w]`` and ``weight [C, 1, k, k]``, both in bfloat16."""

    image: torch.Tensor
    weight: torch.Tensor
    stride: int
    padding: int


def _meant(  # noqa: PLR0917  # the parameters of torch.conv2d
    input: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> _Call | None:
    """The call as autocast is going to make it, ``None`` where it is none of those that are meant."""
    stride, padding, dilation = ((v, v) if isinstance(v, int) else v for v in (stride, padding, dilation))
    meant = (
        1 < groups == input.shape[1] == weight.shape[0]
        and bias is None
        and input.device.type == "cpu"
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") is torch.bfloat16
        and stride[0] == stride[1]
        and not isinstance(padding, str)
        and padding[0] == padding[1]
        and tuple(dilation) == (1, 1)
        and weight.shape[2] == weight.shape[3]
        and weight.shape[2] % 2 == 1
    )
    if not meant:
        return None
    return _Call(input.to(torch.bfloat16), weight.to(torch.bfloat16), stride[0], padding[0])


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, image: torch.Tensor, weight: torch.Tensor, stride: int, padding: int
    ) -> torch.Tensor:
        ctx.save_for_backward(image, weight)
        ctx.stride, ctx.padding = stride, padding
        return functional.conv2d(image, weight, None, stride, padding, 1, len(weight))

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        (gradient,) = gradients
        image, weight = ctx.saved_tensors
        call = _Call(image, weight, ctx.stride, ctx.padding)
        by_image, by_weight = ctx.needs_input_grad[:2]
        return (
            _by_image(gradient, call) if by_image else None,
            _by_weight(gradient, call) if by_weight else None,
            None,
            None,
        )


def _by_image(gradient: torch.Tensor, call: _Call) -> torch.Tensor:
    """As if every place had been computed, and those that the stride passes over had no gradient."""
    if call.stride > 1:
        wide = call.weight.shape[2]
        height, width = (side + 2 * call.padding - wide + 1 for side in call.image.shape[2:])
        dense = gradient.new_zeros(len(gradient), height, width, len(call.weight)).permute(0, 3, 1, 2)
        dense[:, :, :: call.stride, :: call.stride] = gradient
        gradient, call = dense, call._replace(stride=1)
    by_image, _ = _torchs(gradient, call, (True, False))
    return by_image


def _by_weight(gradient: torch.Tensor, call: _Call) -> torch.Tensor:
    """A wide kernel as narrow ones that overlap."""
    wide = call.weight.shape[2]
    if wide <= _FAST:
        _, by_weight = _torchs(gradient, call, (False, True))
        return by_weight
    padded = functional.pad(call.image, (call.padding,) * 4).contiguous(memory_format=torch.channels_last)
    height, width = (call.stride * (side - 1) + _FAST for side in gradient.shape[2:])
    found = torch.empty_like(call.weight)
    for top, left in product(range(0, wide - 1, _FAST - 1), repeat=2):
        narrow = (..., slice(top, top + _FAST), slice(left, left + _FAST))
        part = padded[..., top : top + height, left : left + width]
        here = _Call(part, call.weight[narrow], call.stride, 0)
        _, found[narrow] = _torchs(gradient, here, (False, True))
    return found


def _torchs(
    gradient: torch.Tensor, call: _Call, wanted: tuple[bool, bool]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Those of torch by image and by weight, nothing in place of one that is not wanted."""
    by_image, by_weight, _ = torch.ops.aten.convolution_backward(
        gradient.contiguous(memory_format=torch.channels_last),
        call.image.contiguous(memory_format=torch.channels_last),
        call.weight.contiguous(),
        None,
        (call.stride, call.stride),
        (call.padding, call.padding),
        (1, 1),
        False,
        (0, 0),
        len(call.weight),
        (*wanted, False),
    )
    return by_image, by_weight
