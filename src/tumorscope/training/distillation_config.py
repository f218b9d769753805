"""The settings of learning from teachers.

Owns the knobs of distillation, their defaults and their checks. Free of torch, and of who the teachers are.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["WEIGHT_WITH_TEACHERS", "Distillation"]

WEIGHT_WITH_TEACHERS = 0.7
"""``distillation.weight`` of a run that names teachers and does not say."""


class Distillation(BaseModel):
    """What teachers add to the loss; all of it is off by default.

    A student learns what its teachers say of the very image that it sees, changed as it is (Hinton, Vinyals and Dean,
    "Distilling the knowledge in a neural network", 2015).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    weight: float = Field(
        0.0, ge=0, le=1, description="Share of the teachers' soft labels in the loss; the class has the rest."
    )
    temperature: float = Field(
        2.0,
        gt=0,
        le=100,
        description="By which logits of teachers and student are divided before the softmax.",
    )
    heatmap: float = Field(
        0.0, ge=0, le=100, description="Weight of: evidence lies where that of the teachers lies."
    )

    @property
    def active(self) -> bool:
        """Whether teachers are needed at all."""
        return max(self.weight, self.heatmap) > 0
