"""``tumorscope data join``: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tumorscope.cli.data.options import MapLabel, Out
from tumorscope.cli.data.sources import check_not_read, names_not_met, read_data

__all__ = ["join"]


def join(
    sources: Annotated[list[Path], typer.Argument(help="Two or more manifests or folders.")],
    out: Out,
    map_label: MapLabel = None,
) -> None:
    """Put data sets together, so that a further one extends training.

    Folds are dropped: split the result with 'tumorscope data split'.

    \b
    Examples:
      tumorscope data join kaggle/manifest.parquet own/manifest.csv --out all.parquet
      tumorscope data join kaggle/ hospital/ --map-label astrocytoma=glioma --out all.csv
    """  # noqa: D301  # \b is a control character that keeps the examples as they are
    from tumorscope.cli.data.report import by_class, remarks
    from tumorscope.core.files import check_writable
    from tumorscope.dataset.class_names import ClassNames
    from tumorscope.dataset.join import join as join_manifests
    from tumorscope.dataset.join import shared_files
    from tumorscope.dataset.manifest_file import write_manifest
    from tumorscope.dataset.table import check_table_name

    names = ClassNames.parse(map_label or [])
    check_table_name(out)
    check_writable(out)
    check_not_read(out, sources)
    manifests = [read_data(source, names, more=True) for source in sources]
    names_not_met(names)
    joined = join_manifests(manifests)
    write_manifest(joined, out)
    typer.echo(f"{len(joined):,} images written to {out}: {by_class(joined)}")
    shared = shared_files(manifests)
    if shared.count:
        typer.echo(
            f"note: {shared.count:,} files are in more than one of the data sets, "
            f"{shared.contradictory:,} of them with different labels",
            err=True,
        )
    remarks(joined)
