"""How the table of recipes looks as text.

Owns the words; what the recipes are is :mod:`tumorscope.recipes.registry`.
"""

from __future__ import annotations

from tumorscope.recipes.registry import RECIPES, TIMM, Recipe

__all__ = ["describe_recipes"]


def describe_recipes() -> str:
    """Three lines a recipe: what it is, what it starts from, and where it was published."""
    listed = [line for recipe in RECIPES.values() for line in _lines(recipe)]
    return "\n".join(
        [*listed, f"{TIMM}NAME", "    any classifier of timm with a map of features, such as timm:resnet26"]
    )


def _lines(recipe: Recipe) -> list[str]:
    start = recipe.defaults
    stages = "; stages " + ", ".join(stage.name for stage in recipe.stages) if recipe.stages else ""
    return [
        recipe.name,
        f"    {recipe.summary}",
        f"    {recipe.image_size} pixels, {recipe.initial_weights} weights, {recipe.optimiser} at "
        f"{start.learning_rate:g}, {start.batch_size} a batch, {start.epochs} epochs, augmentation "
        f"{recipe.augmentation}{stages}",
        f"    {recipe.reference}",
    ]
