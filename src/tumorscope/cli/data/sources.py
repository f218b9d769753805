"""The data sets that a verb is given: none is written over, and what in them was passed over is said."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from tumorscope.dataset.class_names import ClassNames
    from tumorscope.dataset.manifest import Manifest

__all__ = ["check_not_read", "passed_over", "read_data"]


def check_not_read(out: Path, sources: Iterable[Path]) -> None:
    """Make sure, before long work, that what is to be written is none of the manifests that are read.

    Raises
    ------
    InvalidConfiguration
        If it is; a mistake could then not be undone.
    """
    from tumorscope.core.errors import InvalidConfiguration
    from tumorscope.dataset.manifest_file import manifest_in

    for source in sources:
        read = manifest_in(source) if source.is_dir() else source
        if read is not None and read.exists() and out.exists() and read.samefile(out):
            raise InvalidConfiguration(
                f"--out {out} is the manifest that is read and would be lost; give another name"
            )


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
