"""How long the whole command takes, from an empty process to the printed answer.

``tumorscope predict one.png`` is run in turn with a Python that only imports what any answer needs: NumPy, ONNX
Runtime and PIL. The figure is the ratio of the medians.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from timing import machine, report, side_by_side

from tumorscope.core.labels import Diagnosis
from tumorscope.synthesis.phantom import make_phantom

TARGET = 2.5
IMPORTS = "import numpy, onnxruntime, PIL.Image"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--image", type=Path, help="the file; a drawn 512 x 512 PNG if left out")
    parser.add_argument("--model", type=Path, help="another bundle, which is checked from end to end first")
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--check", action="store_true", help="fail where the target is missed")
    options = parser.parse_args()
    command = Path(sys.executable).with_name("tumorscope.exe" if sys.platform == "win32" else "tumorscope")
    with tempfile.TemporaryDirectory() as folder:
        path = options.image or Path(folder) / "one.png"
        if options.image is None:
            Image.fromarray(make_phantom(Diagnosis.MENINGIOMA, 0, 512).pixels).save(path)
        model = ["--model", options.model] if options.model else []

        def predict() -> None:
            subprocess.run([command, "predict", path, *model], check=True, stdout=subprocess.DEVNULL)

        def imports() -> None:
            subprocess.run([sys.executable, "-c", IMPORTS], check=True)

        times = side_by_side(
            {"tumorscope predict": predict, "imports alone": imports}, rounds=options.rounds, warm_up=2
        )
    print(machine())
    report(times)
    ratio = times["tumorscope predict"].median / times["imports alone"].median
    print(f"command over imports: {ratio:.2f} (target: at most {TARGET:g})")
    return 0 if ratio <= TARGET or not options.check else 1


if __name__ == "__main__":
    sys.exit(main())
