"""The words for how a bundle keeps its weights."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["WeightType"]


class WeightType(StrEnum):
    """In which a bundle keeps its weights; answers are computed in float32 from each of them."""

    FLOAT32 = "float32"
    """As they were trained."""

    FLOAT16 = "float16"
    """IEEE 754 half precision: half the file."""

    INT8 = "int8"
    """Large convolutions in whole numbers of 8 bits with a scale for each filter, the rest as ``float16``."""

    @property
    def kept(self) -> str:
        """What a card says of it; nothing of ``float32``."""
        if self is WeightType.FLOAT16:
            return "kept in float16, computed in float32"
        if self is WeightType.INT8:
            return "large convolutions kept in int8, the rest in float16; computed in float32"
        return ""
