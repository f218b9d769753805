"""Settings of augmentation: presets, what is refused, and what a record holds."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from tumorscope.augmentation.families import FAMILIES, alone, how_often
from tumorscope.augmentation.presets import PRESETS
from tumorscope.augmentation.settings import FIRST, Augmentation
from tumorscope.core.errors import InvalidConfiguration
from tumorscope.recipes.registry import RECIPES, Recipe
from tumorscope.training.config import TrainingConfig, configure

RECIPE = "efficientnet-lite0"


def test_the_standard_preset_is_what_the_first_runs_had_and_nothing_else_is_on() -> None:
    standard = Augmentation()
    assert standard.model_dump() == {
        "rotation": 15.0,
        "scale": 0.15,
        "shift": 0.06,
        "flip": 0.5,
        "gamma": 0.35,
        "contrast": 0.2,
        "brightness": 0.1,
        "noise": 0.03,
    }
    assert Augmentation(preset="standard") == standard
    often = [name for name in Augmentation.model_fields if name.endswith("_probability")]
    assert not any(getattr(standard, name) for name in often)


@pytest.mark.parametrize("name", list(PRESETS))
def test_a_preset_is_chosen_by_name_and_single_keys_win_in_any_order(name: str) -> None:
    chosen = configure(RECIPE, [f"augmentation.preset={name}"]).augmentation
    assert chosen.preset == name
    assert all(getattr(chosen, key) == value for key, value in PRESETS[name].items())
    settings = ["augmentation.blur_probability=0.7", f"augmentation.preset={name}", "augmentation.flip=0"]
    beside = configure(RECIPE, settings).augmentation
    assert beside == chosen.model_copy(update={"blur_probability": 0.7, "flip": 0.0})


def test_none_is_off_and_the_others_are_not() -> None:
    assert [name for name in PRESETS if Augmentation.model_validate({"preset": name}).off] == ["none"]
    assert Augmentation.model_validate(dict.fromkeys(FIRST, 0.0)).off


def test_study_moves_heads_and_leaves_their_brightness() -> None:
    study = Augmentation(preset="study")
    on = {name for names in FAMILIES.values() for name in names if how_often(study, name)}
    assert on == {"rotation", "scale", "shift", "flip"}


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            "preset=strng",
            r"augmentation\.preset is 'strng'; input should be 'none', 'study', 'standard', 'tone' or 'strong'",
        ),
        ("presets=strong", r"did you mean 'augmentation\.preset'\?"),
        ("elastics=1", r"did you mean 'augmentation\.elastic'\?"),
        ("blur=0.5", r"augmentation\.blur is 0\.5; input should be less than or equal to 0\.1"),
        (
            "blur_probability=2",
            r"augmentation\.blur_probability is 2; input should be less than or equal to 1",
        ),
        ("mixup=0.9", r"augmentation\.mixup is 0\.9; input should be less than or equal to 0\.5"),
    ],
)
def test_what_is_wrong_is_named(setting: str, message: str) -> None:
    with pytest.raises(InvalidConfiguration, match=message):
        configure(RECIPE, [f"augmentation.{setting}"])


def test_an_image_gets_one_mixture_at_most() -> None:
    with pytest.raises(ValidationError, match="must add up to at most 1"):
        Augmentation(mixup_probability=0.6, cutmix_probability=0.6)


class TestRecord:
    def test_only_what_was_changed_is_added_to_a_record(self) -> None:
        values = configure(RECIPE, ["augmentation.blur_probability=0.25"]).model_dump()["augmentation"]
        assert set(values) == {*FIRST, "blur_probability"}

    @pytest.mark.parametrize(
        "settings",
        [
            [],
            ["augmentation.preset=strong"],
            ["augmentation.preset=strong", "augmentation.bias_probability=0", "augmentation.flip=0.5"],
            ["augmentation.preset=none", "augmentation.gamma=0.35"],
            ["augmentation.curve=2"],
        ],
    )
    def test_a_record_is_read_back_as_it_was(self, settings: list[str]) -> None:
        config = configure(RECIPE, settings)
        again = TrainingConfig.model_validate(config.model_dump())
        assert again == config
        assert again.sha256 == config.sha256

    def test_a_record_of_another_preset_says_every_value(self) -> None:
        values = configure(RECIPE, ["augmentation.preset=strong"]).model_dump()["augmentation"]
        assert set(values) == set(Augmentation.model_fields)


class TestRecipe:
    @pytest.fixture
    def strong(self, monkeypatch: pytest.MonkeyPatch) -> str:
        """A recipe that asks for the strong preset."""
        recipe = Recipe(
            name="bold",
            architecture="light-cnn",
            image_size=64,
            weights_package=None,
            summary="",
            reference="",
            of_timm=False,
            augmentation="strong",
        )
        monkeypatch.setitem(RECIPES, "bold", recipe)
        return "bold"

    def test_a_recipe_chooses_the_preset_and_a_setting_another(self, strong: str) -> None:
        assert configure(strong).augmentation == Augmentation(preset="strong")
        assert configure(strong, ["augmentation.flip=0"]).augmentation == Augmentation(
            preset="strong", flip=0
        )
        assert configure(strong, ["augmentation.preset=standard"]).augmentation == Augmentation()

    def test_a_record_says_the_preset_that_is_not_the_recipes(self, strong: str) -> None:
        config = configure(strong, ["augmentation.preset=standard"])
        assert config.model_dump()["augmentation"]["preset"] == "standard"
        assert TrainingConfig.model_validate(config.model_dump()) == config

    def test_all_recipes_of_the_table_but_one_ask_for_the_standard_one(self) -> None:
        others = {name for name, recipe in RECIPES.items() if recipe.augmentation != "standard"}
        assert others == {"efficientnet-lite0-lesions"}

    def test_the_one_that_asks_for_more_learns_from_boxes_and_all_classes_alike(self) -> None:
        config = configure("efficientnet-lite0-lesions")
        assert config.augmentation == Augmentation(preset="tone")
        assert config.sampling == "class"
        assert config.supervision.transplants
        plain = configure("efficientnet-lite0")
        assert not plain.supervision.active
        assert (plain.recipe, plain.sampling) == ("efficientnet-lite0", "slice")


def test_every_operation_has_a_family_a_range_and_mostly_a_probability() -> None:
    operations = [name for names in FAMILIES.values() for name in names]
    keys = {*operations, *(f"{name}_probability" for name in operations if name not in FIRST), "preset"}
    assert len(operations) == len(set(operations))
    assert keys == set(Augmentation.model_fields)


def test_one_operation_alone_is_certain_and_as_far_as_in_the_settings() -> None:
    strong = Augmentation(preset="strong")
    settings = alone(strong, "curve")
    assert (settings.curve, settings.curve_probability, settings.bias_probability) == (strong.curve, 1.0, 0.0)
    assert not any(getattr(settings, name) for name in FIRST)
    assert alone(strong, "flip").flip == 1
    assert how_often(strong, "curve") == strong.curve_probability
    assert how_often(Augmentation(curve_probability=1, curve=0), "curve") == 0


def test_the_settings_cost_no_torch() -> None:
    code = (
        "import sys; from tumorscope.augmentation.families import FAMILIES; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
