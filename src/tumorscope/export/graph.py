"""From a trained network to an ONNX graph that gives the whole answer in one call.

Owns what is inside the graph: scaling, network, calibration, heat-map, embedding and novelty. Knows nothing of
cards or files.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from tumorscope.evaluation.calibration import Scaling
from tumorscope.inference.bundle import INPUT, OUTPUTS
from tumorscope.models.grid import tents
from tumorscope.models.network import SliceNetwork
from tumorscope.training.module import as_input
from tumorscope.training.novelty import NoveltySpace

__all__ = ["AnswerGraph", "to_onnx"]

OPSET = 18

_MAP_STRIDE = 8
"""Pixels of the input a cell of a heat-map, at the most: features are coarser than what they tell of."""


class FineMap(nn.Module):
    """Evidence on a grid fine enough to show where it peaks, of the same sum.

    Parameters
    ----------
    network
        Whose evidence it is.
    """

    def __init__(self, network: SliceNetwork) -> None:
        super().__init__()
        finer = -(-network.heatmap_stride // _MAP_STRIDE)
        rule = tents(network.cells, finer * network.cells, network.reach)
        self.spread: torch.Tensor | None
        self.register_buffer("spread", torch.from_numpy(rule.astype(np.float32)) if finer > 1 else None)

    def forward(self, evidence: torch.Tensor) -> torch.Tensor:
        """Spread ``[N, 4, h, h]``."""
        return evidence if self.spread is None else self.spread @ evidence @ self.spread.T


class AnswerGraph(nn.Module):
    """The network with everything a user of a bundle needs around it.

    Parameters
    ----------
    network
        Trained.
    calibration
        What is done to the logits before softmax (Guo et al., ICML 2017).
    space
        Constants of the novelty.
    """

    def __init__(self, network: SliceNetwork, calibration: Scaling, space: NoveltySpace) -> None:
        super().__init__()
        self.network = network
        self.map = FineMap(network)
        self.logit_scale: torch.Tensor
        self.logit_bias: torch.Tensor
        self.register_buffer("logit_scale", torch.from_numpy(calibration.scale.astype(np.float32)))
        self.register_buffer("logit_bias", torch.from_numpy(calibration.bias.astype(np.float32)))
        self.mean: torch.Tensor
        self.scale: torch.Tensor
        self.basis: torch.Tensor
        self.register_buffer("mean", torch.from_numpy(space.mean))
        self.register_buffer("scale", torch.from_numpy(space.scale))
        self.register_buffer("basis", torch.from_numpy(space.basis))

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Answer ``uint8 [N, S, S]`` with the five outputs of a bundle, in the order of their names."""
        output = self.network(as_input(image))
        probabilities = torch.softmax(output.logits * self.logit_scale + self.logit_bias, dim=1)
        standard = (output.look - self.mean) / self.scale
        left = standard - (standard @ self.basis) @ self.basis.T
        novelty = left.square().sum(dim=1).sqrt()
        return output.logits, probabilities, self.map(output.evidence), output.embedding, novelty


def to_onnx(graph: AnswerGraph, size: int) -> bytes:
    """Export to one self-contained file with a free batch dimension.

    Parameters
    ----------
    graph
        In evaluation mode, on the CPU.
    size
        Side of the input in pixels.

    Returns
    -------
    bytes
        A serialized ``ModelProto`` without external data.
    """
    example = torch.zeros(2, size, size, dtype=torch.uint8)
    batch = torch.export.Dim("N", min=1)
    with _silent():
        program = torch.onnx.export(
            graph.eval(),
            (example,),
            input_names=[INPUT],
            output_names=list(OUTPUTS),
            dynamic_shapes=({0: batch},),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    model = program.model_proto  # type: ignore[union-attr]
    model.ClearField("doc_string")
    for node in model.graph.node:
        # Exporters note source lines, with the paths of the machine they ran on.
        node.ClearField("doc_string")
        del node.metadata_props[:]
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    del model.graph.metadata_props[:]
    del model.graph.value_info[:]
    content: bytes = model.SerializeToString(deterministic=True)
    return content


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """The exporter speaks on standard output and warns of its own deprecations."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
