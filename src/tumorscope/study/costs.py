"""Parameters and operations of a network, counted as it is exported.

Owns the counting, by torch's own counter. Imports torch.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from tumorscope.evaluation.calibration import Scaling
from tumorscope.export.graph import AnswerGraph
from tumorscope.study.document import Costs
from tumorscope.training.fit import load_fitted
from tumorscope.training.folder import RunFolder
from tumorscope.training.novelty import SPACE, load_space

__all__ = ["count_costs"]


def count_costs(run: RunFolder, fit: Path) -> Costs:
    """Count what one answer takes: the network, calibration, heat-map, embedding and novelty of a bundle.

    Parameters
    ----------
    run
        The run.
    fit
        Folder of one of its finished fits.

    Returns
    -------
    Costs
        For one image. Convolutions, matrix products and attention are counted; what is done once a value
        (activations, norms, softmax) is not, as is usual.
    """
    network = load_fitted(run.config, fit)
    space, _ = load_space(fit / SPACE)
    graph = AnswerGraph(network, Scaling(np.ones(4), np.zeros(4)), space).eval()
    size = run.config.image_size
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        graph(torch.zeros(1, size, size, dtype=torch.uint8))
    flops = int(counter.get_total_flops())
    return Costs(
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        multiply_adds=flops // 2,
        flops=flops,
        counted_by=f"torch.utils.flop_counter {torch.__version__}",
    )
