"""The API as a page that a person reads, made of the OpenAPI document alone: no script, nothing from elsewhere.

Owns the page's markup and style. What it says comes from the routes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

__all__ = ["documentation_page"]

_CODE = re.compile("``(.+?)``")
_STYLE = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent); }
body { font: 1rem/1.55 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h2 { margin-top: 2.5rem; text-transform: capitalize; }
section section { border-top: 1px solid var(--line); padding: .5rem 0 1rem; }
h3 { font-size: 1rem; margin: .6rem 0; overflow-wrap: anywhere; }
code { font: .95em ui-monospace, monospace; overflow-wrap: anywhere; }
.verb { display: inline-block; min-width: 4.5rem; font-weight: 700; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0; }
th { font-weight: 600; width: 12rem; }
.notice { border: 1px solid; padding: .5rem .75rem; }
"""


def documentation_page(document: Mapping[str, Any]) -> str:
    """Write the page.

    Parameters
    ----------
    document
        OpenAPI 3.1, as FastAPI makes it.
    """
    info = document["info"]
    return "\n".join(
        (
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(info['title'])} API</title>",
            f"<style>{_STYLE}</style></head><body><main>",
            f"<h1>{escape(info['title'])} {escape(info['version'])}: the API</h1>",
            f"<p>{escape(info['summary'])}</p>",
            f'<p class="notice">{escape(info["description"])}</p>',
            '<p>For programs: <a href="/openapi.json">/openapi.json</a>. Errors are problem details (RFC 9457).</p>',
            *_groups(document),
            "</main></body></html>",
        )
    )


def _groups(document: Mapping[str, Any]) -> Iterator[str]:
    groups: dict[str, list[str]] = {}
    for path, verbs in document["paths"].items():
        for verb, operation in verbs.items():
            tag = (operation.get("tags") or ["other"])[0]
            groups.setdefault(tag, []).append(_operation(path, verb, operation))
    for tag, operations in groups.items():
        yield f"<section><h2>{escape(tag)}</h2>"
        yield from operations
        yield "</section>"


def _operation(path: str, verb: str, operation: Mapping[str, Any]) -> str:
    rows = [(f"{one['name']} ({one['in']})", _parameter(one)) for one in operation.get("parameters", ())]
    body = operation.get("requestBody")
    if body is not None:
        rows.append(("body", ", ".join(body["content"])))
    problems = []
    for status, response in sorted(operation["responses"].items()):
        if int(status) >= 400:
            problems.append(f"{status} {response['description']}")
            continue
        kinds = ", ".join(response.get("content", {}))
        rows.append((status, response["description"] + (f" ({kinds})" if kinds else "")))
    rows.append(("problems", ", ".join(problems)))
    cells = "".join(f'<tr><th scope="row">{escape(a)}</th><td>{escape(b)}</td></tr>' for a, b in rows)
    told = _CODE.sub(r"<code>\1</code>", escape(operation.get("description") or operation.get("summary", "")))
    return (
        f'<section><h3><span class="verb">{verb.upper()}</span> <code>{escape(path)}</code></h3>'
        f"<p>{told}</p><table>{cells}</table></section>"
    )


def _parameter(one: Mapping[str, Any]) -> str:
    schema = one.get("schema", {})
    told = [one.get("description") or schema.get("description") or schema.get("title", "")]
    if "default" in schema:
        told.append(f"default {schema['default']}")
    for key, word in (("minimum", "at least"), ("maximum", "at most")):
        if key in schema:
            told.append(f"{word} {schema[key]}")
    return "; ".join(part.rstrip(".") for part in told if part)
