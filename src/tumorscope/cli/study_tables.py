"""How a study looks on a terminal: what it is going to do, and what came of it.

Owns the tables; they are those of the comparison's page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from tumorscope.cli.text import plain_console

if TYPE_CHECKING:
    from tumorscope.reporting.writing import Table as Block
    from tumorscope.study.document import Comparison
    from tumorscope.study.run import Study

__all__ = ["show_comparison", "show_plan"]


def show_plan(study: Study) -> None:
    """Print what is there, what would be trained, and by which command each part is made alone."""
    for row in study.rows:
        config = row.config
        told = (
            ""
            if config is None
            else f" ({config.epochs} epoch{'s' * (config.epochs > 1)}, {config.image_size} pixels)"
        )
        typer.echo(f"{row.name}{told}")
        for part in row.parts:
            some = f", the first {row.folds} folds" if part.name == "folds" and row.folds else ""
            reason = f": {part.why_not}" if part.why_not else ""
            where = "" if part.action == "not run" else f" {part.path}"
            typer.echo(f"  {part.name}: {part.action}{some}{where}{reason}")
            if part.to_train:
                resumed = " --resume" if part.action == "go on" else ""
                typer.echo(f"    {part.command}{resumed}")
    typer.echo(f"{len(study.to_train)} runs to train; nothing was written")


def show_comparison(comparison: Comparison) -> None:
    """Print accuracy under every protocol, the paired tests, and what failed."""
    from tumorscope.reporting.page import spoken
    from tumorscope.study.tables import glance_table, not_run, reasons, test_table

    console = plain_console()
    names = not_run(comparison)
    console.print(_table(glance_table(comparison), without=names))
    for protocol in comparison.protocols:
        block = test_table(comparison, protocol)
        if block.rows:
            console.print(_table(block, columns=5))
    for protocol in comparison.protocols:
        for reason, rows in reasons(comparison, protocol):
            console.print(f"{protocol}, {spoken(rows)}: {reason}", soft_wrap=True)
    if names:
        console.print(f"not run: {', '.join(names)}", soft_wrap=True)
    for note in comparison.notes:
        console.print(f"Note: {note}")
    console.print(comparison.notice, style="italic")


def _table(block: Block, *, without: list[str] | None = None, columns: int | None = None) -> object:
    from rich.table import Table

    table = Table(title=block.caption, title_justify="left")
    right = len(block.head) - block.numbers
    for place, head in enumerate(block.head[:columns]):
        table.add_column(head, justify="left" if place < right else "right")
    for row in block.rows:
        if row[0] not in (without or []):
            table.add_row(*row[:columns])
    return table
