"""Models against each other on the same images.

Owns the pairs, what two models have in common, and the correction for many pairs. The tests themselves are
:mod:`tumorscope.evaluation.comparison`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import InvalidManifest
from tumorscope.evaluation.comparison import Comparison, compare
from tumorscope.evaluation.predictions import PredictionTable
from tumorscope.study.document import Name, PairedTest

__all__ = ["holm", "paired_tests"]


def paired_tests(
    protocol: Name, tables: Mapping[str, PredictionTable]
) -> tuple[tuple[PairedTest, ...], tuple[str, ...]]:
    """Compare every two models under one protocol.

    Parameters
    ----------
    protocol
        Under which the answers were given.
    tables
        Answers by the name of the row, in the order of the rows.

    Returns
    -------
    tuple
        The tests, and a note on every pair that cannot be compared. Where one model answered fewer images, such as
        those of one fold, both are compared on these.
    """
    found: list[tuple[str, str, Comparison]] = []
    notes = []
    for (first, one), (second, other) in combinations(tables.items(), 2):
        try:
            found.append((first, second, compare(*_in_common(one, other))))
        except InvalidManifest as error:
            notes.append(f"{first} and {second} cannot be compared under {protocol}: {error}.")
    corrected = holm([comparison.mcnemar_clustered.p for _, _, comparison in found])
    tests = tuple(
        PairedTest(
            protocol=protocol,
            first=first,
            second=second,
            images=comparison.images,
            slices=comparison.slices,
            groups=comparison.groups,
            difference={name: each.difference for name, each in comparison.differences.items()},
            p_bootstrap={name: each.p for name, each in comparison.differences.items()},
            p_mcnemar=comparison.mcnemar.p,
            p_clustered=comparison.mcnemar_clustered.p,
            p_holm=p,
        )
        for (first, second, comparison), p in zip(found, corrected, strict=True)
    )
    return tests, tuple(notes)


def holm(p: Sequence[float]) -> list[float]:
    """Correct p values so that one false alarm among all is as rare as promised (Holm, Scand. J. Statist. 6, 1979)."""
    corrected = [0.0] * len(p)
    highest = 0.0
    for rank, place in enumerate(sorted(range(len(p)), key=lambda at: p[at])):
        highest = max(highest, min(1.0, (len(p) - rank) * p[place]))
        corrected[place] = highest
    return corrected


def _in_common(one: PredictionTable, other: PredictionTable) -> tuple[PredictionTable, PredictionTable]:
    """The rows whose files both have answered; tables without hashes stay as they are."""
    if not (len(one.hashes) and len(other.hashes)):
        return one, other
    both = sorted(set(one.hashes) & set(other.hashes))
    if not both:
        raise InvalidManifest("they have no image in common")
    return _part(one, both), _part(other, both)


def _part(table: PredictionTable, hashes: Sequence[str]) -> PredictionTable:
    rows: NDArray[np.int64] = np.flatnonzero(np.isin(np.array(table.hashes), hashes))
    if len(rows) == len(table):
        return table
    return table.subset(rows)
