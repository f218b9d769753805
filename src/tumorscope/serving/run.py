"""The life of the server process: bundle, socket, signals, the end.

Owns the refusal to listen to other machines without protection, and the way a signal ends everything: what was taken
is finished, nothing new is taken. Prints nothing; ``started`` is told the address.
"""

from __future__ import annotations

import gc
import signal
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.inference.classifier import load
from tumorscope.serving.app import create_app
from tumorscope.serving.patience import patient_protocol
from tumorscope.serving.security import is_loopback
from tumorscope.serving.service import Service
from tumorscope.serving.settings import PROCESSORS, Settings

__all__ = ["check", "serve"]


def serve(settings: Settings, started: Callable[[str], None]) -> None:
    """Serve until a signal ends it.

    Parameters
    ----------
    settings
        Of the server.
    started
        Called with the address once requests are answered.

    Raises
    ------
    InvalidConfiguration
        If the address cannot be listened to, or may not without protection.
    TumorscopeError
        If the bundle cannot be used.
    """
    check(settings)
    listener = _listening(settings)
    try:
        app, service = create_app(
            settings, load(settings.model, threads=settings.threads or max(1, PROCESSORS // 2))
        )
        scheme = "https" if settings.certificate else "http"
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        address = f"{scheme}://{host}:{listener.getsockname()[1]}"
        config = uvicorn.Config(
            app,
            loop="auto",  # uvloop, where there is one for the system
            # h11 refuses a header that has no end; the faster parser takes it all into memory.
            http=patient_protocol(settings.header_seconds),
            access_log=False,
            log_config=None,
            log_level="warning",
            server_header=False,
            date_header=True,
            lifespan="on",
            ws="none",
            ssl_certfile=settings.certificate,
            ssl_keyfile=settings.key,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=int(settings.answer_seconds) + 30,
            h11_max_incomplete_event_size=64 * 1024,
        )
        _Server(config, service, lambda: started(address)).run(sockets=[listener])
    finally:
        listener.close()


def check(settings: Settings) -> None:
    """Refuse what would be unsafe.

    Raises
    ------
    InvalidConfiguration
        If other machines could ask without a token and without TLS, or TLS is half set up.
    """
    if (settings.certificate is None) != (settings.key is None):
        raise InvalidConfiguration("TLS needs both --tls-cert and --tls-key; give the other one too")
    protected = settings.token or settings.certificate
    if not (is_loopback(settings.host) or protected or settings.insecure):
        raise InvalidConfiguration(
            f"--host {settings.host} lets other machines ask, without a token and without encryption; give "
            "--token-file (or TUMORSCOPE_TOKEN), or --tls-cert and --tls-key; --insecure where a proxy protects it"
        )


def _listening(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    made = socket.socket(family)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((settings.host, settings.port))
        made.set_inheritable(False)
    except OSError as error:
        made.close()
        raise InvalidConfiguration(
            f"{settings.host} port {settings.port} cannot be listened to ({error.strerror}); choose another --port"
        ) from error
    return made


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, service: Service, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._service, self._started = service, started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            # What lives as long as the server need not be looked through again while requests wait.
            gc.collect()
            gc.freeze()
            self._started()

    def handle_exit(self, sig: int, _frame: FrameType | None) -> None:
        """Take nothing new; a second Ctrl-C does not wait for what is under way."""
        self._service.stopping = True
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True
