"""What a user asks of a study is checked before anything is read."""

from __future__ import annotations

import pytest

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.evaluation.protocol import Protocol
from tumorscope.study.request import folds_of, names_of, protocols_of, settings_for

RECIPES = ("light-cnn", "vgg16", "timm:resnet26.bt_in1k")


def test_names_are_those_of_recipes_each_once() -> None:
    assert names_of(" light-cnn, vgg16,") == ("light-cnn", "vgg16")
    with pytest.raises(InvalidConfiguration, match="did you mean 'vgg16'"):
        names_of("vgg17")
    with pytest.raises(InvalidConfiguration, match="named twice"):
        names_of("vgg16,light-cnn,vgg16")
    with pytest.raises(InvalidConfiguration, match="no recipe is named"):
        names_of(" , ")


def test_protocols_come_in_the_order_they_are_shown_in() -> None:
    assert protocols_of("leak-free,official") == (Protocol.OFFICIAL, Protocol.LEAK_FREE)
    with pytest.raises(InvalidConfiguration, match="did you mean 'patient-wise'"):
        protocols_of("patientwise")
    with pytest.raises(InvalidConfiguration, match="no protocol 'external'"):
        protocols_of("external")


def test_folds_of_a_recipe() -> None:
    assert folds_of(["vgg16=1,light-cnn=3"], RECIPES) == {"vgg16": 1, "light-cnn": 3}
    assert folds_of(["vgg16=1", "vgg16=2"], RECIPES) == {"vgg16": 2}
    for wrong in ("vgg16", "vgg16=0", "vgg16=-1", "vgg16=one"):
        with pytest.raises(InvalidConfiguration, match="vgg16=1"):
            folds_of([wrong], RECIPES)
    with pytest.raises(InvalidConfiguration, match="not among --recipes"):
        folds_of(["resnet18=1"], RECIPES)


def test_a_setting_of_one_recipe_goes_before_that_of_all() -> None:
    settings = ["vgg16.epochs=6", "epochs=3", "augmentation.flip=0", "timm:resnet26.bt_in1k.seed=4"]
    assert settings_for("vgg16", settings, RECIPES) == ("epochs=3", "augmentation.flip=0", "epochs=6")
    assert settings_for("light-cnn", settings, RECIPES) == ("epochs=3", "augmentation.flip=0")
    assert settings_for(RECIPES[2], settings, RECIPES) == ("epochs=3", "augmentation.flip=0", "seed=4")
    with pytest.raises(InvalidConfiguration, match="resnet18, which is not among --recipes"):
        settings_for("vgg16", ["resnet18.epochs=1"], RECIPES)
