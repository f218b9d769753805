"""Is this file a bundle? The checks a stranger's ``.onnx`` passes before anything runs it.

Owns what a bundle may and may not hold: data and standard operators, one valid card, the promised input and
outputs. A bundle is data, never code: references to other files, custom operators and local functions are
refused. Imports protobuf and pydantic, so it is itself imported only for bundles that did not ship with the
package. Knows nothing of ONNX Runtime; what a graph really computes is probed by
:mod:`tumorscope.inference.session`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tumorscope.core.card import CARD_KEY, SCHEMA_VERSION, ModelCard
from tumorscope.core.errors import InvalidBundle
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.inference.bundle import INPUT, OUTPUTS
from tumorscope.inference.onnx_schema import EXTERNAL, FLOAT, UINT8, NotOnnx, data_type_name, parse_model
from tumorscope.preprocess import PREPROCESSING

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, TensorProto, TypeProto

__all__ = ["card_json", "verify"]

_STANDARD_DOMAINS = ("", "ai.onnx")
_RANKS = {"logits": 2, "probabilities": 2, "heatmap": 4, "embedding": 2, "novelty": 1}
_CLASSES = len(CLASS_ORDER)


def verify(content: bytes, name: str) -> ModelCard:
    """Check a file from end to end.

    Parameters
    ----------
    content
        The bytes of the file.
    name
        What to call it in messages.

    Returns
    -------
    ModelCard
        The validated card.

    Raises
    ------
    InvalidBundle
        Naming the first broken promise.
    """
    model = _parse(content, name)
    _refuse_code(model, name)
    _refuse_external_data(model, name)
    card = _card(model, name)
    _check_input(model.graph, card.input_size, name)
    _check_outputs(model.graph, name)
    return card


def card_json(content: bytes, name: str) -> str:
    """Read the text of the card out of a bundle; raises as :func:`verify`."""
    return _card_text(_parse(content, name), name)


def _parse(content: bytes, name: str) -> ModelProto:
    try:
        model = parse_model(content)
    except NotOnnx as error:
        raise InvalidBundle(f"{name}: this is not an ONNX file; give a Tumorscope bundle (.onnx)") from error
    if not model.ir_version or not model.graph.node:
        raise InvalidBundle(
            f"{name}: this is not an ONNX model with a graph; give a Tumorscope bundle (.onnx)"
        )
    return model


def _refuse_code(model: ModelProto, name: str) -> None:
    domains = {opset.domain for opset in model.opset_import}
    domains.update(node.domain for graph in _graphs(model.graph) for node in graph.node)
    if model.functions or model.training_info:
        raise InvalidBundle(
            f"{name}: the model holds local functions or training graphs; a bundle holds one plain graph"
        )
    for domain in sorted(domains - set(_STANDARD_DOMAINS)):
        raise InvalidBundle(
            f"{name}: the model asks for operators of the domain {domain!r}; "
            "a bundle uses standard ONNX operators only"
        )


def _refuse_external_data(model: ModelProto, name: str) -> None:
    for tensor in _tensors(model.graph):
        if tensor.data_location == EXTERNAL or tensor.external_data:
            raise InvalidBundle(
                f"{name}: the tensor {tensor.name!r} refers to data in another file; "
                "a bundle holds all its weights itself"
            )


def _graphs(graph: GraphProto) -> Iterator[GraphProto]:
    """The graph and every graph nested in it (branches and loop bodies)."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for nested in (attribute.g, *attribute.graphs):
                if nested.node or nested.initializer:
                    yield from _graphs(nested)


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    for part in _graphs(graph):
        yield from part.initializer
        for sparse in part.sparse_initializer:
            yield from (sparse.values, sparse.indices)
        for node in part.node:
            for attribute in node.attribute:
                yield from (attribute.t, *attribute.tensors)
                for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                    yield from (sparse.values, sparse.indices)


def _card_text(model: ModelProto, name: str) -> str:
    texts = [str(entry.value) for entry in model.metadata_props if entry.key == CARD_KEY]
    if len(texts) != 1:
        found = "no model card" if not texts else f"{len(texts)} model cards"
        raise InvalidBundle(
            f"{name}: an ONNX model, but with {found} ({CARD_KEY!r} in its metadata); "
            "make bundles with 'tumorscope export'"
        )
    return texts[0]


def _card(model: ModelProto, name: str) -> ModelCard:
    from pydantic import ValidationError

    text = _card_text(model, name)
    try:
        card = ModelCard.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the document"
        if place == "schema_version":
            raise InvalidBundle(f"{name}: {_other_schema(text)}") from error
        raise InvalidBundle(f"{name}: its model card is not valid: {place}: {first['msg']}") from error
    if card.class_order != tuple(key.value for key in CLASS_ORDER):
        raise InvalidBundle(
            f"{name}: its classes are {', '.join(card.class_order)}; "
            f"the order {', '.join(key.value for key in CLASS_ORDER)} is expected"
        )
    if card.preprocessing != PREPROCESSING:
        raise InvalidBundle(
            f"{name}: it was trained with preprocessing {card.preprocessing!r}, and this tumorscope has "
            f"{PREPROCESSING!r}; use the matching version or export the bundle again"
        )
    if card.thresholds.default_coverage not in card.thresholds.conformal:
        raise InvalidBundle(
            f"{name}: its card names the default coverage {card.thresholds.default_coverage!r} "
            "but has no quantiles for it"
        )
    return card


def _other_schema(card: str) -> str:
    """What is wrong with a card of another schema version, and what to do about it."""
    found = json.loads(card).get("schema_version")
    is_newer = isinstance(found, int) and found > SCHEMA_VERSION
    remedy = (
        "update tumorscope"
        if is_newer
        else "export the bundle again with 'tumorscope export RUN', or use the version of tumorscope that made it"
    )
    return (
        f"its card has schema version {str(found)[:20]}; this tumorscope reads schema version {SCHEMA_VERSION}; "
        f"{remedy}"
    )


def _check_input(graph: GraphProto, size: int, name: str) -> None:
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    if [value.name for value in inputs] != [INPUT]:
        found = ", ".join(value.name for value in inputs) or "none"
        raise InvalidBundle(f"{name}: its inputs are {found}; one input {INPUT!r} is expected")
    tensor = inputs[0].type.tensor_type
    dimensions = _dimensions(tensor)
    if tensor.elem_type != UINT8 or dimensions != [None, size, size]:
        raise InvalidBundle(
            f"{name}: its input is {_describe(tensor)}; uint8 [N, {size}, {size}] is expected by its card"
        )


def _check_outputs(graph: GraphProto, name: str) -> None:
    outputs = {value.name: value.type.tensor_type for value in graph.output}
    missing = [key for key in OUTPUTS if key not in outputs]
    if missing:
        raise InvalidBundle(
            f"{name}: the output {missing[0]!r} is missing; a bundle has the outputs {', '.join(OUTPUTS)}"
        )
    for key, rank in _RANKS.items():
        tensor = outputs[key]
        dimensions = _dimensions(tensor)
        classes = rank == 1 or key == "embedding"
        if dimensions is not None and len(dimensions) == rank:
            classes = classes or dimensions[1] in (None, _CLASSES)
            if tensor.elem_type == FLOAT and classes and dimensions[0] is None:
                continue
        raise InvalidBundle(
            f"{name}: its output {key!r} is {_describe(tensor)}; {_PROMISED[key]} is expected"
        )


_PROMISED = {
    "logits": f"float [N, {_CLASSES}]",
    "probabilities": f"float [N, {_CLASSES}]",
    "heatmap": f"float [N, {_CLASSES}, h, w]",
    "embedding": "float [N, d]",
    "novelty": "float [N]",
}


def _dimensions(tensor: TypeProto.Tensor) -> list[int | None] | None:
    """The declared shape, ``None`` for a free dimension; ``None`` where there is no shape at all."""
    if not tensor.HasField("shape"):
        return None
    return [part.dim_value if part.HasField("dim_value") else None for part in tensor.shape.dim]


def _describe(tensor: TypeProto.Tensor) -> str:
    kind = data_type_name(tensor.elem_type)
    dimensions = _dimensions(tensor)
    if dimensions is None:
        return f"{kind} without a shape"
    return f"{kind} [{', '.join('N' if size is None else str(size) for size in dimensions)}]"
