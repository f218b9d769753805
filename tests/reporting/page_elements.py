"""What the tests of pages look for in HTML and in a browser: elements, and the contrast of all text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["Elements", "contrasts", "luminance"]


class Elements(HTMLParser):
    """Every element with its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def contrasts(page: Page) -> dict[str, float]:
    """The contrast of each pair of text colour and the colour behind it that a page shows."""
    seen = page.evaluate(
        """() => {
          const found = new Set();
          const texts = 'p, a, b, dd, dt, th, td, li, code, small, span, data, caption, summary, h1, h2, h3, text';
          for (const element of document.querySelectorAll(texts)) {
            if (![...element.childNodes].some(node => node.nodeType === 3 && node.data.trim())) continue;
            let behind = element;
            while (getComputedStyle(behind).backgroundColor === 'rgba(0, 0, 0, 0)') behind = behind.parentElement;
            const style = getComputedStyle(element);
            const ink = element.matches('text') ? style.fill : style.color;
            found.add([ink, getComputedStyle(behind).backgroundColor].join(';'));
          }
          return [...found];
        }"""
    )
    return {both: _contrast(*map(luminance, both.split(";"))) for both in seen}


def luminance(colour: str) -> float:
    """Relative luminance of ``rgb(r, g, b)`` or ``color(srgb r g b)``, WCAG 2.2."""
    channels = [float(channel) for channel in re.findall(r"[\d.]+", colour)[:3]]
    if not colour.startswith("color("):
        channels = [channel / 255 for channel in channels]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: float, other: float) -> float:
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)
