"""The reading room in a child process, for every test that needs a running server.

The child may reach nobody but this machine: a ``sitecustomize`` on its path refuses any other connection and writes it
down, and the fixture fails where something was written.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import httpx

__all__ = ["PATIENCE", "Server", "client", "server"]

PATIENCE = 300.0
"""Seconds; a loaded machine is slow, and a test must not fail for that."""

_ALONE = """
import os, socket
_connect, _look_up = socket.socket.connect, socket.getaddrinfo
def _near(host):
    return str(host) in ("127.0.0.1", "::1", "localhost", "", "None")
def _told(what):
    with open(os.environ["TUMORSCOPE_TEST_OUTSIDE"], "a") as stream:
        stream.write(what + "\\n")
    raise OSError("no network in tests")
def connect(self, address):
    if self.family in (socket.AF_INET, socket.AF_INET6) and not _near(address[0]):
        _told(f"connect {address}")
    return _connect(self, address)
def getaddrinfo(host, *args, **kwargs):
    if not _near(host):
        _told(f"look up {host}")
    return _look_up(host, *args, **kwargs)
socket.socket.connect, socket.getaddrinfo = connect, getaddrinfo
"""


class Server:
    """``tumorscope serve`` as a child, on a port that was free."""

    def __init__(self, folder: Path, *options: str, environment: Mapping[str, str] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "sitecustomize.py").write_text(_ALONE)
        self.outside = folder / "outside.txt"
        self.log = folder / "log.txt"
        self._sink = self.log.open("wb")
        self.command = [sys.executable, "-m", "tumorscope", "serve", "--port", "0"]
        self.command += ["--file-seconds", str(PATIENCE), *options]
        self.process = subprocess.Popen(
            self.command,
            stdout=subprocess.PIPE,
            stderr=self._sink,
            env=os.environ
            | {"PYTHONPATH": str(folder), "TUMORSCOPE_TEST_OUTSIDE": str(self.outside), "TMPDIR": str(folder)}
            | dict(environment or {}),
        )
        assert self.process.stdout is not None
        first = self.process.stdout.readline().decode()
        found = re.search(r"https?://\S+:(\d+)", first)
        assert found, f"{first!r}, {self.logged()}"
        self.address, self.port = found[0], int(found[1])
        self._drain = threading.Thread(target=self.process.stdout.read, daemon=True)
        self._drain.start()

    def client(self, **options: Any) -> httpx.Client:
        """A client of it."""
        import httpx

        return httpx.Client(base_url=self.address, timeout=PATIENCE, trust_env=False, **options)

    def wait_until_ready(self, client: httpx.Client | None = None) -> None:
        """Wait for the processes behind it."""
        with self.client() as own:
            until = time.monotonic() + PATIENCE
            while (client or own).get("/v1/health/ready").status_code != 200:
                assert time.monotonic() < until, self.logged()
                time.sleep(0.05)

    def readers(self) -> list[int]:
        """Process numbers of the children that read files; by Linux's ``/proc``."""
        task = Path(f"/proc/{self.process.pid}/task")
        if not task.is_dir():
            pytest.skip("children are found in Linux's /proc")
        found = [
            int(number) for children in task.glob("*/children") for number in children.read_text().split()
        ]
        return [
            number for number in found if b"_reading_worker" in Path(f"/proc/{number}/cmdline").read_bytes()
        ]

    def logged(self) -> str:
        """What it wrote to standard error."""
        return self.log.read_text(errors="replace")

    def stop(self, kind: signal.Signals = signal.SIGTERM) -> int:
        """End it and give its status."""
        if self.process.poll() is None:
            self.process.send_signal(kind)
        status = self.process.wait(PATIENCE)
        self._drain.join(PATIENCE)
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._sink.close()
        return status


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The shipped bundle, served as a user would; it must talk to nobody else, and leave nothing behind."""
    folder = tmp_path_factory.mktemp("server")
    running = Server(folder, "--threads", "1", "--readers", "2", "--max-upload", "24")
    running.wait_until_ready()
    yield running
    status = running.stop()
    assert status == 0, running.logged()
    assert not running.outside.exists(), running.outside.read_text()
    assert not list(folder.glob("tumorscope-*")), "files of a request were left behind"


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    """A client of the running server."""
    with server.client() as opened:
        yield opened
