"""Keep the small part of a finished run: ``python records/make_record.py RUN NAME``.

Copies configuration, environment, histories and curves, and writes the out-of-fold answers without what leads back to
an image or a patient: groups and slices are numbered, paths and hashes left out; intensity styles stay. The record is
itself a run's folder for ``tumorscope evaluate``, so that anyone can compute the published figures again without the
images.
"""

from __future__ import annotations

import argparse
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tumorscope.dataset.manifest import Manifest
from tumorscope.dataset.manifest_file import read_manifest
from tumorscope.evaluation.predictions import PredictionTable, read_predictions, write_predictions

KEPT = (
    "config.yaml",
    "data.json",
    "environment.json",
    "curves.png",
    "folds/*/metrics.csv",
    "final/metrics.csv",
    "final/curves.png",
    "final/initial-weights.txt",
)
DECIMALS = 5


def numbered(names: NDArray[np.str_], prefix: str) -> NDArray[np.str_]:
    """Replace each distinct name by its number in sorted order, which leaves the resampled intervals as they are."""
    _, position = np.unique(names, return_inverse=True)
    return np.array([f"{prefix}{place:04d}" for place in position])


def anonymous(table: PredictionTable) -> PredictionTable:
    """The same answers, with nothing that leads back to an image."""
    return replace(
        table,
        groups=numbered(table.groups, "group"),
        slice_ids=numbered(table.slice_ids, "slice"),
        logits=table.logits.round(DECIMALS),
        paths=(),
        hashes=(),
    )


def undivided(table: PredictionTable, manifest: Manifest) -> PredictionTable:
    """The answers under the manifest's groups, without the images of a group that lies in two folds of the run.

    For a run whose groups turned out to be incomplete: the model that answered such an image had seen a copy of it.
    """
    group_of = {row.sha256: row.group for row in manifest}
    groups = np.array([group_of[sha256] for sha256 in table.hashes])
    folds = table.folds if table.folds is not None else np.zeros(len(table), dtype=np.int64)
    pairs = {(str(group), int(fold)) for group, fold in zip(groups, folds, strict=True)}
    divided = {group for group, count in Counter(group for group, _ in pairs).items() if count > 1}
    kept = np.flatnonzero([group not in divided for group in groups])
    print(
        f"{len(table) - len(kept):,} images of {len(divided):,} groups in two folds left out, {len(kept):,} kept"
    )
    return replace(
        table,
        labels=table.labels[kept],
        logits=table.logits[kept],
        groups=groups[kept],
        slice_ids=table.slice_ids[kept],
        is_patient=table.is_patient[kept],
        folds=folds[kept],
        styles=None if table.styles is None else table.styles[kept],
        paths=(),
        hashes=(),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--groups", type=Path, help="manifest with better groups, such as 'tumorscope data split' writes"
    )
    parser.add_argument("run", type=Path, help="folder of a finished run")
    parser.add_argument("name", help="name of the record")
    arguments = parser.parse_args()
    record = Path(__file__).parent / arguments.name
    for pattern in KEPT:
        for source in sorted(arguments.run.glob(pattern)):
            target = record / source.relative_to(arguments.run)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    table = read_predictions(arguments.run)
    if arguments.groups:
        table = undivided(table, read_manifest(arguments.groups))
    write_predictions(anonymous(table), record / "predictions.csv")
    print(f"{record}: measure it with tumorscope evaluate --model {record} --protocol patient-wise")


if __name__ == "__main__":
    main()
