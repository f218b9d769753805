"""The data sets that a verb is given: none is written over, and what in them was passed over is said."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from tumorscope.dataset.class_names import ClassNames
    from tumorscope.dataset.manifest import Manifest

__all__ = ["check_not_read", "names_not_met", "passed_over", "read_data"]

_SHOWN = 8


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


def read_data(source: Path, names: ClassNames | None = None, *, more: bool = False) -> Manifest:
    """Read a manifest or folder; what in it is passed over, and names that nothing has, go to standard error.

    ``more`` data sets may be read with the same names; whoever reads them calls :func:`names_not_met` at the end.
    """
    from tumorscope.dataset.class_names import ClassNames
    from tumorscope.dataset.manifest_file import manifest_in, read_manifest

    known = names or ClassNames()
    manifest = read_manifest(source, known)
    if source.is_dir() and manifest_in(source) is None:
        passed_over(source, known)
    if not more:
        names_not_met(known)
    return manifest


def names_not_met(names: ClassNames) -> None:
    """Say which names of ``--map-label`` no folder and no label had, and which there are."""
    from tumorscope.dataset.row_paths import shown

    unmet = names.unmet()
    if unmet:
        there = [repr(shown(name)) for name in sorted(names.met)]
        more = f" and {len(there) - _SHOWN} more" if len(there) > _SHOWN else ""
        typer.echo(
            f"note: --map-label {', '.join(repr(shown(name)) for name in unmet)} was used for no image; "
            f"the names there are {', '.join(there[:_SHOWN])}{more}",
            err=True,
        )


def passed_over(folder: Path, names: ClassNames) -> None:
    """Name the folders of images that stand for no class, and count the other files and the links that lead out."""
    from tumorscope.dataset.index import foreign_links, other_files, unlabelled_folders

    for place in unlabelled_folders(folder, names):
        typer.echo(
            f"note: {place} is named after no class and was passed over; add --map-label NAME=CLASS", err=True
        )
    others = other_files(folder, names)
    if others:
        what = (
            "1 file that is no image was"
            if len(others) == 1
            else f"{len(others):,} files that are no images were"
        )
        typer.echo(f"note: {what} passed over, the first is {others[0]}", err=True)
    links = foreign_links(folder, names)
    if links:
        typer.echo(
            f"note: {len(links):,} links that lead out of {folder} or nowhere were passed over, "
            f"the first is {links[0]}; put the files or folders themselves there",
            err=True,
        )
