"""Does the map depend on what the network learnt? The bundle with the weights of its head shuffled.

A map that stays the same when the weights are random shows the image, not the answer (Adebayo et al., "Sanity checks
for saliency maps", NeurIPS 2018). The head's weights are an initialiser of the graph: they are found by walking back
from the output ``heatmap``, and shuffled in the parsed file. Nothing is written to disk and no torch is needed.

Owns the shuffled bundle and the correlation of two maps.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import InvalidBundle
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.core.optional import require
from tumorscope.inference.bundle import BundleBytes
from tumorscope.inference.onnx_schema import parse_model

if TYPE_CHECKING:
    from onnx import GraphProto, TensorProto

__all__ = ["rank_correlation", "with_shuffled_head"]

_SEE_THROUGH = {"Cast", "DequantizeLinear", "Identity", "Reshape", "Transpose"}
"""What may stand between a weight and its use without making it another weight."""


def with_shuffled_head(bundle: BundleBytes, seed: int = 0) -> BundleBytes:
    """Shuffle the weights that turn features into evidence, over classes and channels.

    Parameters
    ----------
    bundle
        Bytes that passed their checks.
    seed
        Of the shuffle; the same seed gives the same bytes.

    Returns
    -------
    BundleBytes
        For a session that is compared with; never one to answer with.

    Raises
    ------
    InvalidBundle
        If no weights of four classes stand between the input and the heat-map.
    """
    model = parse_model(bundle.content)
    rng = np.random.Generator(np.random.Philox(seed))
    weights = list(_head_weights(model.graph))
    if not weights:
        raise InvalidBundle(
            f"{bundle.name}: no weights of {len(CLASS_ORDER)} classes lead to its heat-map; "
            "the check against random weights needs a head whose weights are in the graph"
        )
    for tensor in weights:
        _shuffle(tensor, rng)
    return BundleBytes(model.SerializeToString(), f"{bundle.name} with a shuffled head", shipped=False)


def rank_correlation(maps: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.float64]:
    """Spearman's correlation of each map with its other.

    Parameters
    ----------
    maps, others
        ``float [N, h, w]``.

    Returns
    -------
    numpy.ndarray
        ``float64 [N]`` in [-1, 1]; 0 where one of the two is constant, which says nothing of the other.

    Raises
    ------
    MissingDependency
        If SciPy is not installed.
    """
    stats = require("scipy.stats", extra="evaluate", purpose="the check against random weights")
    one, two = (stats.rankdata(each.reshape(len(each), -1), axis=1) for each in (maps, others))
    one, two = one - one.mean(axis=1, keepdims=True), two - two.mean(axis=1, keepdims=True)
    spread = np.sqrt((one**2).sum(axis=1) * (two**2).sum(axis=1))
    together = (one * two).sum(axis=1)
    return np.asarray(np.divide(together, spread, out=np.zeros_like(together), where=spread > 0))


def _head_weights(graph: GraphProto) -> Iterator[TensorProto]:
    """The first weights with a class axis on every way back from the heat-map."""
    initializers = {tensor.name: tensor for tensor in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}
    ahead, seen = ["heatmap"], set()
    while ahead:
        name = ahead.pop()
        node = makers.get(name)
        if node is None or name in seen:
            continue
        seen.add(name)
        found = [
            tensor
            for entry in node.input
            if (tensor := _weight_behind(entry, initializers, makers)) is not None and _has_classes(tensor)
        ]
        if found:
            yield from found
        else:
            ahead.extend(node.input)


def _weight_behind(name: str, initializers: dict[str, Any], makers: dict[str, Any]) -> TensorProto | None:
    while name not in initializers:
        node = makers.get(name)
        if node is None or node.op_type not in _SEE_THROUGH:
            return None
        name = node.input[0]
    tensor: TensorProto = initializers[name]
    return tensor


def _has_classes(tensor: TensorProto) -> bool:
    """A matrix or kernel with one axis of four at its beginning; a bias or a shape has no second axis."""
    classes = len(CLASS_ORDER)
    return len(tensor.dims) >= 2 and classes in tensor.dims[:2] and prod(tensor.dims) > classes


def _shuffle(tensor: TensorProto, rng: np.random.Generator) -> None:
    """Any type of number: the values are moved as they lie in the file."""
    order = rng.permutation(prod(tensor.dims))
    if tensor.raw_data:
        values = np.frombuffer(tensor.raw_data, dtype=np.uint8).reshape(len(order), -1)
        tensor.raw_data = values[order].tobytes()
        return
    for field in ("float_data", "int32_data", "double_data"):
        held = getattr(tensor, field)
        if len(held) == len(order):
            held[:] = [held[k] for k in order]
            return
