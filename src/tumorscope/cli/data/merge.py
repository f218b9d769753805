"""``tumorscope data merge``: parse, call, print."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tumorscope.cli.data.options import ShowProgress

__all__ = ["merge"]


class _Copies(StrEnum):
    KEEP = "keep"
    REMOVE = "remove"


def merge(
    figshare: Annotated[
        Path, typer.Option(help="Folder of the Figshare set: glioma, meningioma, pituitary tumour.")
    ],
    sartaj: Annotated[
        Path, typer.Option(help="Folder of SARTAJ: meningioma, pituitary tumour, no tumour; not its glioma.")
    ],
    br35h: Annotated[Path, typer.Option(help="Folder of Br35H: no tumour.")],
    out: Annotated[Path, typer.Option("--out", help="Folder to make, or to go on filling.")],
    copies: Annotated[
        _Copies, typer.Option(help="What to do with images whose decoded pixels are equal.")
    ] = _Copies.KEEP,
    progress: ShowProgress = True,
) -> None:
    """Build the study's data set from its three sources.

    Writes a folder per class, manifest.parquet, provenance.csv and the report merge.json. Names of files carry no
    patient; the manifest does, so treat it as data. Near copies (mirrored, turned, rescaled, saved again) are kept,
    tied into one group of the manifest, and counted. Give folders that 'tumorscope data fetch' made, or unpacked sets.

    \b
    Examples:
      tumorscope data merge --figshare figshare/ --sartaj sartaj/ --br35h br35h/ --out study/
      tumorscope data merge --figshare figshare/ --sartaj sartaj/ --br35h br35h/ --copies remove --out study/
    """  # noqa: D301  # \b is a control character that keeps the examples as they are
    from tumorscope.cli.data.report import left_out
    from tumorscope.cli.steps import steps
    from tumorscope.dataset.sources.catalogue import SourceName
    from tumorscope.dataset.sources.merge import merge as merge_sources

    folders = {SourceName.FIGSHARE: figshare, SourceName.SARTAJ: sartaj, SourceName.BR35H: br35h}
    with steps(show=progress) as begin:
        merged = merge_sources(folders, out, copies=copies.value, steps=begin)
    typer.echo(f"{'already there' if merged.already else 'written'}: {merged.path}")
    for line in merged.report.lines():
        typer.echo(line)
    if merged.failures:
        left_out(merged.failures)
        raise typer.Exit(1)
