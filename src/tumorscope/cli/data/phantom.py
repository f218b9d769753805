"""``tumorscope data phantom``: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["phantom"]


def phantom(
    out: Annotated[Path, typer.Option("--out", help="Folder to make; it must not hold anything yet.")],
    images: Annotated[int, typer.Option("--images", help="How many images, at least 4.")],
    seed: Annotated[int, typer.Option("--seed", help="Another number gives other made-up persons.")] = 0,
    size: Annotated[int, typer.Option("--size", help="Side of an image in pixels.")] = 256,
    progress: Annotated[bool, typer.Option(help="Draw a progress bar.")] = True,
) -> None:
    """Write made-up slices of the four classes, with a manifest, to try things without patient data.

    The pictures are drawn by a program. What a model scores on them says nothing about real scans.
    """
    from tumorscope.cli.progress import counter
    from tumorscope.synthesis.phantom import write_phantoms

    written = write_phantoms(out, images, seed=seed, size=size)
    with counter("phantoms", show=progress) as count:
        for done, _ in enumerate(written, start=1):
            count(done, images)
    typer.echo(f"{images} synthetic images and manifest.csv written to {out}")
