"""``tumorscope data trace``: parse, call, print."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tumorscope.cli.data.options import MapLabel, Out, ShowProgress
from tumorscope.cli.data.sources import check_not_read, names_not_met, read_data

if TYPE_CHECKING:
    from tumorscope.dataset.trace import Traced

__all__ = ["trace"]


def trace(
    images: Annotated[Path, typer.Argument(help="A manifest, or a folder with one sub-folder per class.")],
    source: Annotated[
        Path,
        typer.Option(
            "--source",
            help="Manifest or folder of slices with known patients, such as 'data fetch figshare' makes.",
        ),
    ],
    out: Out,
    map_label: MapLabel = None,
    progress: ShowProgress = True,
) -> None:
    """Find the slice that each image came from, and so its patient, fold and tumour box.

    Images are found plain, mirrored or turned, saved again, rescaled and cropped. What is not found keeps its row as it
    was. Images that cannot be read are listed and left out (exit status 1).

    \b
    Examples:
      tumorscope data fetch figshare --out figshare/
      tumorscope data trace images/ --source figshare/ --out traced.parquet
      tumorscope data trace manifest.csv --source figshare/manifest.parquet --out traced.csv
    """  # noqa: D301  # \b is a control character that keeps the examples as they are
    from tumorscope.cli.data.report import left_out
    from tumorscope.cli.steps import steps
    from tumorscope.core.files import check_writable
    from tumorscope.dataset.class_names import ClassNames
    from tumorscope.dataset.manifest_file import read_manifest, write_manifest
    from tumorscope.dataset.table import check_table_name
    from tumorscope.dataset.trace import trace as trace_images

    names = ClassNames.parse(map_label or [])
    check_table_name(out)
    check_writable(out)
    check_not_read(out, [images, source])
    with steps(show=progress) as begin:
        traced = trace_images(read_data(images, names, more=True), read_manifest(source, names), begin=begin)
    names_not_met(names)
    write_manifest(traced.manifest, out)
    _summarise(traced, out)
    left_out([*traced.source_failures, *traced.failures])
    if traced.failures or traced.source_failures:
        raise typer.Exit(1)


def _summarise(traced: Traced, out: Path) -> None:
    from tumorscope.dataset.copies.pair import CopyKind

    rows = [traced.manifest.records[match.image] for match in traced.matches]
    kinds = Counter(match.orientation.kind for match in traced.matches)
    turned, mirrored = kinds[CopyKind.ROTATED], kinds[CopyKind.MIRRORED]
    slices, groups = len({row.slice_id for row in rows}), len({row.group for row in rows})
    typer.echo(
        f"{len(rows):,} of {len(traced.manifest):,} images traced ({len(rows) - mirrored - turned:,} plain, "
        f"{mirrored:,} mirrored, {turned:,} turned or flipped) to {slices:,} slices of {groups:,} groups; "
        f"written to {out}"
    )
    contradictory = sum(row.source_label != row.label for row in rows)
    if contradictory:
        typer.echo(
            f"{contradictory:,} traced images have another class than their slice; see column source_label"
        )
    if rows:
        least = min(match.score for match in traced.matches)
        typer.echo(f"lowest score accepted: {least:.3f}")
