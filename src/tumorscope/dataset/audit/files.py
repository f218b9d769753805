"""The checks of files and classes: what cannot be read, what is empty, which public data set this is.

Owns three short verdicts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tumorscope.core.errors import InvalidManifest
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.dataset.audit.document import Check, Unreadable, Verdict
from tumorscope.dataset.audit.words import counted, listed
from tumorscope.dataset.manifest import Manifest
from tumorscope.dataset.scan import Failure
from tumorscope.dataset.sources.versions import Stamped, stamp

__all__ = ["class_check", "unreadable_check", "version_check"]


def unreadable_check(manifest: Manifest, failures: Sequence[Failure]) -> tuple[Check, tuple[Unreadable, ...]]:
    """Say which files cannot be read; any is a problem, since a training run would stop or go on without it.

    Parameters
    ----------
    manifest
        All images.
    failures
        What the scan could not use.
    """
    found = []
    for failure in failures:
        shown = manifest.display_path(manifest.records[failure.row])
        # The message names the file as it was opened: what lies above the data set is nobody's business.
        message = str(failure.error).replace(str(failure.path), shown).replace(failure.path.as_posix(), shown)
        found.append(Unreadable(path=shown, code=failure.error.code, message=message))
    files = counted(len(manifest), "file")
    verb = "is" if len(found) == 1 else "are"
    check = Check(
        key="unreadable",
        title="Unreadable files",
        verdict=Verdict.PROBLEM if found else Verdict.GOOD,
        sentence=(
            f"Of {files}, {len(found):,} cannot be read as one slice and {verb} left out of every check of pixels."
            if found
            else f"Read without an error: {files}."
        ),
        count=len(found),
    )
    return check, tuple(sorted(found, key=lambda entry: entry.path))


def class_check(manifest: Manifest, unreadable: int = 0) -> Check:
    """Say which classes have no image; a classifier of four can neither learn nor be measured on such a class.

    Parameters
    ----------
    manifest
        The readable images.
    unreadable
        How many others there are, which count for no class.
    """
    counts = Counter(row.label for row in manifest)
    empty = [label.value for label in CLASS_ORDER if not counts[label]]
    told = listed([f"{label.value} {counts[label]:,}" for label in CLASS_ORDER])
    return Check(
        key="empty-classes",
        title="Empty classes",
        verdict=Verdict.PROBLEM if empty else Verdict.GOOD,
        sentence=(f"No image of {listed(empty)}: {told}" if empty else f"Every class has images: {told}")
        + (f"; {counted(unreadable, 'file')} that cannot be read not counted." if unreadable else "."),
        count=len(empty),
    )


def version_check(manifest: Manifest) -> tuple[Check, tuple[str, ...]]:
    """Say which public data set this is, and the stamps of all its rows.

    Two versions of one set in one data set are a problem: they share slices under other names. A part of a set is
    worth knowing, and so are images taken over from one. Of a set that nobody published there is nothing to check.
    """
    named = {row.dataset for row in manifest} - {None}
    try:
        stamped = stamp(manifest)
    except InvalidManifest as error:
        verdict, told = Verdict.PROBLEM, str(error)
    else:
        verdict, told = _judged(stamped, sorted(name for name in named if name is not None))
        named |= {row.dataset for row in stamped.manifest}
    check = Check(
        key="dataset-version",
        title="Public data set",
        verdict=verdict,
        sentence=f"{told[:1].upper()}{told[1:]}.",
        count=None,
    )
    return check, tuple(sorted(name for name in named if name is not None))


def _judged(stamped: Stamped, named: list[str]) -> tuple[Verdict, str]:
    if stamped.version is not None:
        return (Verdict.GOOD if stamped.is_complete else Verdict.NOTICE), stamped.summary
    if stamped.taken_over:
        return Verdict.NOTICE, stamped.summary
    if named:
        return Verdict.GOOD, f"the manifest says that this is {listed(named)}"
    return Verdict.NOT_RUN, (
        "neither the counts nor the files are those of a public data set that is known here, so there is no "
        "version to check"
    )
