"""``tumorscope data fetch``: parse, call, print."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tumorscope.cli.data.options import ShowProgress
from tumorscope.dataset.sources.catalogue import SourceName

__all__ = ["fetch"]


def fetch(
    source: Annotated[SourceName, typer.Argument(help="Which data set.")],
    out: Annotated[Path, typer.Option("--out", help="Folder to make, or to go on filling.")],
    origin: Annotated[
        Path | None,
        typer.Option("--from", help="A zip or folder that is on the disk already; nothing is downloaded."),
    ] = None,
    release: Annotated[
        int | None,
        typer.Option(
            "--release",
            min=1,
            help="Version number on Kaggle; of 'kaggle', 1 has 7,023 images and 2 has 7,200.",
        ),
    ] = None,
    progress: ShowProgress = True,
) -> None:
    """Download a public data set, check it, and write its manifest.

    Run it again after an interruption: it goes on where it stopped. A finished folder stays as it is, whatever --from
    says; delete it to make it anew. Images that cannot be read are left out (exit status 1, each time). 'figshare'
    needs no account; the others come through kagglehub, from its cache (KAGGLEHUB_CACHE) where they are complete there.
    What is printed of licences is what the sources' pages said; read them before you pass images on.

    \b
    Examples:
      tumorscope data fetch kaggle --out kaggle/
      tumorscope data fetch figshare --out figshare/
      tumorscope data fetch br35h --from archive.zip --out br35h/
    """  # noqa: D301  # \b is a control character that keeps the examples as they are
    from tumorscope.cli.data.report import by_class, left_out
    from tumorscope.cli.steps import steps
    from tumorscope.dataset.sources.fetch import fetch as fetch_source

    with steps(show=progress) as begin:
        fetched = fetch_source(
            source, out, origin=origin, release=release, steps=begin, show=progress and sys.stderr.isatty()
        )
    what = "already there" if fetched.already else "written"
    typer.echo(f"{fetched.source.title}: {len(fetched.manifest):,} images {what}, manifest {fetched.path}")
    typer.echo(f"classes: {by_class(fetched.manifest)}")
    for note in fetched.notes:
        typer.echo(f"note: {note}")
    typer.echo(f"licence: {fetched.source.licence}")
    typer.echo(f"citation: {fetched.source.citation}")
    left_out(fetched.failures)
    if fetched.left_out:
        if fetched.already:
            typer.echo(
                f"left out when it was fetched: {fetched.left_out:,} "
                f"{'image' if fetched.left_out == 1 else 'images'} that cannot be read; delete {out} to fetch anew",
                err=True,
            )
        raise typer.Exit(1)
