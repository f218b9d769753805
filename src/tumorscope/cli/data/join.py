"""``tumorscope data join``: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tumorscope.cli.data.options import MapLabel, Out
from tumorscope.cli.data.sources import read_data

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
    from tumorscope.dataset.manifest_file import write_manifest
    from tumorscope.dataset.table import check_table_name

    names = ClassNames.parse(map_label or [])
    check_table_name(out)
    check_writable(out)
    joined = join_manifests([read_data(source, names) for source in sources])
    write_manifest(joined, out)
    typer.echo(f"{len(joined):,} images written to {out}: {by_class(joined)}")
    remarks(joined)
