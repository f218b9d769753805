"""A graph whose weights are stored in fewer bits: a smaller file, and answers that are computed in 32 bits as before.

Owns which weights are rounded to what, and the check that the answers stay what they were. Nodes over constants alone
widen each rounded tensor; ONNX Runtime computes them once, when it opens the file, so an answer takes the time that it
took. Free of torch.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tumorscope.core.errors import ParityError
from tumorscope.core.weight_type import WeightType
from tumorscope.export.parity_images import parity_images
from tumorscope.inference.bundle import BundleBytes
from tumorscope.inference.session import Session

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto, TensorProto

__all__ = ["TOLERANCES", "stored_as"]

TOLERANCES = {WeightType.FLOAT16: 0.01, WeightType.INT8: 0.02}
"""How far a probability may move."""

_WORTH_A_NODE = 1024
"""Values of a tensor; norms, most biases and calibration have fewer and stay exact."""

_WORTH_A_SCALE = 100_000
"""Values of a convolution that is rounded to 8 bits. The many small ones hold little and are harmed most."""

_LARGEST = 127
_SCALE = "/scale"


def stored_as(kind: WeightType, content: bytes, size: int) -> bytes:
    """Round the weights of a graph and check what becomes of its answers.

    Parameters
    ----------
    kind
        What to round to: IEEE 754 half precision, or beside that symmetric 8 bits with one scale a filter
        (Krishnamoorthi, "Quantizing deep convolutional networks for efficient inference", 2018, section 3.1) for large
        convolutions.
    content
        A serialized ``ModelProto`` with the outputs of a bundle, with or without a card.
    size
        Side of its input in pixels.

    Returns
    -------
    bytes
        The same graph, and the same bytes for ``float32``.

    Raises
    ------
    ParityError
        If a probability of a phantom or of noise moves by more than :data:`TOLERANCES` allows, or is no number any
        more: a weight may lie beyond the range of 16 bits.
    """
    if kind is WeightType.FLOAT32:
        return content
    rounded = _rounded(content, kind)
    images = parity_images(size)
    before, after = (
        Session(BundleBytes(each, "the graph", shipped=False)).run(images, ("probabilities",))[0]
        for each in (content, rounded)
    )
    away = float(np.abs(after - before).max())
    if not away <= TOLERANCES[kind]:
        raise ParityError(
            f"with weights in {kind} a probability moves by {away:.3g}; allowed is {TOLERANCES[kind]:g}; write the "
            f"bundle with --weight-type {'float16 or ' if kind is WeightType.INT8 else ''}float32"
        )
    return rounded


def _rounded(content: bytes, kind: WeightType) -> bytes:
    import onnx

    model = onnx.load_model_from_string(content)
    graph = model.graph
    filters = _filters(graph) if kind is WeightType.INT8 else frozenset()
    widening: list[NodeProto] = []
    for tensor in list(graph.initializer):
        values = math.prod(tensor.dims)
        if tensor.data_type != onnx.TensorProto.FLOAT or values < _WORTH_A_NODE:
            continue
        if tensor.name in filters and values >= _WORTH_A_SCALE:
            widening += _to_8_bits(graph, tensor)
        elif not tensor.name.endswith(_SCALE):
            widening += _to_16_bits(tensor)
    nodes = [*widening, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    serialized: bytes = model.SerializeToString(deterministic=True)
    return serialized


def _filters(graph: GraphProto) -> frozenset[str]:
    """Names of what convolutions use as their weights, the filters along the first axis."""
    return frozenset(node.input[1] for node in graph.node if node.op_type == "Conv")


def _to_16_bits(tensor: TensorProto) -> list[NodeProto]:
    from onnx import TensorProto, helper, numpy_helper

    name = tensor.name
    with np.errstate(over="ignore"):  # what is out of range is seen in the answers
        half = numpy_helper.to_array(tensor).astype(np.float16)
    tensor.CopyFrom(numpy_helper.from_array(half, f"{name}/half"))
    return [helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT)]


def _to_8_bits(graph: GraphProto, tensor: TensorProto) -> list[NodeProto]:
    # Not DequantizeLinear, which ONNX Runtime would not compute beforehand but anew for each answer.
    from onnx import TensorProto, helper, numpy_helper

    name, weights = tensor.name, numpy_helper.to_array(tensor)
    largest = np.abs(weights).max(axis=tuple(range(1, weights.ndim)), keepdims=True)
    scale = np.where(largest > 0, largest / _LARGEST, 1).astype(np.float32)
    whole = np.rint(weights / scale).astype(np.int8)
    tensor.CopyFrom(numpy_helper.from_array(whole, f"{name}/int8"))
    graph.initializer.append(numpy_helper.from_array(scale, name + _SCALE))
    return [
        helper.make_node("Cast", [tensor.name], [f"{name}/wide"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{name}/wide", name + _SCALE], [name]),
    ]
