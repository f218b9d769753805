"""What a trained network says of images it may not have learnt from.

Owns the plain forward pass over an array of images, without augmentation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from tumorscope.models.network import SliceNetwork
from tumorscope.training.module import as_input

__all__ = ["Answers", "answer"]


@dataclass(frozen=True, slots=True)
class Answers:
    """Raw outputs: ``logits float64 [M, 4]`` and ``looks float32 [M, m]``."""

    logits: NDArray[np.float64]
    looks: NDArray[np.float32]


def answer(
    network: SliceNetwork, images: NDArray[np.uint8], rows: NDArray[np.int64], batch_size: int = 64
) -> Answers:
    """Run the network over the given rows of ``images`` (``uint8 [N, S, S]``), in 32 bits."""
    logits, looks = [], []
    # Twice as fast as the other order of memory on processors, and what training uses.
    network = network.to(memory_format=torch.channels_last)
    with torch.inference_mode():
        for first in range(0, len(rows), batch_size):
            batch = torch.from_numpy(np.ascontiguousarray(images[rows[first : first + batch_size]]))
            output = network(as_input(batch).contiguous(memory_format=torch.channels_last))
            logits.append(output.logits.double().numpy())
            looks.append(output.look.numpy())
    return Answers(np.concatenate(logits), np.concatenate(looks))
