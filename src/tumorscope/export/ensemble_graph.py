"""Several bundles' graphs in one, which answers with their mean.

Owns the merged graph and the check that it says what its members say. Logits are averaged, not probabilities: a logit
is the sum of its heat-map and a constant, and the mean keeps it so, while the logarithm of a mean probability is no sum
over places. So the answer is the normalised geometric mean of the members' probabilities. Knows nothing of cards.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import InvalidBundle, ParityError
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.evaluation.calibration import Scaling
from tumorscope.evaluation.metrics import softmax
from tumorscope.export.parity_images import TOLERANCE, parity_images
from tumorscope.inference.bundle import INPUT, MAX_BUNDLE_BYTES, OUTPUTS, BundleBytes
from tumorscope.inference.session import Session
from tumorscope.models.grid import shares

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

__all__ = ["check_mean", "merge", "milliseconds"]

_TIMED_RUNS = 9


def merge(
    contents: Sequence[bytes], size: int, calibration: Scaling, novelty_scales: Sequence[float]
) -> bytes:
    """Put graphs side by side under one input and take the mean of their answers.

    Parameters
    ----------
    contents
        Bundles that passed their checks.
    size
        Side of their input in pixels.
    calibration
        What is done to the mean logits before softmax.
    novelty_scales
        For each member the novelty that counts as 1, above 0: members measure it in units of their own.

    Returns
    -------
    bytes
        A serialized ``ModelProto`` without a card. The heat-map has the finest grid of the members, the embedding is
        theirs one after another.

    Raises
    ------
    InvalidBundle
        If the graphs are of different versions of ONNX, or too large together.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    models = [onnx.load_model_from_string(content) for content in contents]
    opset = _opset(models)
    nodes: list[Any] = []
    constants: list[Any] = []
    embeddings = [_shape(model.graph, "embedding")[1] for model in models]
    side = max(_shape(model.graph, "heatmap")[3] for model in models)
    maps, novelties = [], []

    def constant(name: str, values: NDArray[Any]) -> str:
        constants.append(numpy_helper.from_array(values.astype(np.float32), name))
        return name

    for k, (model, scale) in enumerate(zip(models, novelty_scales, strict=True)):
        own = f"member{k}/"
        cells = _shape(model.graph, "heatmap")[3]
        part = onnx.compose.add_prefix(model, own).graph
        nodes += [helper.make_node("Identity", [INPUT], [own + INPUT]), *part.node]
        constants += part.initializer
        if cells == side:
            maps.append(own + "heatmap")
        else:
            # Of four axes, lest they be taken for the weights of four classes.
            down = shares(cells, side)[None, None]
            nodes += [
                helper.make_node("MatMul", [constant(own + "down", down), own + "heatmap"], [own + "tall"]),
                helper.make_node(
                    "MatMul",
                    [own + "tall", constant(own + "across", down.transpose(0, 1, 3, 2))],
                    [own + "fine"],
                ),
            ]
            maps.append(own + "fine")
        factor = constant(own + "novelty_factor", np.array(1.0 / scale))
        nodes.append(helper.make_node("Mul", [own + "novelty", factor], [own + "relative"]))
        novelties.append(own + "relative")
    every = [f"member{k}/" for k in range(len(models))]
    nodes += [
        helper.make_node("Mean", [own + "logits" for own in every], ["logits"]),
        helper.make_node("Mul", ["logits", constant("scale", calibration.scale)], ["scaled"]),
        helper.make_node("Add", ["scaled", constant("bias", calibration.bias)], ["calibrated"]),
        helper.make_node("Softmax", ["calibrated"], ["probabilities"], axis=1),
        helper.make_node("Mean", maps, ["heatmap"]),
        helper.make_node("Concat", [own + "embedding" for own in every], ["embedding"], axis=1),
        helper.make_node("Mean", novelties, ["novelty"]),
    ]
    shapes: dict[str, list[str | int]] = {
        "logits": ["N", len(CLASS_ORDER)],
        "probabilities": ["N", len(CLASS_ORDER)],
        "heatmap": ["N", len(CLASS_ORDER), side, side],
        "embedding": ["N", sum(embeddings)],
        "novelty": ["N"],
    }
    graph = helper.make_graph(
        nodes,
        "ensemble",
        [helper.make_tensor_value_info(INPUT, TensorProto.UINT8, ["N", size, size])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shapes[name]) for name in OUTPUTS],
        constants,
    )
    merged = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", opset)],
        ir_version=max(model.ir_version for model in models),
    )
    if merged.ByteSize() > MAX_BUNDLE_BYTES:
        raise InvalidBundle(
            f"{len(models)} members have {merged.ByteSize() >> 20} MiB together; a bundle may have "
            f"{MAX_BUNDLE_BYTES >> 20} MiB: take fewer, or distil them into one"
        )
    content: bytes = merged.SerializeToString(deterministic=True)
    return content


def check_mean(
    content: bytes,
    contents: Sequence[bytes],
    size: int,
    calibration: Scaling,
    novelty_scales: Sequence[float],
) -> None:
    """Compare a merged graph with its members, each run alone, on phantoms and noise.

    Parameters
    ----------
    content
        What :func:`merge` gave.
    contents, size, calibration, novelty_scales
        What it was given.

    Raises
    ------
    ParityError
        If an output differs by more than 1e-4 absolute plus 1e-4 relative from the mean of the members.
    """
    images = parity_images(size)
    answers = [dict(zip(OUTPUTS, _session(member).run(images, OUTPUTS), strict=True)) for member in contents]
    said = dict(zip(OUTPUTS, _session(content).run(images, OUTPUTS), strict=True))
    side = said["heatmap"].shape[2]
    logits = np.mean([each["logits"].astype(np.float64) for each in answers], axis=0)
    maps = []
    for each in answers:
        weights = shares(each["heatmap"].shape[2], side)
        maps.append(weights @ each["heatmap"].astype(np.float64) @ weights.T)
    relative = [each["novelty"] / scale for each, scale in zip(answers, novelty_scales, strict=True)]
    expected = {
        "logits": logits,
        "probabilities": softmax(calibration.apply(logits)),
        "heatmap": np.mean(maps, axis=0),
        "embedding": np.concatenate([each["embedding"] for each in answers], axis=1),
        "novelty": np.mean(relative, axis=0),
    }
    for name, reference in expected.items():
        away = np.abs(said[name] - reference)
        if not (away <= TOLERANCE + TOLERANCE * np.abs(reference)).all():
            raise ParityError(
                f"output {name!r} of the ensemble differs from the mean of its members by {away.max():.2e}; allowed "
                f"are {TOLERANCE:g} absolute plus {TOLERANCE:g} relative; the bundle was not written"
            )


def milliseconds(content: bytes, size: int) -> float:
    """Median time of an answer for one image, on one thread of this processor, warm."""
    session = _session(content, threads=1)
    image = parity_images(size, per_class=1)[:1]
    taken = []
    for _ in range(_TIMED_RUNS + 1):
        start = time.perf_counter()
        session.run(image, ("probabilities", "heatmap", "novelty"))
        taken.append(time.perf_counter() - start)
    return float(np.median(taken[1:]) * 1e3)


def _session(content: bytes, threads: int | None = None) -> Session:
    return Session(BundleBytes(content, "the ensemble", shipped=False), threads=threads)


def _opset(models: Sequence[ModelProto]) -> int:
    """The version of the standard's operators that all are written in."""
    found: list[int] = sorted(
        {entry.version for model in models for entry in model.opset_import if entry.domain == ""}
    )
    if len(found) != 1:
        raise InvalidBundle(
            f"the members are written in ONNX operator sets {', '.join(map(str, found))}; export them again with one "
            "version of tumorscope"
        )
    return found[0]


def _shape(graph: GraphProto, output: str) -> list[int]:
    """Dimensions of an output; 0 for a free one."""
    found = next(value for value in graph.output if value.name == output)
    return [dimension.dim_value for dimension in found.type.tensor_type.shape.dim]
