"""``tumorscope data index``: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tumorscope.cli.data.options import MapLabel, Out, ShowProgress

__all__ = ["index"]


def index(
    source: Annotated[
        Path, typer.Argument(help="A folder with a folder per class, or a CSV with the columns path, label.")
    ],
    out: Out,
    map_label: MapLabel = None,
    progress: ShowProgress = True,
) -> None:
    """Make a manifest of any folder or table of labelled images.

    Every image is opened: its size, mode and the hashes of file and pixels are written down. Images that cannot be
    read are listed and left out (exit status 1).

    \b
    Examples:
      tumorscope data index images/ --out manifest.parquet
      tumorscope data index labels.csv --out manifest.csv
      tumorscope data index images/ --map-label astrocytoma=glioma --map-label metastasis=skip --out manifest.csv
    """  # noqa: D301  # \b is a control character that keeps the examples as they are
    from tumorscope.cli.data.report import by_class, left_out
    from tumorscope.cli.progress import counter
    from tumorscope.core.files import check_writable
    from tumorscope.dataset.class_names import ClassNames
    from tumorscope.dataset.index import measure
    from tumorscope.dataset.manifest_file import read_manifest, write_manifest
    from tumorscope.dataset.table import check_table_name

    names = ClassNames.parse(map_label or [])
    check_table_name(out)
    check_writable(out)
    with counter("images", show=progress) as count:
        indexed = measure(read_manifest(source, names), progress=count)
    write_manifest(indexed.manifest, out)
    typer.echo(f"{len(indexed.manifest):,} images written to {out}: {by_class(indexed.manifest)}")
    if indexed.failures:
        left_out(indexed.failures)
        raise typer.Exit(1)
