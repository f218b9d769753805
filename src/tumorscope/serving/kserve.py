"""Tensors in the form of the KServe V2 inference protocol (Open Inference Protocol), as JSON and as raw bytes.

Owns the reading of a request's one input and the writing of outputs, with the binary extension: after the JSON come the
raw little-endian values, and the header ``Inference-Header-Content-Length`` tells where the JSON ends. Knows no HTTP
framework. https://github.com/kserve/open-inference-protocol
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tumorscope.inference.bundle import INPUT, OUTPUTS
from tumorscope.serving.problems import ProblemError

__all__ = ["InferRequest", "InferResponse", "Inference", "parse", "written"]

Parameters = dict[str, Any]


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore")


class InputTensor(_Lenient):
    """The images."""

    name: Literal["image"]
    shape: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=3, max_length=3)]
    datatype: Literal["UINT8"]
    parameters: Parameters = {}
    data: list[Any] | None = Field(None, description="Values from 0 to 255, flat or nested.")


class RequestedOutput(_Lenient):
    """An output that is wanted."""

    name: Literal["logits", "probabilities", "heatmap", "embedding", "novelty"]
    parameters: Parameters = {}


class InferRequest(_Lenient):
    """What a client asks."""

    id: str | None = None
    parameters: Parameters = {}
    inputs: Annotated[list[InputTensor], Field(min_length=1, max_length=1)]
    outputs: list[RequestedOutput] | None = None


class OutputTensor(BaseModel):
    """One output."""

    name: str
    shape: list[int]
    datatype: Literal["FP32"] = "FP32"
    parameters: Parameters | None = None
    data: list[float] | None = None


class InferResponse(BaseModel):
    """What the model says."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[OutputTensor]


@dataclass(frozen=True, slots=True)
class Inference:
    """A request that was understood.

    Parameters
    ----------
    images
        ``uint8 [N, S, S]``.
    outputs
        Names of the outputs, each with whether its values are sent as raw bytes.
    id
        The client's own name for it.
    """

    images: NDArray[np.uint8]
    outputs: Sequence[tuple[str, bool]]
    id: str | None


def parse(body: bytes, header_length: str | None, size: int, most: int) -> Inference:
    """Understand a request.

    Parameters
    ----------
    body
        JSON, and raw bytes behind it.
    header_length
        The value of ``Inference-Header-Content-Length``; ``None`` where all is JSON.
    size
        Side of the network's input in pixels.
    most
        Most images.

    Raises
    ------
    ProblemError
        400 where the request is not of the protocol, or not one this model takes.
    """
    length = len(body)
    if header_length is not None:
        if not (header_length.isascii() and header_length.isdigit()) or int(header_length) > len(body):
            raise ProblemError(400, "Inference-Header-Content-Length is not a length within the body.")
        length = int(header_length)
    try:
        request = InferRequest.model_validate_json(body[:length])
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ProblemError(
            400, f"The request is not one of the inference protocol: {place}: {first['msg']}."
        ) from None
    tensor = request.inputs[0]
    count, *sides = tensor.shape
    if sides != [size, size] or not 1 <= count <= most:
        told = f"[N, {size}, {size}] with N from 1 to {most} is taken"
        raise ProblemError(400, f"The input '{INPUT}' has the shape {tensor.shape}; {told}.")
    images = _values(tensor, body[length:])
    if images.size != count * size * size:
        told = f"The input has {images.size} values; its shape needs {count * size * size}."
        raise ProblemError(400, told)
    return Inference(images.reshape(count, size, size), _wanted(request), request.id)


def written(model: str, version: str, asked: Inference, rows: Sequence[Any]) -> tuple[bytes, int | None]:
    """Write the response.

    Parameters
    ----------
    model, version
        Names.
    asked
        The request.
    rows
        The outputs of the graph for each image, by name.

    Returns
    -------
    tuple
        The body, and the length of its JSON where raw bytes follow.
    """
    outputs, raw = [], b""
    for name, binary in asked.outputs:
        values = np.stack([np.asarray(row[name], dtype="<f4") for row in rows])
        tensor: dict[str, Any] = {"name": name, "datatype": "FP32", "shape": list(values.shape)}
        if binary:
            content = values.tobytes()
            tensor["parameters"] = {"binary_data_size": len(content)}
            raw += content
        else:
            tensor["data"] = values.ravel().tolist()
        outputs.append(tensor)
    document = {"model_name": model, "model_version": version, "outputs": outputs}
    if asked.id is not None:
        document["id"] = asked.id
    text = json.dumps(document).encode()
    return text + raw, len(text) if any(binary for _, binary in asked.outputs) else None


def _values(tensor: InputTensor, raw: bytes) -> NDArray[np.uint8]:
    size = tensor.parameters.get("binary_data_size")
    if size is not None:
        if size != len(raw):
            raise ProblemError(400, f"binary_data_size is {size!r:.20}; {len(raw)} bytes follow the JSON.")
        return np.frombuffer(raw, np.uint8)
    if tensor.data is None:
        raise ProblemError(400, "The input has neither 'data' nor 'binary_data_size'.")
    try:
        values = np.asarray(tensor.data)
    except ValueError:
        values = np.empty(0, object)
    if values.dtype.kind not in "iu" or (values.size and (values.min() < 0 or values.max() > 255)):
        raise ProblemError(400, "The input's 'data' are whole numbers from 0 to 255, flat or nested evenly.")
    return values.astype(np.uint8)


def _wanted(request: InferRequest) -> list[tuple[str, bool]]:
    everywhere = request.parameters.get("binary_data_output") is True
    if not request.outputs:
        return [(name, everywhere) for name in OUTPUTS]
    return [(one.name, one.parameters.get("binary_data", everywhere) is True) for one in request.outputs]
