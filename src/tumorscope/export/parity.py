"""Does the exported file say what the network says?

Owns the comparison that an export must pass: torch and ONNX Runtime on the same images, every output.
"""

from __future__ import annotations

import numpy as np
import torch

from tumorscope.core.errors import ParityError
from tumorscope.export.graph import AnswerGraph
from tumorscope.export.parity_images import TOLERANCE, parity_images
from tumorscope.inference.bundle import OUTPUTS, BundleBytes
from tumorscope.inference.session import Session

__all__ = ["TOLERANCE", "check_parity", "parity_images"]


def check_parity(graph: AnswerGraph, content: bytes, size: int) -> float:
    """Compare the two on the same images.

    Parameters
    ----------
    graph
        What was exported.
    content
        The exported file.
    size
        Side of the input.

    Returns
    -------
    float
        Largest difference as a fraction of what is allowed: 1e-4 absolute plus 1e-4 relative.

    Raises
    ------
    ParityError
        If any value of any output differs by more; the message names the output.
    """
    images = parity_images(size)
    with torch.inference_mode():
        expected = [output.numpy() for output in graph(torch.from_numpy(images))]
    session = Session(BundleBytes(content, "the exported graph", shipped=False))
    worst = 0.0
    for name, reference, value in zip(OUTPUTS, expected, session.run(images, OUTPUTS), strict=True):
        excess = float((np.abs(value - reference) / (TOLERANCE + TOLERANCE * np.abs(reference))).max())
        if not excess <= 1:
            raise ParityError(
                f"output {name!r} of the exported graph differs from torch by {np.abs(value - reference).max():.2e}; "
                f"allowed are {TOLERANCE:g} absolute plus {TOLERANCE:g} relative; the bundle was not written"
            )
        worst = max(worst, excess)
    return worst
