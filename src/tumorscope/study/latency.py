"""How long a bundle takes for one image.

Owns the stopwatch. The answer is asked through :mod:`tumorscope.inference`, as a user asks it, without the reading and
the preprocessing of a file; free of torch.
"""

from __future__ import annotations

import platform
import time
from pathlib import Path

import numpy as np

from tumorscope.core.labels import Diagnosis
from tumorscope.inference.bundle import OUTPUTS
from tumorscope.inference.classifier import Classifier
from tumorscope.inference.session import available_threads
from tumorscope.preprocess import preprocess
from tumorscope.study.document import Latency
from tumorscope.synthesis.phantom import make_phantom

__all__ = ["REPEATS", "processor_name", "time_bundle"]

REPEATS = 50
_WARM_UP = 10


def time_bundle(classifier: Classifier, repeats: int = REPEATS) -> Latency:
    """Time one image at a time, all outputs, after ten that are not counted.

    Parameters
    ----------
    classifier
        On the processor, with all its threads.
    repeats
        How often.
    """
    image = preprocess(make_phantom(Diagnosis.GLIOMA, 0).pixels, classifier.card.input_size)[None]
    taken = []
    for _ in range(_WARM_UP + repeats):
        begun = time.perf_counter()
        classifier.session.run(image, OUTPUTS)
        taken.append(1000 * (time.perf_counter() - begun))
    low, median, high = np.percentile(taken[_WARM_UP:], [10, 50, 90]).tolist()
    return Latency(
        median_ms=round(median, 3),
        low_ms=round(low, 3),
        high_ms=round(high, 3),
        repeats=repeats,
        threads=available_threads(),
        processor=processor_name(),
    )


def processor_name() -> str:
    """What the processor calls itself; its kind where it does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())
