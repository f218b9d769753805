"""Keep the small part of a finished run: ``python records/make_record.py RUN NAME``.

Copies configuration, environment, histories and curves, and writes the out-of-fold answers without what leads back to
an image or a patient: groups and slices are numbered, paths and hashes left out; intensity styles stay. The record is
itself a run's folder for ``tumorscope evaluate``, so that anyone can compute the published figures again without the
images.
"""

from __future__ import annotations

import argparse
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tumorscope.evaluation.predictions import (
    PREDICTIONS_NAME,
    PredictionTable,
    read_predictions,
    write_predictions,
)
from tumorscope.evaluation.style_folds import holds_whole_styles

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


def copy_files(source: Path, target: Path, patterns: tuple[str, ...]) -> None:
    """Copy the files below a folder that match any of the patterns."""
    for pattern in patterns:
        for file in sorted(source.glob(pattern)):
            place = target / file.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)


def copy_answers(run: Path, record: Path) -> None:
    """Write the out-of-fold answers of a run into its record."""
    write_predictions(anonymous(read_predictions(run)), record / PREDICTIONS_NAME)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="folder of a finished run")
    parser.add_argument("name", help="name of the record")
    arguments = parser.parse_args()
    record = Path(__file__).parent / arguments.name
    copy_files(arguments.run, record, KEPT)
    copy_answers(arguments.run, record)
    protocol = "shifted" if holds_whole_styles(read_predictions(record)) else "patient-wise"
    print(f"{record}: measure it with tumorscope evaluate --model {record} --protocol {protocol}")


if __name__ == "__main__":
    main()
