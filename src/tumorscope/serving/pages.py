"""What a browser opens: the reading room, the API's documentation, the model card.

Owns the Content-Security-Policy of pages with a style sheet inside: its hash, and nothing else. The reading room itself
lies in ``web/``.
"""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

from fastapi import FastAPI
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from tumorscope.serving.documentation import documentation_page
from tumorscope.serving.problems import responses
from tumorscope.serving.service import Service

__all__ = ["WEB", "install"]

WEB = Path(__file__).parent / "web"
_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)


def install(app: FastAPI, service: Service) -> None:
    """Add the pages to an application."""

    @app.get("/", include_in_schema=False)
    def reading_room() -> FileResponse:
        return FileResponse(WEB / "index.html", headers={"Cache-Control": "no-cache"})

    @app.get("/favicon.ico", include_in_schema=False)
    def icon() -> FileResponse:
        return FileResponse(WEB / "icon.svg", media_type="image/svg+xml")

    @app.get("/docs", include_in_schema=False)
    def documentation() -> Response:
        return _page(documentation_page(app.openapi()))

    @app.get(
        "/v1/model/card.html",
        tags=["model"],
        summary="The model card as a page",
        response_class=HTMLResponse,
        responses=responses(501),
    )
    def card() -> Response:
        """Give the card as a person reads it: figures, limits, data, thresholds, licences."""
        from tumorscope.reporting.card_page import card_page

        return _page(card_page(service.classifier.card))

    app.mount("/static", _Static(directory=WEB), name="static")


class _Static(StaticFiles):
    """Files that a browser asks about again each time, and gets again only where they changed."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        response.headers["Cache-Control"] = "no-cache"
        return response


def _page(html: str) -> Response:
    digests = (hashlib.sha256(style.encode()).digest() for style in _STYLE.findall(html))
    hashes = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    policy = (
        f"default-src 'none'; style-src {hashes}; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    return HTMLResponse(html, headers={"Content-Security-Policy": policy})
