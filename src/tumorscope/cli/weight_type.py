"""The option of the verbs that write a bundle: in which it keeps its weights."""

from __future__ import annotations

from typing import Annotated

import typer

from tumorscope.core.weight_type import WeightType

__all__ = ["OptionalWeightType", "WeightTypeOption"]

_HELP = "In which the file keeps its weights: float16 leaves half of it, int8 a third; the same speed."

WeightTypeOption = Annotated[WeightType, typer.Option(help=_HELP)]

OptionalWeightType = Annotated[
    WeightType | None,
    typer.Option(help=f"{_HELP} As the recipe says if left out, which is mostly float32."),
]
