"""``tumorscope export``: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tumorscope.cli.weight_type import OptionalWeightType

__all__ = ["export"]


def export(
    run: Annotated[Path, typer.Argument(help="Folder of a run with a finished final fit.")],
    out: Annotated[
        Path | None, typer.Option(help="Bundle to write; RUN/bundle.onnx where not given.")
    ] = None,
    weight_type: OptionalWeightType = None,
) -> None:
    """Write the bundle of a run again, with the figures the run has now.

    \b
    Examples:
      tumorscope export runs/first
      tumorscope export runs/first --out first.onnx
      tumorscope export runs/first --out small.onnx --weight-type int8
    """  # noqa: D301  # \b is a control character that keeps the examples as they are
    from tumorscope.core.files import check_writable
    from tumorscope.core.optional import require

    require("torch", extra="train", purpose="exporting")
    from tumorscope.export.onnx import export_run
    from tumorscope.training.folder import open_run

    folder = open_run(run)
    check_writable(out or folder.bundle)
    typer.echo("exporting the graph and checking it against torch (about 15 seconds)", err=True)
    card = export_run(folder, out, weight_type=weight_type)
    typer.echo(f"bundle: {out or folder.bundle} ({card.name} {card.version})")
