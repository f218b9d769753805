"""The application: routes, pages, errors and guard put together.

Owns :func:`create_app` and what OpenAPI says of all routes alike. Each part lives in a module of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp

from tumorscope.core.prediction import NOTICE
from tumorscope.core.version import __version__
from tumorscope.inference.classifier import Classifier
from tumorscope.serving import (
    pages,
    problems,
    routes_exports,
    routes_kserve,
    routes_pictures,
    routes_predictions,
    routes_service,
)
from tumorscope.serving.schemas import Problem
from tumorscope.serving.security import Guard
from tumorscope.serving.service import Service
from tumorscope.serving.settings import Settings

__all__ = ["create_app"]


def create_app(settings: Settings, classifier: Classifier) -> tuple[ASGIApp, Service]:
    """Put the server together; nothing is started before its lifespan begins.

    Parameters
    ----------
    settings
        Of the server.
    classifier
        The bundle, loaded.

    Returns
    -------
    tuple
        The ASGI application, and what is behind it.
    """
    service = Service(settings, classifier)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await service.start()
        try:
            yield
        finally:
            await service.stop()

    app = _Documented(
        title="Tumorscope",
        version=__version__,
        summary="Reads brain MRI slices: glioma, meningioma, pituitary tumour or no tumour.",
        description=NOTICE,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        max_body_size=settings.body_bytes,
        responses=problems.responses(401, 403, 422),
    )
    problems.install(app)
    for routes in (routes_predictions, routes_pictures, routes_exports, routes_service, routes_kserve):
        app.include_router(routes.router(service))
    pages.install(app, service)
    return Guard(app, service), service


class _Documented(FastAPI):
    """FastAPI whose OpenAPI document knows the shape of problems and how a token is sent."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            components = super().openapi().setdefault("components", {})
            components.setdefault("schemas", {})["Problem"] = Problem.model_json_schema()
            components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        return super().openapi()
