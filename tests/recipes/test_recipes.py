"""The table of recipes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.recipes.registry import RECIPES, find_recipe


def test_every_recipe_is_found_by_its_name_and_known_to_timm() -> None:
    import timm

    for name, recipe in RECIPES.items():
        assert find_recipe(name) is recipe
        assert recipe.name == name
        assert timm.is_model(recipe.architecture) is recipe.of_timm
        assert recipe.image_size % 32 == 0


def test_an_unknown_recipe_lists_the_known_ones_and_the_nearest() -> None:
    with pytest.raises(
        InvalidConfiguration, match=r"recipes are efficientnet-lite0.*did you mean 'efficientnet-lite0' or "
    ):
        find_recipe("efficientnet-lite-0")
    with pytest.raises(InvalidConfiguration) as caught:
        find_recipe("zzz")
    assert "did you mean" not in str(caught.value)


def test_the_table_costs_no_torch() -> None:
    code = (
        "import sys, tumorscope.recipes.registry; sys.exit('torch' in sys.modules or 'timm' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
