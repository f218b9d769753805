"""A web server with the faults of real ones."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Served:
    """What the server has, how it misbehaves, and what it was asked."""

    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    tags: bool = True
    drop_after: list[int] = field(default_factory=list)
    """For each answer to come: after how many bytes of its body the connection ends."""
    status: list[int] = field(default_factory=list)
    """For each answer to come: a status instead of the file; 0 for the file."""
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    """Path and ``Range`` of each request."""
    agents: set[str] = field(default_factory=set)
    before: Callable[[Served], None] = lambda _served: None
    url: str = ""

    def article(self, number: int, **changed: object) -> None:
        """Serve the host's list of the files that are there now."""
        listed = [
            {
                "id": position,
                "name": name,
                "size": len(content),
                "is_link_only": False,
                "download_url": f"{self.url}/files/{name}",
                "supplied_md5": "",
                "computed_md5": hashlib.md5(content).hexdigest(),
                **changed,
            }
            for position, (name, content) in enumerate(self.files.items())
        ]
        answer = {"id": number, "version": 8, "files": listed, "license": {"name": "CC BY 4.0"}}
        self.files |= {f"articles/{number}": json.dumps(answer).encode()}


def _handler(served: Served) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            served.before(served)
            asked = self.headers["Range"]
            served.asked.append((self.path, asked))
            served.agents.add(self.headers["User-Agent"])
            self.close_connection = True
            status = served.status.pop(0) if served.status else 0
            if status:
                self._answer(status, b"", {})
                return
            content = served.files.get(self.path.removeprefix("/").removeprefix("files/"))
            if content is None:
                self._answer(404, b"", {})
                return
            tag = f'"{hashlib.sha256(content).hexdigest()[:12]}"'
            headers = {"ETag": tag} if served.tags else {}
            if served.ranges:
                headers["Accept-Ranges"] = "bytes"
            same = self.headers["If-Range"] in (None, tag)
            if asked and served.ranges and same:
                first = int(asked.removeprefix("bytes=").removesuffix("-"))
                if first >= len(content):
                    self._answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
                    return
                span = f"bytes {first}-{len(content) - 1}/{len(content)}"
                self._answer(206, content[first:], {**headers, "Content-Range": span})
                return
            self._answer(200, content, headers)

        def do_POST(self) -> None:
            """A question with a body, as Kaggle's client asks; answered like any other."""
            self.rfile.read(int(self.headers["Content-Length"] or 0))
            self.do_GET()

        def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Connection", "close")
            self.end_headers()
            sent = body[: served.drop_after.pop(0)] if body and served.drop_after else body
            self.wfile.write(sent)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[Served]:
    """Serve files on this machine while the block runs."""
    served = Served(dict(files))
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(served))
    server.daemon_threads = True
    served.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
