"""The models that an ensemble is made of, and what they said of images that they had not seen.

Owns which bundles fit together, and the mean of several runs' out-of-fold answers: fold by fold, of each run by the
model that has not seen the image. Knows no graph.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.card import ModelCard
from tumorscope.core.errors import InvalidBundle, InvalidConfiguration, InvalidManifest, MissingInput
from tumorscope.evaluation.predictions import PredictionTable, read_predictions
from tumorscope.export.held_out import out_of_fold_novelty
from tumorscope.inference.bundle import read_bundle
from tumorscope.inference.verify import verify
from tumorscope.training.folder import RunFolder

__all__ = ["EnsembleMember", "OutOfFold", "average_out_of_fold", "check_members", "open_member"]


@dataclass(frozen=True, slots=True, eq=False)
class EnsembleMember:
    """One bundle of an ensemble.

    Parameters
    ----------
    content
        The whole file, which passed its checks.
    card
        Its card.
    """

    content: bytes
    card: ModelCard

    @property
    def sha256(self) -> str:
        """Of the file, 64 hex digits."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class OutOfFold:
    """What runs said of images, each by the models that had not seen them.

    Parameters
    ----------
    table
        The mean of the runs' logits beside the truth, with folds.
    novelty
        For each run ``float32 [N]``, in the order of the table and in units of the run's own models.
    """

    table: PredictionTable
    novelty: tuple[NDArray[np.float32], ...]

    @property
    def numbers(self) -> list[int]:
        """Of the folds, ascending."""
        return [int(number) for number in np.unique(np.asarray(self.table.folds))]


def open_member(path: Path) -> EnsembleMember:
    """Read a bundle; errors as of :func:`~tumorscope.inference.bundle.read_bundle`."""
    content = read_bundle(path).content
    return EnsembleMember(content, verify(content, str(path)))


def check_members(members: Sequence[EnsembleMember]) -> None:
    """Make sure that bundles can answer as one.

    Raises
    ------
    InvalidConfiguration
        If there are fewer than two, or one of them twice.
    InvalidBundle
        If they differ in input size, class order, preprocessing or kind of heat-map.
    """
    if len(members) < 2:
        raise InvalidConfiguration(
            f"an ensemble of {len(members)} member is none; name at least two runs or bundles, or one run with "
            "--fold-models"
        )
    if len({member.sha256 for member in members}) < len(members):
        raise InvalidConfiguration("a member is named twice; name each run or bundle once")
    first = members[0].card
    for member in members[1:]:
        for field, words in _ALIKE.items():
            own, other = getattr(first, field), getattr(member.card, field)
            if own != other:
                raise InvalidBundle(
                    f"{first.name} and {member.card.name} differ in their {words} ({_shown(own)} and {_shown(other)}); "
                    "the members of an ensemble must agree in it"
                )


def average_out_of_fold(runs: Sequence[RunFolder]) -> OutOfFold:
    """Take the mean of what cross-fitted runs said of the same images.

    Parameters
    ----------
    runs
        Trained with ``--folds`` on the same images in the same folds.

    Raises
    ------
    MissingInput
        If a run has no out-of-fold answers, or an unfinished fold.
    InvalidManifest
        If the runs differ in images, classes or folds.
    """
    tables = [_table(run) for run in runs]
    first = tables[0]
    logits, novelty, leaks = [], [], dict(first.leaks)
    for run, table in zip(runs, tables, strict=True):
        rows = _rows_in_order(table, first, run, runs[0])
        logits.append(table.logits[rows])
        novelty.append(out_of_fold_novelty(run, table)[rows])
        for key, count in table.leaks.items():
            leaks[key] = max(count, leaks.get(key, 0))
    mean = replace(first, logits=np.mean(logits, axis=0), leaks=leaks)
    return OutOfFold(mean, tuple(novelty))


_ALIKE = {
    "input_size": "input size",
    "class_order": "class order",
    "preprocessing": "preprocessing",
    "heatmap_kind": "kind of heat-map",
}


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _table(run: RunFolder) -> PredictionTable:
    table = read_predictions(run.path)
    if table.folds is None or len(table.hashes) != len(table):
        raise MissingInput(f"{run.predictions} lacks folds or hashes; train with --folds")
    return table


def _rows_in_order(
    table: PredictionTable, first: PredictionTable, run: RunFolder, first_run: RunFolder
) -> NDArray[np.int64]:
    """For each row of the first table the row of another that is about the same image."""
    names = f"{first_run.path.name} and {run.path.name}"
    position = {digest: row for row, digest in enumerate(table.hashes)}
    if sorted(table.hashes) != sorted(first.hashes):
        apart = len(set(table.hashes) ^ set(first.hashes))
        raise InvalidManifest(
            f"{names} were cross-fitted on different images ({apart} are in one of them only); give runs on one "
            "manifest"
        )
    rows = np.array([position[digest] for digest in first.hashes], dtype=np.int64)
    for what, own, other in (
        ("folds", first.folds, table.folds),
        ("classes", first.labels, table.labels),
    ):
        apart = int((np.asarray(own) != np.asarray(other)[rows]).sum())
        if apart:
            raise InvalidManifest(
                f"{names} have different {what} for {apart} of {len(rows)} images, so no mean of theirs is honest; "
                "give runs on one manifest with folds"
            )
    return rows
