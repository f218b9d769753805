"""The evaluation room stays light and free of torch."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("torch", "scipy", "sklearn", "rich", "onnxruntime", "nibabel", "h5py", "pydicom", "matplotlib")
PROGRAM = """
import sys
import tumorscope.evaluation.comparison
import tumorscope.evaluation.coverage
import tumorscope.evaluation.document
import tumorscope.evaluation.novelty
import tumorscope.evaluation.protocol
import tumorscope.evaluation.conformal
import tumorscope.evaluation.reliability
import tumorscope.evaluation.strata
import tumorscope.synthesis.phantom
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_importing_the_room_loads_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "tumorscope" in loaded
    assert not loaded & set(HEAVY)
