"""What the graph of a bundle tells that its card does not: which novelty score it computes, and its head's weights.

Owns the walk back from an output. A score is recognised by the constants that it is computed from, as exporters of
Tumorscope name them; any other is unknown, and said to be. Runs nothing and needs no package but protobuf.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.labels import CLASS_ORDER
from tumorscope.inference.bundle import BundleBytes
from tumorscope.inference.onnx_schema import FLOAT, parse_model

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto, TensorProto

__all__ = ["UNKNOWN_SCORE", "deep_weights", "novelty_score"]

UNKNOWN_SCORE = "unknown"
"""The name of a score that no exporter of Tumorscope is known to make."""

_MADE_OF = {"look-residual": frozenset({"mean", "scale", "basis"})}


def novelty_score(bundle: BundleBytes) -> str:
    """Name the score behind the output ``novelty``.

    Returns
    -------
    str
        ``look-residual`` (Wang et al., CVPR 2022, on an image's look), or :data:`UNKNOWN_SCORE`.
    """
    names = frozenset(_constants_behind(parse_model(bundle.content).graph, "novelty"))
    return next((score for score, parts in _MADE_OF.items() if parts <= names), UNKNOWN_SCORE)


def deep_weights(bundle: BundleBytes) -> NDArray[np.float32] | None:
    """The weights by which the embedding enters the logits.

    The embedding is the mean over space of the deep features, and the head reads the same features by a kernel of
    1 x 1 without a bias: spreading its evidence over a finer grid and taking the mean changes nothing of the sum.

    Returns
    -------
    numpy.ndarray or None
        ``float32 [4, d]``; ``None`` where the graph has no such head, or holds it in another type of number.
    """
    graph = parse_model(bundle.content).graph
    pooled = next((node for node in graph.node if "embedding" in node.output), None)
    if pooled is None or pooled.op_type not in {"ReduceMean", "GlobalAveragePool"}:
        return None
    weights = {tensor.name: tensor for tensor in graph.initializer}
    found = [tensor for node in graph.node if (tensor := _head(node, pooled.input[0], weights)) is not None]
    return _values(found[0]) if len(found) == 1 else None


def _head(node: NodeProto, features: str, weights: dict[str, TensorProto]) -> TensorProto | None:
    """The kernel of a node that reads the features for each class, if it does."""
    if node.op_type != "Conv" or node.input[0] != features or len(node.input) > 2:
        return None
    tensor = weights.get(node.input[1])
    if tensor is None or len(tensor.dims) != 4:
        return None
    fits = tensor.dims[0] == len(CLASS_ORDER) and list(tensor.dims[2:]) == [1, 1]
    return tensor if fits and tensor.data_type == FLOAT else None


def _values(tensor: TensorProto) -> NDArray[np.float32]:
    values: NDArray[Any] = (
        np.frombuffer(tensor.raw_data, dtype="<f4")
        if tensor.raw_data
        else np.array(tensor.float_data, dtype=np.float32)
    )
    return values.astype(np.float32).reshape(tensor.dims[0], tensor.dims[1])


def _constants_behind(graph: GraphProto, output: str) -> Iterator[str]:
    makers = {name: node for node in graph.node for name in node.output}
    constants = {tensor.name for tensor in graph.initializer}
    ahead, seen = [output], set()
    while ahead:
        name = ahead.pop()
        if name in constants:
            yield name
        elif name in makers and name not in seen:
            seen.add(name)
            ahead.extend(makers[name].input)
