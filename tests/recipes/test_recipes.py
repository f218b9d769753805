"""The table of recipes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tumorscope.core.errors import InvalidConfiguration, TumorscopeError
from tumorscope.core.weight_type import WeightType
from tumorscope.recipes.listing import describe_recipes
from tumorscope.recipes.registry import RECIPES, find_recipe, find_single_recipe
from tumorscope.recipes.timm_names import timm_names
from tumorscope.training.config import TrainingConfig, configure
from tumorscope.training.guides import settings_under

PAGE = Path(__file__).parents[2] / "docs" / "recipes.md"


def test_every_recipe_is_found_by_its_name_and_known_to_timm() -> None:
    import timm

    for name, recipe in RECIPES.items():
        assert find_recipe(name) is recipe
        assert recipe.name == name
        assert timm.is_model(recipe.architecture) is recipe.of_timm
        assert recipe.image_size % 32 == 0
        assert sum(stage.share for stage in recipe.stages) in (0, 1)


def test_any_classifier_of_timm_is_a_recipe() -> None:
    recipe = find_recipe("timm:resnet26")
    assert (recipe.name, recipe.architecture, recipe.of_timm) == ("timm:resnet26", "resnet26", True)
    assert find_recipe("timm:resnet26.bt_in1k").architecture == "resnet26.bt_in1k"


def test_the_names_read_from_timms_source_are_those_of_its_registry() -> None:
    import timm

    assert set(timm_names()) == set(timm.list_models())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "efficientnet-lite-0",
            r"recipes are efficientnet-lite0, efficientnet-lite0-lesions, efficientnet-lite1, "
            r"efficientnet-lite2, efficientnet-lite2-closer, light-cnn.*"
            r"did you mean 'efficientnet-lite0' or ",
        ),
        ("resnet-18", r"did you mean 'resnet18' or 'resnet50'\?"),
        ("timm:resnet19", r"timm has no architecture 'resnet19'; did you mean resnet\w+, "),
        ("timm:", r"timm has no architecture ''; write it as timm:NAME, such as timm:resnet26"),
        ("timm:../x", r"timm has no architecture ''"),
    ],
)
def test_an_unknown_name_brings_the_nearest_in_one_line(name: str, message: str) -> None:
    with pytest.raises(InvalidConfiguration, match=message) as caught:
        find_recipe(name)
    assert "\n" not in str(caught.value)


def test_what_is_like_nothing_brings_no_guess() -> None:
    with pytest.raises(TumorscopeError) as caught:
        find_recipe("zzz")
    assert "did you mean" not in str(caught.value)


def test_a_recipe_sets_the_defaults_and_settings_change_them() -> None:
    config = configure("light-cnn")
    assert (config.image_size, config.pretrained, config.epochs) == (128, False, 30)
    assert configure("convnext-tiny").learning_rate == 2e-4
    assert configure("convnext-tiny", ["learning_rate=0.01"]).learning_rate == 0.01


def test_the_recorded_runs_are_those_of_the_recipe_that_ships() -> None:
    """Its own and that of its guide; it was trained before it had a recipe of its own."""
    shipped = find_recipe("efficientnet-lite2-closer")
    guide = configure(shipped.guide)
    assert recorded(shipped.guide) == guide
    closer = configure(shipped.name, settings_under(guide.image_size))
    assert closer.differences(recorded(shipped.name)) == ["recipe"]
    assert shipped.weight_type is WeightType.INT8


def recorded(name: str) -> TrainingConfig:
    record = Path(__file__).parents[2] / "records" / name / "config.yaml"
    return TrainingConfig.model_validate(yaml.safe_load(record.read_text(encoding="utf-8")))


def test_verbs_that_train_no_guide_say_so_in_one_line() -> None:
    assert find_single_recipe("resnet18", "a study") is RECIPES["resnet18"]
    with pytest.raises(InvalidConfiguration, match="which a study does not train; take another") as caught:
        find_single_recipe("efficientnet-lite2-closer", "a study")
    assert "\n" not in str(caught.value)


def test_the_plain_recipe_keeps_its_configuration() -> None:
    """Bundles and runs carry this hash: the defaults of the settings and no others."""
    config = configure("efficientnet-lite0")
    assert config == TrainingConfig(recipe="efficientnet-lite0", image_size=160)
    assert config.sha256 == "6c5eeaa241066b0fed69d4d4fcb2240b96c773da292db7b1bfb723a7e3bbf34e"


def test_the_table_and_a_mistyped_name_cost_no_torch() -> None:
    code = """
import sys
from tumorscope.core.errors import InvalidConfiguration
from tumorscope.recipes.registry import find_recipe
find_recipe("timm:resnet26")
try:
    find_recipe("timm:resnet19")
except InvalidConfiguration:
    sys.exit("torch" in sys.modules or "timm" in sys.modules)
sys.exit("not refused")
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class TestListing:
    def test_every_recipe_is_described(self) -> None:
        text = describe_recipes()
        for name, recipe in RECIPES.items():
            assert f"\n{name}\n    {recipe.summary}\n" in "\n" + text
            assert recipe.reference in text
        assert "stages frozen, fine-tuning" in text
        assert max(len(line) for line in text.splitlines()) < 130

    def test_the_page_has_the_same_table(self) -> None:
        listed = re.findall(
            r"^\| `([\w-]+)` \| `([\w-]+)` \| (\d+) \| ([\w-]+) \| (\S+) \| (\d+) \| (\d+) \|",
            PAGE.read_text(encoding="utf-8"),
            flags=re.MULTILINE,
        )
        assert listed == [
            (
                recipe.name,
                recipe.architecture,
                str(recipe.image_size),
                recipe.initial_weights,
                f"{recipe.defaults.learning_rate:g}",
                str(recipe.defaults.batch_size),
                str(recipe.defaults.epochs),
            )
            for recipe in RECIPES.values()
        ]
