"""The audit of a data set: every check, one document.

Owns their order and what each is given. Asks a model only what :mod:`tumorscope.dataset.audit.model` describes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from tumorscope.core.errors import InvalidManifest
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.core.prediction import NOTICE
from tumorscope.dataset.audit.appearance import FEATURES
from tumorscope.dataset.audit.clusters import joined
from tumorscope.dataset.audit.conflicts import conflict_check
from tumorscope.dataset.audit.copies import copy_checks, described
from tumorscope.dataset.audit.document import Audit, ShortcutFigures
from tumorscope.dataset.audit.files import class_check, unreadable_check, version_check
from tumorscope.dataset.audit.label_errors import label_check
from tumorscope.dataset.audit.leaks import leak_checks
from tumorscope.dataset.audit.look import Seen, see
from tumorscope.dataset.audit.model import Answers, Asked, HeldOut
from tumorscope.dataset.audit.novelty import novelty_check
from tumorscope.dataset.audit.shortcuts import shortcut_check
from tumorscope.dataset.audit.tables import cross_tables
from tumorscope.dataset.copies.pair import CopyKind, CopyPair
from tumorscope.dataset.copies.search import find_copies
from tumorscope.dataset.groups import undivided_groups
from tumorscope.dataset.manifest import Manifest
from tumorscope.dataset.scan import Progress
from tumorscope.dataset.shortcut import probe
from tumorscope.dataset.sources.versions import stamp

__all__ = ["audit"]


def audit(
    manifest: Manifest,
    *,
    data: str,
    command: str = "",
    version: str = "",
    model: Asked | None = None,
    held_out: HeldOut | None = None,
    progress: Progress | None = None,
    search_progress: Progress | None = None,
) -> Audit:
    """Check a data set for all that makes its figures wrong.

    Parameters
    ----------
    manifest
        The data set; every image is opened once, what cannot be read is listed.
    data
        Name of the folder or manifest, for the document.
    command
        The command that asked for it.
    version
        Version of the program that asks.
    model
        A bundle to ask for novelty and, without ``held_out``, for label errors.
    held_out
        Out-of-fold answers of a run, the better judge of labels.
    progress, search_progress
        Called with (done, total) while images are read, and while copies are sought.

    Returns
    -------
    Audit
        The same for the same files, manifest, model and command.

    Raises
    ------
    InvalidManifest
        If ``held_out`` answers none of the images.
    MissingDependency
        If the extra ``data`` is not installed.
    """
    seen = see(_stamped(manifest), model, progress)
    read = seen.manifest
    pairs = find_copies(seen.thumbnails, [row.pixels_sha256 or "" for row in read], progress=search_progress)
    # Only equal pixels make one picture of many here: a near copy's label is held against its own partner.
    same = [(pair.first, pair.second) for pair in pairs if pair.kind is CopyKind.EXACT]
    slices = joined([row.slice_id for row in read], same)
    answers = seen.answers if held_out is None else Answers.held_out(read, held_out)

    unreadable, broken = unreadable_check(manifest, seen.failures)
    data_set, stamps = version_check(read if len(read) else manifest)
    found_pairs = described(read, pairs)
    leaks_found, leaks = leak_checks(manifest)
    conflicts_found, conflicts = conflict_check(read, slices, pairs)
    labels_found, suspected = label_check(read, answers)
    novelty_found, unlike = novelty_check(read, model, seen.novelty)
    figures = _probe(seen, pairs)
    by_class = Counter(row.label for row in manifest)
    names = [name for name in (held_out and held_out.name, model and model.name) if name]
    return Audit(
        tumorscope=version,
        command=command,
        data=data,
        manifest_sha256=manifest.digest,
        datasets=stamps,
        images=len(manifest),
        images_by_class={label.value: by_class[label] for label in CLASS_ORDER},
        groups=len({row.group for row in manifest}),
        patients=len({row.patient for row in manifest} - {None}),
        model=", ".join(dict.fromkeys(names)) or None,
        checks=(
            unreadable,
            class_check(read, len(manifest) - len(read)),
            data_set,
            *copy_checks(found_pairs, len(read), grouped=any(row.group != row.sha256 for row in read)),
            *leaks_found,
            conflicts_found,
            labels_found,
            novelty_found,
            shortcut_check(figures),
        ),
        pairs=found_pairs,
        leaks=leaks,
        conflicts=conflicts,
        suspected_labels=suspected,
        unlike_brain=unlike,
        unreadable=broken,
        shortcut=figures,
        tables=cross_tables(read, seen.formats),
        notice=NOTICE,
    )


def _stamped(manifest: Manifest) -> Manifest:
    """With the versions recognised before any file is found unreadable: a damaged file makes no set a part of one."""
    try:
        return stamp(manifest).manifest
    except InvalidManifest:
        return manifest  # what contradicts is a finding, told by its check


def _probe(seen: Seen, pairs: Sequence[CopyPair]) -> ShortcutFigures | None:
    # Through copies of copies two slices of one scan may count as one here; that costs the probe a few of its slices.
    slices = joined([row.slice_id for row in seen.manifest], ((pair.first, pair.second) for pair in pairs))
    _, groups = np.unique(undivided_groups(seen.manifest, pairs), return_inverse=True)
    return probe(seen.features, FEATURES, seen.manifest.labels(), groups.astype(np.int64).reshape(-1), slices)
