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

from make_record import KEPT, copy_answers, copy_files

from tumorscope.evaluation.predictions import PREDICTIONS_NAME
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
    copy_files(arguments.study, record, WHOLE)
    for path in sorted(arguments.study.glob("runs/*/*")):
        place = record / path.relative_to(arguments.study)
        copy_files(path, place, OF_RUNS)
        if (path / PREDICTIONS_NAME).is_file():
            copy_answers(path, place)
    print(f"{record}: read {record / 'comparison.md'}")
    return 0


def _runs(comparison: Comparison) -> list[str]:
    return [result.run for row in comparison.rows for result in row.results if result.run]


if __name__ == "__main__":
    sys.exit(main())
