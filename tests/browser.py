"""A real browser for pages that a person reads: headless Chromium without a network.

The fixture ``chromium`` needs the package playwright and a Chromium of the system, which ``TUMORSCOPE_CHROMIUM``
names where it is not on the path; without them its tests are skipped.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["OpenPage", "Visit", "chromium", "open_page"]

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")


@dataclass(frozen=True)
class Visit:
    """A page that is open, and what it did on the way."""

    page: Page
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def overflow(self) -> int:
        """Pixels by which the page is wider than the window."""
        wider: int = self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        return wider


OpenPage = Callable[..., Visit]
"""``open_page(path, width=1280, height=900, scheme="light")`` opens a local file and waits until it is loaded."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for the tests of a module; playwright's event loop would be in the way of other modules."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = os.environ.get("TUMORSCOPE_CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip("no Chromium is installed (TUMORSCOPE_CHROMIUM)")
    with playwright.sync_playwright() as driver:
        # The sandbox cannot be had as root, and the pages are our own.
        browser = driver.chromium.launch(executable_path=program, args=[*_QUIET, "--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[OpenPage]:
    """Open local files without a network, and record what they ask for and complain of."""
    contexts = []

    def opened(
        path: Path, *, width: int = 1280, height: int = 900, scheme: Literal["light", "dark"] = "light"
    ) -> Visit:
        context = chromium.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, offline=True
        )
        contexts.append(context)
        visit = Visit(context.new_page())
        visit.page.on("console", lambda message: visit.console.append(message.text))
        visit.page.on("pageerror", lambda error: visit.console.append(str(error)))
        visit.page.on("request", lambda request: visit.requests.append(request.url))
        visit.page.goto(path.as_uri())
        return visit

    yield opened
    for context in contexts:
        context.close()
