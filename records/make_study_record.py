"""Keep the small part of a finished study: ``python records/make_study_record.py STUDY NAME``.

Copies the comparison with its plots, and of every run configuration, environment, times and curves; answers go in
without what leads back to an image or a patient, as in :mod:`make_record`. Compare under relative paths first, so that
the record names no folder of a machine: ``cd runs && tumorscope study --data split.csv --out study --compare``.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from make_record import KEPT, anonymous

from tumorscope.evaluation.predictions import PREDICTIONS_NAME, read_predictions, write_predictions
from tumorscope.study.document import Comparison, read_comparison

WHOLE = ("comparison.json", "comparison.md", "comparison.html", "plots/*.svg")
OF_RUNS = (*KEPT, "costs.json", "final/time.json", "folds/*/time.json")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", type=Path, help="folder of a study that was compared")
    parser.add_argument("name", help="name of the record")
    arguments = parser.parse_args()
    comparison = read_comparison(arguments.study)
    absolute = [path for path in (comparison.data.manifest, *_runs(comparison)) if Path(path).is_absolute()]
    if absolute:
        print(f"{absolute[0]} is a path of this machine; compare under relative paths first", file=sys.stderr)
        return 2
    record = Path(__file__).parent / arguments.name
    shutil.rmtree(record, ignore_errors=True)
    _copy(arguments.study, record, WHOLE)
    for path in sorted(arguments.study.glob("runs/*/*")):
        _copy(path, record / path.relative_to(arguments.study), OF_RUNS)
        if (path / PREDICTIONS_NAME).is_file():
            answers = anonymous(read_predictions(path))
            write_predictions(answers, record / path.relative_to(arguments.study) / PREDICTIONS_NAME)
    print(f"{record}: read {record / 'comparison.md'}")
    return 0


def _runs(comparison: Comparison) -> list[str]:
    return [result.run for row in comparison.rows for result in row.results if result.run]


def _copy(source: Path, target: Path, patterns: tuple[str, ...]) -> None:
    for pattern in patterns:
        for file in sorted(source.glob(pattern)):
            place = target / file.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)


if __name__ == "__main__":
    sys.exit(main())
