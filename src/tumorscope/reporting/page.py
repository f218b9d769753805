"""One HTML file that needs nothing else: no network, no script, no second file.

Owns the templates' environment, the words that numbers become, and data URIs. Every page extends
``templates/base.html``, which forbids any request by its Content-Security-Policy, and gets the one style sheet
``templates/style.css``. Knows nothing of what a page is about.
"""

from __future__ import annotations

import base64
import functools
import unicodedata
from collections.abc import Iterable
from importlib import resources
from typing import TYPE_CHECKING

from tumorscope.core.optional import require

if TYPE_CHECKING:
    import jinja2

__all__ = ["breakable", "count", "data_uri", "percent", "printable", "render", "spoken"]

_PACKAGE = "tumorscope.reporting"
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}  # controls, marks of direction, lone surrogates


def render(template: str, *, version: str, **context: object) -> str:
    """Fill a template that extends ``base.html``.

    Parameters
    ----------
    template
        Its name in ``templates/``.
    version
        Of Tumorscope, as the document says that the page is about.
    context
        What it speaks of. Text is escaped, and characters that cannot be seen are spelled out.

    Returns
    -------
    str
        The whole page.

    Raises
    ------
    MissingDependency
        If Jinja2 is not installed.
    """
    page: str = _environment().get_template(template).render(context, version=version)
    return page


def data_uri(content: bytes, media_type: str) -> str:
    """Put a file into an address, for example ``data:image/jpeg;base64,...``."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"


def count(number: int) -> str:
    """A number of things, ``1,234``."""
    return f"{number:,}"


def percent(share: float, digits: int = 1) -> str:
    """A share of 0 to 1 in per cent, ``12.3 %``, with a space that no line breaks at."""
    return f"{share * 100:.{digits}f}\N{NO-BREAK SPACE}%"


def spoken(words: Iterable[str]) -> str:
    """A list as one says it: ``a``, ``a and b``, ``a, b and c``."""
    every = list(words)
    return " and ".join([", ".join(every[:-1]), every[-1]] if len(every) > 1 else every)


def printable(text: str) -> str:
    r"""Spell out what a reader cannot see or what would turn the text round, such as ``\u202e`` in a file name.

    Spaces, tabs and line ends stay. The result can always be encoded as UTF-8.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape").decode("ascii")
        if unicodedata.category(character) in _INVISIBLE and character not in "\t\n\r"
        else character
        for character in text
    )


def breakable(path: str) -> str:
    """A path as markup that a line may break behind each of its folders."""
    import markupsafe

    return markupsafe.escape(printable(path)).replace("/", markupsafe.Markup("/<wbr>"))


@functools.cache
def _environment() -> jinja2.Environment:
    library = require("jinja2", extra="data", purpose="writing a page")
    environment: jinja2.Environment = library.Environment(
        loader=library.PackageLoader(_PACKAGE),
        autoescape=True,
        undefined=library.StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(breakable=breakable, count=count, percent=percent, spoken=spoken)
    environment.globals.update(style=_style())
    return environment


def _finalize(value: object) -> object:
    """Clean plain text, which is everything that comes from outside; markup is the templates' own."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return printable(value)
    return value


def _style() -> str:
    import markupsafe

    sheet = resources.files(_PACKAGE).joinpath("templates", "style.css").read_text("utf-8")
    return markupsafe.Markup(sheet)
