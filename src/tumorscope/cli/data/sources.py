"""The data set that a verb is given, with a word on what in it was passed over."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from tumorscope.dataset.class_names import ClassNames
    from tumorscope.dataset.manifest import Manifest

__all__ = ["passed_over", "read_data"]


def read_data(source: Path, names: ClassNames | None = None) -> Manifest:
    """Read a manifest or folder; folders of images that are named after no class are named on standard error."""
    from tumorscope.dataset.class_names import ClassNames
    from tumorscope.dataset.manifest_file import manifest_in, read_manifest

    manifest = read_manifest(source, names)
    if source.is_dir() and manifest_in(source) is None:
        passed_over(source, names or ClassNames())
    return manifest


def passed_over(folder: Path, names: ClassNames) -> None:
    """Name the folders of images below ``folder`` that stand for no class."""
    from tumorscope.dataset.index import unlabelled_folders

    for place in unlabelled_folders(folder, names):
        typer.echo(
            f"note: {place} is named after no class and was passed over; map it with "
            "'tumorscope data index --map-label NAME=CLASS'",
            err=True,
        )
