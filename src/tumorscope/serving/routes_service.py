"""``/v1/model``, ``/v1/health`` and ``/metrics``: what a person or a watchdog asks about the server itself.

No ``from __future__ import annotations``, as in the other routes.
"""

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel
from starlette.responses import Response

from tumorscope.core.card import ModelCard
from tumorscope.serving.problems import ProblemError, responses
from tumorscope.serving.service import Service

__all__ = ["router"]


class Health(BaseModel):
    """Whether all is well."""

    status: str


def router(service: Service) -> APIRouter:
    """Make the routes of one server."""
    routes = APIRouter()
    card = service.classifier.card

    @routes.get("/v1/model", tags=["model"], summary="The model card")
    def model() -> ModelCard:
        """Give the card that travels in the bundle: data, figures, thresholds, limits, licences."""
        return card

    @routes.get("/v1/health/live", tags=["health"], summary="Does the server run?")
    def live() -> Health:
        """Say that the process answers."""
        return Health(status="live")

    @routes.get("/v1/health/ready", tags=["health"], summary="Would it answer now?", responses=responses(503))
    def ready() -> Health:
        """Say whether predictions are taken: not while the server starts or stops."""
        if not service.ready:
            raise ProblemError(503, "The server is starting or stopping; ask again.", {"Retry-After": "1"})
        return Health(status="ready")

    @routes.get(
        "/metrics",
        tags=["health"],
        summary="Counters for Prometheus",
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}}},
    )
    def metrics() -> Response:
        """Give counters in the text format of Prometheus."""
        return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    return routes
