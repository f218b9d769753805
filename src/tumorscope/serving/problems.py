"""The one shape of an error: problem details (RFC 9457), for whatever goes wrong wherever.

Owns the handlers that turn exceptions of the framework, of this project and of nobody's making into it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from tumorscope.core.errors import InvalidBundle, MissingDependency, TumorscopeError
from tumorscope.serving.schemas import Problem

__all__ = ["MEDIA_TYPE", "ProblemError", "install", "problem", "responses"]

MEDIA_TYPE = "application/problem+json"
_LOG = logging.getLogger("tumorscope.serving")

_DETAILS = {
    404: "There is nothing at this address.",
    405: "This address does not know that method; the header Allow lists those that it knows.",
    413: "The request is larger than this server takes; send fewer or smaller files at a time.",
}


class ProblemError(Exception):
    """Raise it for an answer that is a problem."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, dict(headers or {})


def problem(
    status: int, detail: str = "", headers: Mapping[str, str] | None = None, *, path: str = ""
) -> Response:
    """Make the response.

    Parameters
    ----------
    status
        From 400 on.
    detail
        One line: what was received, what is accepted, what to do.
    headers
        To be added.
    path
        What was asked for. Clients of the inference protocol look for a member ``error``, which they get in addition.
    """
    title = HTTPStatus(status).phrase
    document = Problem(title=title, status=status, detail=detail or _DETAILS.get(status, title))
    content = document.model_dump()
    if path.startswith("/v2"):
        content["error"] = document.detail
    return JSONResponse(content, status, headers, MEDIA_TYPE)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe problems for OpenAPI."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
    }


def install(app: FastAPI) -> None:
    """Have every error of an application answered as a problem."""

    @app.exception_handler(ProblemError)
    async def _ours(request: Request, error: ProblemError) -> Response:
        return problem(error.status, error.detail, error.headers, path=request.url.path)

    @app.exception_handler(TumorscopeError)
    async def _project(request: Request, error: TumorscopeError) -> Response:
        if isinstance(error, InvalidBundle):  # no fault of the client's
            return problem(500, "The model failed.", path=request.url.path)
        if isinstance(error, MissingDependency):
            return problem(501, str(error), path=request.url.path)
        return problem(422, " ".join(str(error).split()), path=request.url.path)

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> Response:
        return problem(422, _told(error), path=request.url.path)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        told = "" if error.status_code in _DETAILS else str(error.detail)
        headers = dict(error.headers or {})
        if error.status_code == 413:
            headers["Connection"] = "close"  # the rest of the body is not read
        return problem(error.status_code, told, headers, path=request.url.path)

    @app.exception_handler(Exception)
    async def _unexpected(request: Request, error: Exception) -> Response:
        # The name alone: a message may quote a file.
        _LOG.error("unexpected %s", type(error).__name__)
        return problem(
            500,
            "The server made a mistake; it goes on. The log names the kind of error.",
            path=request.url.path,
        )


def _told(error: RequestValidationError) -> str:
    """The first complaint in one line, without the value that was sent."""
    first = error.errors()[0]
    place = " ".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}"
