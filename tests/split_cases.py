"""Made data sets whose images share keys in many ways, for the tests of splits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from tumorscope.core.labels import CLASS_ORDER
from tumorscope.dataset.copies.pair import CopyKind, CopyPair, Orientation
from tumorscope.dataset.manifest import ImageRecord, Manifest, OfficialSplit

__all__ = ["one_class_groups", "pairs_in", "shuffled", "tangled"]


def one_class_groups(sizes: dict[int, list[int]], fold: int | None = None) -> Manifest:
    """For each class the sizes of its groups; nothing else is shared."""
    rows = [
        ImageRecord(
            Path(f"{k}-{group}-{n}.png"),
            CLASS_ORDER[k],
            f"{k}-{group}",
            f"{k}-{group}-{n}",
            f"{k:02d}{group:04d}{n:04d}".ljust(64, "0"),
            fold=fold,
        )
        for k, groups in sizes.items()
        for group, size in enumerate(groups)
        for n in range(size)
    ]
    return Manifest(tuple(rows), Path())


@st.composite
def tangled(draw: st.DrawFn, *, least: int = 30, most: int = 90) -> Manifest:
    """Rows of one class a patient, tied by every kind of key, with an official split that ignores the ties.

    Patients are many and keys are drawn within a patient or its neighbour of the same class, so that chains form
    without tying everything together.
    """
    patients = draw(st.integers(least, most))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows = []
    for number in range(patients):
        for n in range(int(rng.integers(1, 5))):
            # The neighbour of the same class, or the patient itself.
            shared = number - 4 if number >= 4 and rng.random() < 0.06 else number
            key = ("group", "slice", "file", "pixels")[int(rng.integers(4))]
            name = {
                kind: (shared if kind == key else number) for kind in ("group", "slice", "file", "pixels")
            }
            tag = 0 if shared != number else n
            rows.append(
                ImageRecord(
                    Path(f"{number}-{n}.png"),
                    CLASS_ORDER[number % 4],
                    group=f"g{name['group']}",
                    slice_id=f"s{name['slice']}-{tag}",
                    sha256=f"{name['file']:032x}{tag:032x}",
                    patient=f"p{number}" if rng.random() < 0.8 else None,
                    pixels_sha256=f"{name['pixels']:032x}{tag:032x}" if rng.random() < 0.8 else None,
                    official_split=OfficialSplit.TESTING if rng.random() < 0.2 else OfficialSplit.TRAINING,
                )
            )
    return Manifest(tuple(rows), Path())


def pairs_in(manifest: Manifest, seed: int, count: int = 5) -> tuple[CopyPair, ...]:
    """Near copies that no key of the manifest ties together, within a class."""
    rng = np.random.default_rng(seed)
    labels = manifest.labels()
    pairs = []
    for _ in range(count):
        first = int(rng.integers(len(manifest)))
        second = int(rng.choice(np.flatnonzero(labels == labels[first])))
        if first != second:
            ends = min(first, second), max(first, second)
            pairs.append(CopyPair(*ends, CopyKind.NEAR, Orientation.SAME, 0.99))
    return tuple(pairs)


def shuffled(
    manifest: Manifest, pairs: tuple[CopyPair, ...], seed: int
) -> tuple[Manifest, tuple[CopyPair, ...]]:
    """The same data set in another order of rows."""
    order = np.random.default_rng(seed).permutation(len(manifest))
    place = np.argsort(order)
    moved = (sorted((int(place[pair.first]), int(place[pair.second]))) for pair in pairs)
    ends = [CopyPair(first, second, CopyKind.NEAR, Orientation.SAME, 0.99) for first, second in moved]
    return manifest.subset(order.tolist()), tuple(ends[::-1])
