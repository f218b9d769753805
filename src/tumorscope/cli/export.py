"""``tumorscope export``: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["export"]


def export(
    run: Annotated[Path, typer.Argument(help="Folder of a run with a finished final fit.")],
    out: Annotated[
        Path | None, typer.Option(help="Bundle to write; RUN/bundle.onnx where not given.")
    ] = None,
    half: Annotated[
        bool, typer.Option("--half", help="Keep the weights in 16 bits: half the file, the same speed.")
    ] = False,
) -> None:
    """Write the bundle of a run again, with the figures the run has now.

    \b
    Examples:
      tumorscope export runs/first
      tumorscope export runs/first --out first.onnx
      tumorscope export runs/first --out small.onnx --half
    """  # noqa: D301  # \b is a control character that keeps the examples as they are
    from tumorscope.core.files import check_writable
    from tumorscope.core.optional import require

    require("torch", extra="train", purpose="exporting")
    from tumorscope.export.onnx import export_run
    from tumorscope.training.folder import open_run

    folder = open_run(run)
    check_writable(out or folder.bundle)
    typer.echo("exporting the graph and checking it against torch (about 15 seconds)", err=True)
    card = export_run(folder, out, half=half)
    typer.echo(f"bundle: {out or folder.bundle} ({card.name} {card.version})")
