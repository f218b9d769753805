"""``tumorscope data index``: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tumorscope.cli.data.options import MapLabel, Out, ShowProgress
from tumorscope.cli.data.sources import check_not_read, names_not_met, passed_over

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
    read are listed and left out (exit status 1). Of a folder the tree itself counts, not a manifest that lies in it.
    The 7,023 images of the Kaggle set are recognised, whole or in part, its 7,200 images whole; the version is written
    into the column dataset.

    \b
    Examples:
      tumorscope data index images/ --out manifest.parquet
      tumorscope data index labels.csv --out manifest.csv
      tumorscope data index images/ --map-label astrocytoma=glioma --map-label metastasis=skip --out manifest.csv
    """  # noqa: D301  # \b is a control character that keeps the examples as they are
    from tumorscope.cli.data.report import by_class, left_out, remarks
    from tumorscope.cli.progress import counter
    from tumorscope.core.errors import InvalidManifest
    from tumorscope.core.files import check_writable
    from tumorscope.dataset.class_names import ClassNames
    from tumorscope.dataset.index import index_folder, measure
    from tumorscope.dataset.manifest_file import read_manifest, write_manifest
    from tumorscope.dataset.sources.versions import stamp
    from tumorscope.dataset.table import check_table_name

    names = ClassNames.parse(map_label or [])
    check_table_name(out)
    check_writable(out)
    is_tree = source.is_dir()
    check_not_read(out, () if is_tree else [source])  # of a folder the manifest in it is not read
    found = index_folder(source, names) if is_tree else read_manifest(source, names)
    found = stamp(found).manifest  # a mixture of versions is refused before every image is opened
    with counter("images", show=progress) as count:
        indexed = measure(found, progress=count)
    left_out(indexed.failures)
    if not len(indexed.manifest):
        raise InvalidManifest(f"none of the {len(found):,} images could be read; no manifest was written")
    stamped = stamp(indexed.manifest)
    write_manifest(stamped.manifest, out)
    typer.echo(f"{len(stamped.manifest):,} images written to {out}: {by_class(stamped.manifest)}")
    if stamped.version is not None or stamped.taken_over:
        typer.echo(stamped.summary)
    remarks(stamped.manifest)
    if is_tree:
        passed_over(source, names)
    names_not_met(names)
    if indexed.failures:
        raise typer.Exit(1)
