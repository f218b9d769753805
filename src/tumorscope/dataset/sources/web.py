"""One question to a web server, and why there was no answer.

Owns the opener, what a request says of itself, and the words for a host that cannot be reached. Knows only http and
https: an address from elsewhere can open no file of this machine.
"""

from __future__ import annotations

from http.client import HTTPException, HTTPResponse
from urllib.error import HTTPError, URLError
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from tumorscope.core.errors import DownloadFailed
from tumorscope.core.version import __version__

__all__ = ["default_headers", "host", "open_url", "read_url", "reason", "unreachable"]

_TIMEOUT = 30.0  # seconds without a byte
_MOST_TEXT = 4 << 20


def read_url(url: str, *, advice: str) -> bytes:
    """Read a short answer, at most 4 MiB.

    Parameters
    ----------
    url
        The address.
    advice
        What else a user can do, for the message when it fails.

    Raises
    ------
    DownloadFailed
        If the host cannot be reached or refuses.
    """
    try:
        with open_url(Request(url, headers=default_headers())) as answer:
            content: bytes = answer.read(_MOST_TEXT)
            return content
    except HTTPError as error:
        error.close()
        raise DownloadFailed(f"{host(url)} answered {error.code} {error.reason}; {advice}") from error
    except (OSError, HTTPException, ValueError) as error:
        raise unreachable(url, error, advice) from error


def open_url(request: Request) -> HTTPResponse:
    """Open an address; unlike urllib's own opener this one knows neither ``file:`` nor ``ftp:``."""
    opener = OpenerDirector()
    for handler in (
        ProxyHandler(),
        HTTPHandler(),
        HTTPSHandler(),
        HTTPRedirectHandler(),
        HTTPErrorProcessor(),
        HTTPDefaultErrorHandler(),
    ):
        opener.add_handler(handler)
    answer = opener.open(request, timeout=_TIMEOUT)
    if not isinstance(answer, HTTPResponse):
        raise URLError("not a web address")
    return answer


def default_headers() -> dict[str, str]:
    """What every request says of itself."""
    # Some hosts turn away urllib's own name. Compressed transfer would make ranges and sizes mean something else.
    return {"User-Agent": f"tumorscope/{__version__}", "Accept-Encoding": "identity"}


def unreachable(url: str, error: Exception, advice: str) -> DownloadFailed:
    """The error for a host that did not answer."""
    return DownloadFailed(f"{host(url)} cannot be reached ({reason(error)}); {advice}")


def reason(error: Exception) -> str:
    """The cause in a few words, without addresses of this machine."""
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, TimeoutError):
        return "no answer in time"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return type(cause).__name__ if isinstance(cause, Exception) else str(cause)


def host(url: str) -> str:
    """The host of an address, with its port."""
    return url.partition("://")[2].partition("/")[0] or url
