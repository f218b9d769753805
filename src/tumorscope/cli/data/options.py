"""Options that several verbs below ``data`` share, written once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["MapLabel", "Out", "ShowProgress"]

Out = Annotated[Path, typer.Option("--out", help="Manifest to write: .parquet or .csv.")]
MapLabel = Annotated[
    list[str] | None,
    typer.Option(
        "--map-label",
        metavar="NAME=CLASS",
        help="What class a folder or label stands for, or NAME=skip to leave it out; may be repeated.",
    ),
]
ShowProgress = Annotated[bool, typer.Option(help="Draw a progress bar.")]
