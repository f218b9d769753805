"""Random numbers of one batch, from one generator.

Owns the way from a generator to one number an image, and the choice of the images an operation acts on. Everything is
drawn on the CPU, so that a GPU gets the same numbers.
"""

from __future__ import annotations

import torch

__all__ = ["Draws"]


class Draws:
    """What one batch asks of the generator, in the order in which it asks.

    Parameters
    ----------
    generator
        Source of all random numbers, on the CPU.
    count
        Images of the batch.
    device
        Where the images are.
    """

    def __init__(self, generator: torch.Generator, count: int, device: torch.device) -> None:
        self.generator, self.count, self.device = generator, count, device

    def symmetric(self, limit: float, count: int | None = None) -> torch.Tensor:
        """``float32 [count]``, even in [-limit, limit)."""
        values = torch.rand(self.count if count is None else count, generator=self.generator)
        return ((values * 2 - 1) * limit).to(self.device)

    def even(self, *shape: int) -> torch.Tensor:
        """``float32 [shape]``, even in [0, 1)."""
        return torch.rand(shape, generator=self.generator).to(self.device)

    def normal(self, *shape: int) -> torch.Tensor:
        """``float32 [shape]``, normal with deviation 1."""
        return torch.randn(shape, generator=self.generator).to(self.device)

    def chosen(self, probability: float) -> torch.Tensor:
        """Positions of the images that an operation acts on, ``int64 [K]``; at 0 nothing is drawn."""
        if probability <= 0:
            return torch.empty(0, dtype=torch.int64, device=self.device)
        drawn = torch.rand(self.count, generator=self.generator) < probability
        return torch.nonzero(drawn).squeeze(1).to(self.device)

    def partners(self, positions: torch.Tensor) -> torch.Tensor:
        """For each position another one of the batch, ``int64 [K]``; itself where the batch is one image."""
        if self.count < 2:
            return positions
        steps = torch.randint(1, self.count, (len(positions),), generator=self.generator)
        return (positions + steps.to(self.device)) % self.count

    def seeds(self, count: int) -> list[int]:
        """Seeds for libraries with generators of their own."""
        drawn: list[int] = torch.randint(0, 2**31, (count,), generator=self.generator).tolist()
        return drawn
