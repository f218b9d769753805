"""``/v2``: the KServe V2 inference protocol, for clients that speak it already.

Owns the routes. They take what the network takes, ``uint8 [N, S, S]`` after cropping and resizing; for files there is
``/v1/predictions``. No ``from __future__ import annotations``, as in the other routes.
"""

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from tumorscope.core.labels import CLASS_ORDER
from tumorscope.core.version import __version__
from tumorscope.inference.bundle import INPUT
from tumorscope.serving.kserve import InferRequest, InferResponse, parse, written
from tumorscope.serving.problems import ProblemError, responses
from tumorscope.serving.service import Service
from tumorscope.serving.settings import MIB

__all__ = ["MOST_BYTES", "router"]

MOST_BYTES = 64 * MIB
"""Largest body of an inference request: a thousand images as raw bytes."""

_LENGTH = "Inference-Header-Content-Length"


class ServerMetadata(BaseModel):
    """Who answers."""

    name: str
    version: str
    extensions: list[str]


class TensorMetadata(BaseModel):
    """One tensor; -1 stands for any number."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(BaseModel):
    """What the model takes and gives."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class Live(BaseModel):
    """Whether the server runs."""

    live: bool


class Ready(BaseModel):
    """Whether it would answer."""

    ready: bool


class ModelReady(Ready):
    """Whether the model would answer."""

    name: str


def router(service: Service) -> APIRouter:
    """Make the routes of one server."""
    routes = APIRouter(prefix="/v2", tags=["kserve"])
    facts = service.classifier.facts
    heatmap = -1  # its grid depends on the network

    def known(name: str, version: str | None = None) -> None:
        if name != facts.name or version not in (None, facts.version):
            raise ProblemError(404, f"This server has one model: {facts.name}, version {facts.version}.")

    @routes.get("", summary="The server")
    def server() -> ServerMetadata:
        """Say who answers."""
        return ServerMetadata(name="tumorscope", version=__version__, extensions=["binary_tensor_data"])

    @routes.get("/health/live", summary="Does the server run?")
    def live() -> Live:
        """Say that the process answers."""
        return Live(live=True)

    @routes.get("/health/ready", summary="Would it answer now?", responses=responses(503))
    def ready() -> Ready:
        """Say whether work is taken."""
        if not service.ready:
            raise ProblemError(503, "The server is starting or stopping; ask again.", {"Retry-After": "1"})
        return Ready(ready=True)

    @routes.get("/models/{name}", summary="The model", responses=responses(404))
    @routes.get("/models/{name}/versions/{version}", summary="The model", responses=responses(404))
    def model(name: str, version: str | None = None) -> ModelMetadata:
        """Describe the tensors."""
        known(name, version)
        side, classes = facts.input_size, len(CLASS_ORDER)
        shapes = {
            "logits": [-1, classes],
            "probabilities": [-1, classes],
            "heatmap": [-1, classes, heatmap, heatmap],
            "embedding": [-1, -1],
            "novelty": [-1],
        }
        return ModelMetadata(
            name=facts.name,
            versions=[facts.version],
            platform="onnxruntime_onnx",
            inputs=[TensorMetadata(name=INPUT, datatype="UINT8", shape=[-1, side, side])],
            outputs=[TensorMetadata(name=key, datatype="FP32", shape=shape) for key, shape in shapes.items()],
        )

    @routes.get("/models/{name}/ready", summary="Would the model answer?", responses=responses(404, 503))
    @routes.get(
        "/models/{name}/versions/{version}/ready",
        summary="Would the model answer?",
        responses=responses(404, 503),
    )
    def model_ready(name: str, version: str | None = None) -> ModelReady:
        """Say whether work is taken."""
        known(name, version)
        return ModelReady(name=facts.name, ready=ready().ready)

    body: dict[str, Any] = {
        "required": True,
        "content": {"application/json": {"schema": InferRequest.model_json_schema()}},
    }

    @routes.post(
        "/models/{name}/infer",
        summary="Run the network",
        response_model=InferResponse,
        responses=responses(400, 404, 408, 413, 415, 429, 503),
        openapi_extra={"requestBody": body},
    )
    @routes.post(
        "/models/{name}/versions/{version}/infer",
        summary="Run the network",
        response_model=InferResponse,
        responses=responses(400, 404, 408, 413, 415, 429, 503),
        openapi_extra={"requestBody": body},
    )
    async def infer(request: Request, name: str, version: str | None = None) -> Response:
        """Give the outputs of the graph for images that are prepared already."""
        known(name, version)
        if request.headers.get("content-encoding", "identity") != "identity":
            raise ProblemError(415, "Send the body as it is, without a Content-Encoding.")
        with service.admitted():
            content = await _body(request, service.settings.upload_seconds)
            length = request.headers.get(_LENGTH)
            asked = await asyncio.to_thread(parse, content, length, facts.input_size, service.settings.frames)
            rows = await asyncio.gather(*(service.parts.batcher.ask(image) for image in asked.images))
            answer, json_length = await asyncio.to_thread(written, facts.name, facts.version, asked, rows)
        if json_length is None:
            return Response(answer, media_type="application/json")
        return Response(answer, headers={_LENGTH: str(json_length)}, media_type="application/octet-stream")

    return routes


async def _body(request: Request, seconds: float) -> bytes:
    parts, size = [], 0
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                parts.append(part)
                size += len(part)
                if size > MOST_BYTES:
                    told = f"An inference request has at most {MOST_BYTES // MIB} MiB; send fewer images."
                    raise ProblemError(413, told, {"Connection": "close"})
    except TimeoutError:
        raise ProblemError(408, "The request took too long to arrive.", {"Connection": "close"}) from None
    return b"".join(parts)
