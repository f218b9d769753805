"""Which images of a data set a bundle is tested on, under each protocol.

Owns the choice and what a reader must know of it. Knows no model.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from tumorscope.core.errors import InvalidManifest
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.dataset.certificate import FEWEST_GROUPS
from tumorscope.dataset.leaks import count_leaks, find_leaks, part_sides, refuse_leaks
from tumorscope.dataset.manifest import Manifest, OfficialSplit, Part
from tumorscope.dataset.split import leak_free
from tumorscope.evaluation.protocol import Protocol

__all__ = ["ImagesToTest", "beyond_official_training", "images_to_test"]


@dataclass(frozen=True, slots=True)
class ImagesToTest:
    """The images of a manifest that may be tested on.

    Parameters
    ----------
    manifest
        The rows to test on.
    notes
        What a reader must know of the choice.
    leaks
        How many keys of each kind they share with the images to learn from; ``None`` where that cannot be known.
    estimable
        Whether figures may be given: false where the protocol leaves too few groups of a class.
    """

    manifest: Manifest
    notes: tuple[str, ...] = ()
    leaks: dict[str, int] | None = None
    estimable: bool = True


def images_to_test(manifest: Manifest, protocol: Protocol, *, allow_leaks: bool = False) -> ImagesToTest:
    """Choose the rows to test on.

    Parameters
    ----------
    manifest
        The labelled images.
    protocol
        ``external`` takes the part ``test``, or all rows where there are no parts. ``official`` takes the official
        Testing images and stamps their leaks. ``leak-free`` takes those of them that share no patient, copy or group
        with any other image.
    allow_leaks
        Whether parts may leak; the official split is measured whether it leaks or not, since it was published so.

    Raises
    ------
    InvalidManifest
        If there is no such row, or the protocol tests no bundle.
    LeakySplit
        If a key lies in both parts, train and test, and leaks are not allowed.
    """
    if protocol is Protocol.OFFICIAL:
        return _official(manifest)
    if protocol is Protocol.LEAK_FREE:
        return _leak_free(manifest)
    if protocol is Protocol.EXTERNAL:
        return _external(manifest, allow_leaks=allow_leaks)
    raise InvalidManifest(
        f"the protocol {protocol} measures the answers of a run, not a bundle; give the run's folder as --model"
    )


def beyond_official_training(manifest: Manifest) -> Manifest:
    """The official Testing images that are not, byte for byte, official Training images too.

    A model that has seen one of these was trained on the Testing part. The others it may have met as Training images,
    which is a leak of the published split and not of the model; :func:`images_to_test` counts it.
    """
    learnt = {row.sha256 for row in manifest if row.official_split is OfficialSplit.TRAINING}
    rows = [
        position
        for position, row in enumerate(manifest)
        if row.official_split is OfficialSplit.TESTING and row.sha256 not in learnt
    ]
    return manifest.subset(rows)


def _external(manifest: Manifest, *, allow_leaks: bool) -> ImagesToTest:
    if all(row.part is None for row in manifest):
        return ImagesToTest(manifest)
    rows = [position for position, row in enumerate(manifest) if row.part is Part.TEST]
    if not rows:
        raise InvalidManifest(
            f"none of the {len(manifest)} rows is of the part test; hold some out with 'tumorscope data split', or "
            "empty the column part to test on all"
        )
    leaks = count_leaks(find_leaks(manifest, part_sides(manifest)))
    if not allow_leaks:
        refuse_leaks(leaks, "parts, train and test", "--hold-out FRACTION")
    test = manifest.subset(rows)
    left_out = len(manifest) - len(rows)
    notes = [f"Only the {len(rows):,} images of the part test were used; {left_out:,} others were left out."]
    few = _classes_of_few_groups(test)
    if few:
        notes.append(
            f"The part test has fewer than {FEWEST_GROUPS} groups of {', '.join(few)}: no figure on it is an "
            "estimate for new patients."
        )
    return ImagesToTest(test, tuple(notes), leaks)


def _official(manifest: Manifest) -> ImagesToTest:
    rows = [position for position, row in enumerate(manifest) if row.official_split is OfficialSplit.TESTING]
    if not rows:
        raise InvalidManifest(
            f"none of the {len(manifest)} rows has the official_split Testing; the protocol official needs a data set "
            "with folders Training and Testing, or the column official_split"
        )
    sides = [None if row.official_split is None else row.official_split.value for row in manifest]
    leaks = count_leaks(find_leaks(manifest, sides))
    return ImagesToTest(manifest.subset(rows), _version(manifest), leaks)


def _leak_free(manifest: Manifest) -> ImagesToTest:
    rows = [position for position, part in enumerate(leak_free(manifest)) if part is Part.TEST]
    official = sum(row.official_split is OfficialSplit.TESTING for row in manifest)
    test = manifest.subset(rows)
    # A manifest with parts was split already, and what comparing the pictures gave is in its groups.
    advice = (
        "; 'tumorscope data split --leak-free' compares the pictures too"
        if all(row.part is None for row in manifest)
        else ""
    )
    notes = [
        *_version(manifest),
        f"{len(rows):,} of {official:,} official test images share no patient, copy or group with an image to "
        f"learn from, by the keys of the manifest{advice}.",
    ]
    few = _classes_of_few_groups(test)
    if few:
        notes.append(f"Not estimable: fewer than {FEWEST_GROUPS} groups of {', '.join(few)}.")
    return ImagesToTest(test, tuple(notes), {}, estimable=not few)


def _classes_of_few_groups(manifest: Manifest) -> list[str]:
    groups = Counter(label for label, _ in {(row.label, row.group) for row in manifest})
    return [label.value for label in CLASS_ORDER if groups[label] < FEWEST_GROUPS]


def _version(manifest: Manifest) -> tuple[str, ...]:
    """Which published version the official split is that of."""
    stamps = sorted({row.dataset for row in manifest if row.dataset})
    if stamps:
        return (f"Data set: {', '.join(stamps)}.",)
    return (
        "The version of the data set is not stamped; 'tumorscope data index' recognises the published ones.",
    )
