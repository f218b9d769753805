"""How long it takes to measure recorded answers and to write the page, beyond the time to predict.

``tumorscope evaluate --report`` is run as a process on the out-of-fold answers of the shipped recipe, without
passes. With ``--data`` the images themselves are given too: strata are measured, and the worst errors are drawn
with heat-maps where the run has the bundles of its folds. The figure is the median in seconds of the whole command,
the start of Python included.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from timing import machine, report, side_by_side

from tumorscope.evaluation.predictions import read_predictions

TARGET = 60.0
RECORD = Path(__file__).parents[1] / "records" / "efficientnet-lite0"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, default=RECORD, help="folder with predictions.csv")
    parser.add_argument("--data", type=Path, help="the images of the run, a manifest or a folder")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--check", action="store_true", help="fail where the target is missed")
    options = parser.parse_args()
    command = Path(sys.executable).with_name("tumorscope.exe" if sys.platform == "win32" else "tumorscope")
    data = ["--data", options.data] if options.data else []
    images = len(read_predictions(options.run))
    with tempfile.TemporaryDirectory() as folder:

        def evaluate() -> None:
            subprocess.run(
                [
                    *(command, "evaluate", "--model", options.run, "--protocol", "patient-wise"),
                    *("--report", folder, "--format", "json", "--no-progress", *data),
                ],
                check=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )

        times = side_by_side({"tumorscope evaluate --report": evaluate}, rounds=options.rounds, warm_up=1)
    print(f"{images:,} images, {machine()}")
    report(times)
    median = times["tumorscope evaluate --report"].median
    print(f"seconds: {median:.1f} (target: at most {TARGET:g})")
    return 0 if median <= TARGET or not options.check else 1


if __name__ == "__main__":
    sys.exit(main())
