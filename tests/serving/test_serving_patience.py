"""A connection that does not say what it wants is cut off; one that has said it may take its time."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from reading_room import PATIENCE
from tumorscope.serving.patience import patient_protocol

SECONDS = 0.5
HEADER = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n"


async def echo(request: Request) -> PlainTextResponse:
    """Answer with the body, and not at once."""
    body = await request.body()
    await asyncio.sleep(2 * SECONDS)
    return PlainTextResponse(body)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Of a server that waits half a second for a header."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        Starlette(routes=[Route("/", echo, methods=["POST"])]),
        http=patient_protocol(SECONDS),
        log_config=None,
        timeout_keep_alive=int(PATIENCE),
    )
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
    thread.start()
    yield listener.getsockname()[1]
    running.should_exit = True
    thread.join(PATIENCE)
    listener.close()


@pytest.fixture
def connection(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as opened:
        yield opened


def answer_on(connection: socket.socket) -> bytes:
    """One answer, whose body has four bytes."""
    received = b""
    while not received.endswith(b"\r\n\r\nbody"):
        received += connection.recv(4096)
    return received


def is_cut_off(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_client_that_says_nothing_is_cut_off(connection: socket.socket) -> None:
    assert is_cut_off(connection)


def test_a_header_byte_by_byte_does_not_hold_the_connection(connection: socket.socket) -> None:
    began = time.monotonic()
    with pytest.raises(ConnectionError):
        while time.monotonic() < began + PATIENCE:
            connection.sendall(b"P")
            time.sleep(SECONDS / 5)


def test_body_and_answer_may_take_longer(connection: socket.socket) -> None:
    connection.sendall(HEADER)
    time.sleep(2 * SECONDS)
    connection.sendall(b"body")
    assert answer_on(connection).startswith(b"HTTP/1.1 200")


def test_the_rest_between_two_requests_is_no_header_but_half_a_header_is(connection: socket.socket) -> None:
    for _ in range(2):
        connection.sendall(HEADER + b"body")
        assert answer_on(connection).startswith(b"HTTP/1.1 200")
        time.sleep(2 * SECONDS)
    connection.sendall(HEADER[:20])
    assert is_cut_off(connection)
