"""Plain documents that are written once and read as Markdown or as a page: sections of text, lists and tables.

Owns the blocks and their Markdown. Text from outside stays text: what Markdown or HTML would take for markup is
escaped. Knows nothing of what a document is about.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar

from tumorscope.reporting.page import printable

__all__ = [
    "Block",
    "Bullets",
    "Commands",
    "Facts",
    "Paper",
    "Paragraph",
    "Section",
    "Table",
    "blocks_markdown",
    "escaped",
    "markdown",
]

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$])")
_LEADING = re.compile(r"^([-+]|\d+[.)])(?=\s)")


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A piece of text; ``strong`` where it must not be missed."""

    kind: ClassVar[str] = "paragraph"
    text: str
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list."""

    kind: ClassVar[str] = "bullets"
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and what is known of each."""

    kind: ClassVar[str] = "facts"
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Commands:
    """Names, and the command line that makes each again."""

    kind: ClassVar[str] = "commands"
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a head; ``numbers`` says how many of the last columns hold numbers."""

    kind: ClassVar[str] = "table"
    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: int = 0


Block = Paragraph | Bullets | Facts | Commands | Table


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands below it; ``anchor`` is unique in its paper."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Paper:
    """A whole document; ``stamp`` is put before everything where it is not empty."""

    title: str
    lead: str
    sections: tuple[Section, ...]
    stamp: str = ""
    foot: tuple[str, ...] = field(default=())


def markdown(paper: Paper) -> str:
    """Write a paper as Markdown (CommonMark with tables), ending in a line end."""
    lines = [f"# {escaped(paper.title)}", ""]
    if paper.stamp:
        lines += [f"> **{escaped(paper.stamp)}**", ""]
    lines += [escaped(paper.lead), ""]
    for section in paper.sections:
        lines += [f"## {escaped(section.title)}", "", blocks_markdown(section.blocks)]
    for text in paper.foot:
        lines += [escaped(text), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def blocks_markdown(blocks: Iterable[Block]) -> str:
    """Write blocks alone, each followed by an empty line."""
    return "".join(f"{line}\n" for block in blocks for line in (*_lines(block), ""))


def escaped(text: str) -> str:
    """One line of text that Markdown shows as it is."""
    line = re.sub(r"[ \t\r\n]+", " ", printable(text)).strip()
    line = _SPECIAL.sub(r"\\\1", line.replace("&", "&amp;")).replace("\\<", "&lt;").replace("\\>", "&gt;")
    return _LEADING.sub(lambda mark: f"{mark[0][:-1]}\\{mark[0][-1]}", line)


def _lines(block: Block) -> list[str]:
    if isinstance(block, Paragraph):
        return [f"**{escaped(block.text)}**" if block.strong else escaped(block.text)]
    if isinstance(block, Bullets):
        return [f"- {escaped(item)}" for item in block.items]
    if isinstance(block, Facts):
        return [f"- **{escaped(name)}:** {escaped(value)}" for name, value in block.rows]
    if isinstance(block, Commands):
        return [f"- **{escaped(name)}:** {_code(command)}" for name, command in block.rows]
    return _table(block)


def _code(text: str) -> str:
    """A line of code that can be copied as it stands; the fence is longer than any in it (CommonMark 0.31, 6.1)."""
    line = " ".join(printable(text).split())
    fence = "`" * (max(map(len, re.findall("`+", line)), default=0) + 1)
    space = " " if "`" in (line[:1], line[-1:]) else ""
    return f"{fence}{space}{line}{space}{fence}"


def _table(block: Table) -> list[str]:
    right = len(block.head) - block.numbers
    rule = ["---" if place < right else "---:" for place in range(len(block.head))]
    caption = [f"**{escaped(block.caption)}**", ""] if block.caption else []
    return [*caption, _row(block.head), f"| {' | '.join(rule)} |", *(_row(row) for row in block.rows)]


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(escaped(cell) for cell in cells)} |"
