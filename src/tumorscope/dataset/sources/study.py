"""The plan of the study's set: which class comes from which source, and the rows of these sources.

Owns the plan and its reasons: glioma comes from Figshare only, since the study found SARTAJ's folder mislabelled.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tumorscope.core.errors import InvalidManifest, MissingInput
from tumorscope.core.labels import Diagnosis
from tumorscope.dataset.class_names import ClassNames
from tumorscope.dataset.index import index_folder, measure
from tumorscope.dataset.manifest import Manifest
from tumorscope.dataset.manifest_file import MANIFEST_NAMES, read_manifest
from tumorscope.dataset.scan import Failure
from tumorscope.dataset.sources.catalogue import SOURCES, SourceName
from tumorscope.dataset.sources.figshare import figshare_rows
from tumorscope.dataset.sources.merge_report import LeftOut

__all__ = ["PLAN", "not_taken", "read_source"]

_TUMOURS = (Diagnosis.GLIOMA, Diagnosis.MENINGIOMA, Diagnosis.PITUITARY)
PLAN = {
    SourceName.FIGSHARE: _TUMOURS,
    SourceName.SARTAJ: (Diagnosis.MENINGIOMA, Diagnosis.NOTUMOR, Diagnosis.PITUITARY),
    SourceName.BR35H: (Diagnosis.NOTUMOR,),
}
"""Which classes are taken from which source; of exact copies the one that comes first here is kept."""

_NOT_TAKEN = {
    (
        SourceName.SARTAJ,
        Diagnosis.GLIOMA,
    ): "the study found this folder mislabelled; glioma comes from Figshare"
}

_SLICE = re.compile(r"figshare:[0-9]{1,5}")


def read_source(
    name: SourceName, folder: Path, progress: Callable[[int, int], None]
) -> tuple[Manifest, tuple[Failure, ...]]:
    """Read the rows of a source.

    Parameters
    ----------
    name
        Which source.
    folder
        As ``data fetch`` made it, or the unpacked set.
    progress
        Called with (done, total), where there is no manifest and the images have to be opened.

    Returns
    -------
    tuple
        The rows, of all its classes, and the images that could not be read.

    Raises
    ------
    MissingInput
        If the folder does not exist.
    InvalidManifest
        If it holds another source, or none of the classes that this one should bring.
    """
    if not folder.is_dir():
        raise MissingInput(
            f"{folder} is no folder; give the one that 'tumorscope data fetch {name.value}' made, or the unpacked set"
        )
    names = ClassNames(SOURCES[name].folders)
    failures: tuple[Failure, ...] = ()
    if any((folder / file).is_file() for file in MANIFEST_NAMES):
        manifest = read_manifest(folder, names)
        others = {row.source for row in manifest} & {other.value for other in SourceName} - {name.value}
        if others:
            raise InvalidManifest(
                f"{folder} holds images of {', '.join(sorted(others))}, not of {name.value}"
            )
    elif name is SourceName.FIGSHARE:
        read = figshare_rows(folder, progress)
        manifest, failures = read.manifest, read.failures
    else:
        indexed = measure(index_folder(folder, names), progress)
        manifest, failures = indexed.manifest, indexed.failures
    if not any(row.label in PLAN[name] for row in manifest):
        raise InvalidManifest(
            f"{folder} holds no image of {', '.join(PLAN[name])}; {name.value} should bring these"
        )
    if name is SourceName.FIGSHARE and not all(_SLICE.fullmatch(row.slice_id) for row in manifest):
        raise InvalidManifest(
            f"{folder}: some rows do not name their Figshare slice (slice_id figshare:1 to figshare:3064); make the "
            "manifest with 'tumorscope data fetch figshare'"
        )
    rows = (replace(row, source=name.value) for row in manifest)
    return Manifest(tuple(rows), manifest.root), failures


def not_taken(manifests: dict[SourceName, Manifest]) -> list[LeftOut]:
    """Count the images of the sources whose class is not taken from there."""
    found = []
    for name, manifest in manifests.items():
        counts = Counter(row.label for row in manifest if row.label not in PLAN[name])
        for label, images in sorted(counts.items()):
            reason = _NOT_TAKEN.get((name, label), "this class is not taken from this source")
            found.append(LeftOut(source=name, label=label, images=images, reason=reason))
    return found
