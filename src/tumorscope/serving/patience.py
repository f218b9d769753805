"""How long a connection may take to say what it wants.

uvicorn ends a connection that rests between two requests, and the server a body that comes too slowly; for a header
they wait without an end. A client that sends one byte a minute would hold its connection for ever (CWE-400, the attack
known as Slowloris). Knows no route.
"""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["patient_protocol"]


def patient_protocol(seconds: float) -> type[H11Protocol]:
    """Give the protocol of a server that waits so long for the header of a request.

    Parameters
    ----------
    seconds
        From the opening of the connection, or from the first byte after an answer, to the end of the header. A slower
        client is cut off without an answer, since it has asked nothing yet.
    """

    class Patient(H11Protocol):
        _deadline: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
            super().connection_made(transport)
            self._wait()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            # Idle with bytes in hand: they are the beginning of a header.
            if self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
                self._wait()
            else:
                self._stop_waiting()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_waiting()
            super().connection_lost(exc)

        def _wait(self) -> None:
            if self._deadline is None:
                self._deadline = self.loop.call_later(seconds, self.transport.close)

        def _stop_waiting(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

    return Patient
