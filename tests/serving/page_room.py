"""The reading room in a real browser: a real server on a free port, a real Chromium, and what both did.

The fixture ``open_room`` gives :class:`Room` objects. Nothing is replaced: files are dropped by the browser's own drag
events, the server decodes and answers them with the small bundle.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
import uvicorn
from numpy.typing import NDArray
from PIL import Image
from room_files import save_bundle

from tumorscope.inference.classifier import load
from tumorscope.serving.app import create_app
from tumorscope.serving.service import Service
from tumorscope.serving.settings import Settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["OpenRoom", "Room", "Server", "open_room", "room_bundle", "room_server", "running"]

PATIENCE = 90_000
"""Milliseconds; machines under load are slow, and no test waits for something that never comes."""

_TWO_FRAMES = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


@dataclass(frozen=True)
class Server:
    """One that runs."""

    address: str
    service: Service


@contextmanager
def running(bundle: Path, **settings: Any) -> Iterator[Server]:
    """Run a server in a thread until the block ends."""
    app, service = create_app(
        Settings(model=bundle, port=0, readers=1, threads=1, file_seconds=PATIENCE / 1000, **settings),
        load(bundle, threads=1),
    )
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            port=0,
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="on",
            ws="none",
            timeout_graceful_shutdown=5,
        )
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        for _ in range(3000):
            if server.started or not thread.is_alive():
                break
            thread.join(0.02)
        assert server.started, "the server did not start"
        port = server.servers[0].sockets[0].getsockname()[1]
        yield Server(f"http://127.0.0.1:{port}", service)
    finally:
        server.should_exit = True
        thread.join(60)


@pytest.fixture(scope="module")
def room_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle that answers."""
    return save_bundle(tmp_path_factory.mktemp("room"))


@pytest.fixture(scope="module")
def room_server(room_bundle: Path) -> Iterator[Server]:
    """One server for a module."""
    with running(room_bundle) as server:
        yield server


@dataclass(frozen=True)
class Room:
    """The open page, and what it did."""

    page: Page
    server: Server
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def text(self, selector: str) -> str:
        """What an element says, with plain spaces."""
        return " ".join(self.page.inner_text(selector).split())

    def drop(self, *paths: Path) -> None:
        """Let go of files or folders over the page, as from a desktop."""
        session = self.page.context.new_cdp_session(self.page)
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            session.send("Input.dispatchDragEvent", {"type": kind, "x": 300, "y": 300, "data": data})
        session.detach()

    def read(self, *paths: Path) -> None:
        """Drop, and wait until all is answered and on screen."""
        before = self.page.locator("#case-list > li").count()
        self.drop(*paths)
        self.page.wait_for_function(
            "n => document.querySelectorAll('#case-list > li').length > n && !document.querySelector('.job')",
            arg=before,
        )

    def settled(self, *, heat: bool = True) -> None:
        """Wait until a slice is drawn, with its heat-map."""
        self.page.wait_for_selector('#stage:not([data-shown=""])[data-shown]')
        if heat:
            self.page.wait_for_selector('#stage:not([data-heat=""])[data-heat]')
        self.page.evaluate(_TWO_FRAMES)

    def case(self, name: str) -> None:
        """Choose a case by its name."""
        self.page.locator(".case", has_text=name).first.click()
        self.page.wait_for_function(
            "name => document.getElementById('corner-name').textContent.includes(name)", arg=name
        )
        self.settled()

    def canvas(self) -> NDArray[np.int16]:
        """Every pixel of the canvas, ``[height, width, 3]``."""
        self.page.evaluate(_TWO_FRAMES)
        address: str = self.page.evaluate("document.getElementById('canvas').toDataURL('image/png')")
        picture = Image.open(BytesIO(base64.b64decode(address.partition(",")[2])))
        return np.asarray(picture.convert("RGB")).astype(np.int16)

    def audit(self) -> list[str]:
        """What axe-core holds against the page as it is now."""
        script = files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
        self.page.evaluate(script)
        found = self.page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{one['impact']} {one['id']}: {[node['html'][:90] for node in one['nodes'][:3]]}"
            for one in found["violations"]
        ]

    def overflow(self) -> int:
        """Pixels by which the page is wider than the window."""
        wider: int = self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        return wider

    def elsewhere(self) -> list[str]:
        """Requests to anything but the server."""
        own = (f"{self.server.address}/", "blob:", "data:")
        return [url for url in self.requests if not url.startswith(own)]

    def notice_in_sight(self) -> bool:
        """Whether the whole notice can be read without scrolling."""
        box = self.page.locator("#notice").bounding_box()
        size = self.page.viewport_size
        assert size is not None
        return box is not None and box["y"] >= 0 and box["y"] + box["height"] <= size["height"]


OpenRoom = Callable[..., Room]
"""``open_room(server=None, width=1280, height=800, scheme="dark")`` opens the page and waits until it listens."""


@pytest.fixture
def open_room(chromium: Browser, room_server: Server) -> Iterator[OpenRoom]:
    """Open the page in a context of its own, and record what it asks for and complains of."""
    contexts = []

    def opened(
        server: Server | None = None,
        *,
        width: int = 1280,
        height: int = 800,
        scheme: Literal["light", "dark"] = "dark",
        touch: bool = False,
    ) -> Room:
        asked = server or room_server
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            has_touch=touch,
            accept_downloads=True,
        )
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        room = Room(context.new_page(), asked)
        room.page.on("console", lambda message: room.console.append(message.text))
        room.page.on("pageerror", lambda error: room.console.append(str(error)))
        room.page.on("request", lambda request: room.requests.append(request.url))
        room.page.on(
            "filechooser", lambda _: None
        )  # from the start, or the first one may come too early to be caught
        room.page.goto(asked.address)
        room.page.wait_for_selector("html[data-ready]")
        return room

    yield opened
    for context in contexts:
        context.close()
