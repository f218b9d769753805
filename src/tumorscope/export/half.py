"""A graph whose weights are stored in 16 bits: half the file, and answers that are computed in 32 bits as before.

Owns which weights are rounded, and the check that the answers stay what they were. Each rounded tensor is widened by a
``Cast``, which ONNX Runtime does once, when it opens the file: so an answer takes the time that it took. Free of torch.
"""

from __future__ import annotations

import math

import numpy as np

from tumorscope.core.errors import ParityError
from tumorscope.export.parity_images import parity_images
from tumorscope.inference.bundle import BundleBytes
from tumorscope.inference.session import Session

__all__ = ["HALF_TOLERANCE", "with_half_weights"]

HALF_TOLERANCE = 0.01
"""How far a probability may move."""

_SMALLEST = 1024
"""Values of a tensor that is worth a node; norms, biases and calibration have fewer and stay exact."""


def with_half_weights(content: bytes, size: int) -> bytes:
    """Round the weights of a graph to IEEE 754 half precision and check what becomes of its answers.

    Parameters
    ----------
    content
        A serialized ``ModelProto`` with the outputs of a bundle, with or without a card.
    size
        Side of its input in pixels.

    Returns
    -------
    bytes
        The same graph; tensors of ``float32`` with many values are ``float16`` and widened by a ``Cast``.

    Raises
    ------
    ParityError
        If a probability of a phantom or of noise moves by more than :data:`HALF_TOLERANCE`, or is no number any more: a
        weight may lie beyond the range of 16 bits.
    """
    rounded = _rounded(content)
    images = parity_images(size)
    before, after = (
        Session(BundleBytes(each, "the graph", shipped=False)).run(images, ("probabilities",))[0]
        for each in (content, rounded)
    )
    away = float(np.abs(after - before).max())
    if not away <= HALF_TOLERANCE:
        raise ParityError(
            f"with weights in 16 bits a probability moves by {away:.3g}; allowed is {HALF_TOLERANCE:g}; write the "
            "bundle without --half"
        )
    return rounded


def _rounded(content: bytes) -> bytes:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load_model_from_string(content)
    widened = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or math.prod(tensor.dims) < _SMALLEST:
            continue
        name = tensor.name
        with np.errstate(over="ignore"):  # what is out of range is seen in the answers
            half = numpy_helper.to_array(tensor).astype(np.float16)
        tensor.CopyFrom(numpy_helper.from_array(half, f"{name}/half"))
        widened.append(helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
    nodes = [*widened, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    serialized: bytes = model.SerializeToString(deterministic=True)
    return serialized
