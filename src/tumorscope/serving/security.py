"""What stands before every route: who may ask, how much may be sent, and which headers go with every answer.

Owns the token, the names of this host, the declared length, the security headers, the access log. The log holds method,
route, status, bytes and time: no address, no file name, no query. Knows no route.
"""

from __future__ import annotations

import hmac
import logging
import time
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tumorscope.serving.problems import problem
from tumorscope.serving.service import Service

__all__ = ["CONTENT_SECURITY_POLICY", "Guard", "is_loopback"]

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "no-store",
}
_OPEN = ("/static/", "/v1/health/", "/v2/health/")
_OPEN_EXACTLY = frozenset({"/", "/favicon.ico", "/docs", "/openapi.json"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_LOG = logging.getLogger("tumorscope.serving")
_ACCESS = logging.getLogger("tumorscope.access")


def is_loopback(host: str) -> bool:
    """Whether an address or name can be reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Guard:
    """The outermost application.

    Parameters
    ----------
    app
        Everything else.
    service
        For settings and metrics.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service
        self._settings = service.settings
        self._token = self._settings.token.encode() if self._settings.token else None
        # A page of another site can make its name lead to 127.0.0.1; where no token is asked for, names are looked at.
        self._only_local_names = self._token is None and is_loopback(self._settings.host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it here."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        started, status, sent = time.perf_counter(), 0, 0

        async def answer(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                self._add_headers(MutableHeaders(raw=message["headers"]))
            elif message["type"] == "http.response.body":
                sent += len(message.get("body", b""))
            await send(message)

        try:
            refusal = self._refusal(scope, Headers(scope=scope))
            await (refusal or self._app)(scope, receive, answer)
        except Exception as error:
            # The name alone: a message may quote a file.
            _LOG.error("unexpected %s", type(error).__name__)
            if not status:
                await problem(500, path=scope["path"])(scope, receive, answer)
        finally:
            self._count(scope, status or 499, sent, time.perf_counter() - started)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        host = headers.get("host", "")
        if self._only_local_names and not is_loopback(_name(host)):
            return problem(
                403, "This server answers to localhost and 127.0.0.1 alone; ask it under that name."
            )
        if not _is_same_site(headers.get("origin"), host):
            return problem(403, "This server answers no other site's pages.")
        if headers.get("sec-fetch-site") == "cross-site" and scope["method"] not in ("GET", "HEAD"):
            return problem(403, "This server answers no other site's pages.")
        if self._token is not None and not self._is_open(scope["path"]):
            kind, _, given = headers.get("authorization", "").partition(" ")
            if kind.lower() != "bearer" or not hmac.compare_digest(
                given.strip().encode("latin-1"), self._token
            ):
                told = "This server asks for a token: send the header 'Authorization: Bearer TOKEN'."
                return problem(401, told, {"WWW-Authenticate": "Bearer"}, path=scope["path"])
        length = headers.get("content-length", "0")
        if length.isascii() and length.isdigit() and int(length) > self._settings.body_bytes:
            return problem(413, headers={"Connection": "close"}, path=scope["path"])
        return None

    def _is_open(self, path: str) -> bool:
        return path in _OPEN_EXACTLY or path.startswith(_OPEN)

    def _add_headers(self, headers: MutableHeaders) -> None:
        for name, value in _HEADERS.items():
            headers.setdefault(name, value)
        if self._settings.certificate is not None:
            headers["Strict-Transport-Security"] = "max-age=31536000"

    def _count(self, scope: Scope, status: int, sent: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "other")
        method = (
            scope["method"] if scope["method"] in _METHODS else "other"
        )  # a client may make up any number of them
        self._service.metrics.requests.labels(method, route, status).inc()
        self._service.metrics.seconds.labels(route).observe(seconds)
        _ACCESS.info("%s %s %d %d bytes %.1f ms", method, route, status, sent, seconds * 1000)


def _is_same_site(origin: str | None, host: str) -> bool:
    """Whether a request comes from this server's own page, or from no page."""
    try:
        return origin is None or urlsplit(origin).netloc == host
    except ValueError:
        return False


def _name(host: str) -> str:
    """A Host header without its port."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]
