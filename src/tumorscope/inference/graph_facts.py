"""What the graph of a bundle tells that its card does not: the weights of its head.

Owns the walk back from an output. Runs nothing and needs no package but protobuf.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.labels import CLASS_ORDER
from tumorscope.inference.bundle import BundleBytes
from tumorscope.inference.onnx_schema import FLOAT, parse_model

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

__all__ = ["deep_weights"]


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
