"""What may vary: read from YAML, and refused before anything runs where it does not fit the configuration."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tumorscope.core.errors import InvalidConfiguration, MissingInput
from tumorscope.search.space import Choices, Range, Space, Value, as_setting, read_space
from tumorscope.training.config import configure

RECIPE = "efficientnet-lite0"


def _read(tmp_path: Path, text: str, *settings: str) -> Space:
    path = tmp_path / "space.yaml"
    path.write_text(text, encoding="utf-8")
    return read_space(path, RECIPE, settings)


def test_ranges_and_choices_are_read_with_the_type_of_the_setting(tmp_path: Path) -> None:
    space = _read(
        tmp_path,
        "learning_rate: {low: 1e-4, high: 0.01, log: true}\n"
        "epochs: {low: 2, high: 8, step: 3}\n"
        "weight_decay: {low: 0, high: 1}\n"
        "augmentation.flip: {choices: [0, 0.5]}\n"
        "precision: {choices: ['32', bf16]}\n"
        "image_size: {low: 64, high: 160, step: 32}\n",
    )
    assert space.dimensions == (
        Range("learning_rate", 1e-4, 0.01, log=True, step=None, whole=False),
        Range("epochs", 2, 8, log=False, step=3, whole=True),
        Range("weight_decay", 0, 1, log=False, step=None, whole=False),
        Choices("augmentation.flip", (0, 0.5)),
        Choices("precision", ("32", "bf16")),
        Range("image_size", 64, 160, log=False, step=32, whole=True),
    )
    assert (space.highest("epochs", 1), space.highest("batch_size", 7)) == (8, 7)
    assert yaml.safe_load(yaml.safe_dump(space.record())) == space.record()
    assert space.record()["weight_decay"] == {"low": 0.0, "high": 1.0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch: {low: 2, high: 4}", r"space\.yaml: there is no setting 'epoch'; did you mean 'epochs'\?"),
        ("augmentation.flips: {choices: [0]}", r"did you mean 'augmentation\.flip'\?"),
        ("epochs: {low: 0, high: 4}", r"epochs is 0; input should be greater than or equal to 1"),
        (
            "learning_rate: {low: 0.1, high: 2}",
            r"learning_rate is 2; input should be less than or equal to 1",
        ),
        ("image_size: {low: 64, high: 128}", r"image_size is 65; input should be a multiple of 32"),
        ("image_size: {low: 64, high: 128, step: 16}", r"image_size is 80; input should be a multiple of 32"),
        ("batch_size: {choices: [8, 1]}", r"batch_size is 1; input should be greater than or equal to 2"),
        ("precision: {choices: [half]}", r"precision is 'half'; input should be"),
        ("epochs: {low: 1.5, high: 4}", r"epochs is 1\.5; input should be a valid integer"),
        ("epochs: {low: 1, high: 4, setp: 1}", r"epochs has the word 'setp'; did you mean 'step'\?"),
        ("augmentation: {flip: {choices: [0]}}", r"a part of a setting is written augmentation\.flip"),
        ("epochs: 4", r"epochs is 4; write \{low: A, high: B\} or \{choices"),
        ("epochs: {low: 4}", r"epochs has no high"),
        ("epochs: {low: 4, high: 4}", r"epochs goes from 4 to 4; low must be below high"),
        ("epochs: {low: 1, high: many}", r"high of epochs is 'many'; a number is needed"),
        (
            "pretrained: {low: false, high: true}",
            r"low of pretrained is False; a number is needed, or use choices",
        ),
        ("learning_rate: {low: .nan, high: 1}", r"low of learning_rate is nan"),
        ("weight_decay: {low: 0, high: 1, log: true}", r"logarithmic and has the low 0"),
        ("epochs: {low: 1, high: 9, log: true, step: 2}", r"logarithmic and has the step 2"),
        ("epochs: {low: 1, high: 9, log: 1}", r"log of epochs is 1; true or false"),
        (
            "epochs: {low: 1, high: 9, step: 3}",
            r"the step of epochs is 3; from 1 to 9 a whole number of steps",
        ),
        ("epochs: {low: 1, high: 9, step: -1}", r"the step of epochs is -1"),
        ("epochs: {choices: []}", r"the choices of epochs are \[\]; a list of values"),
        ("epochs: {choices: 4}", r"the choices of epochs are 4; a list of values"),
        ("epochs: {choices: [4, [5]]}", r"a choice of epochs is \[5\]"),
        ("epochs: {choices: [4, 4]}", r"the choices of epochs name a value twice"),
        ("epochs: {choices: [4], low: 1}", r"epochs has choices and low; give one"),
        ("seed: {choices: [1, 2]}", r"seed cannot be searched: the luckiest seed would win"),
        ("recipe: {choices: [a]}", r"recipe cannot be searched: choose the recipe with --recipe"),
        ("label_smoothing: {choices: [0]}", r"label_smoothing is searched and also fixed by --set"),
        ("4: {choices: [0]}", r"4 is not the name of a setting"),
        ("", r"names no setting; write lines such as"),
        ("[1, 2]", r"names no setting"),
        ("a: [", r"space\.yaml is not a YAML file"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InvalidConfiguration, match=message) as caught:
        _read(tmp_path, text, "label_smoothing=0.1")
    assert "\n" not in str(caught.value)


def test_a_wrong_fixed_setting_is_not_blamed_on_the_space(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration, match=r"^batch_size is 1"):
        _read(tmp_path, "epochs: {low: 1, high: 2}", "batch_size=1")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"the space .*none\.yaml does not exist"):
        read_space(tmp_path / "none.yaml", RECIPE)


class TestGrid:
    def test_it_is_every_combination_once(self, tmp_path: Path) -> None:
        space = _read(
            tmp_path,
            "epochs: {low: 1, high: 3}\n"
            "weight_decay: {low: 0.1, high: 0.3, step: 0.1}\n"
            "pretrained: {choices: [true, false]}",
        )
        points = space.grid()
        assert len(points) == len({tuple(point.items()) for point in points}) == 18
        assert points[0] == {"epochs": 1, "weight_decay": 0.1, "pretrained": True}
        assert points[-1] == {"epochs": 3, "weight_decay": 0.3, "pretrained": False}
        assert {point["weight_decay"] for point in points} == {0.1, 0.2, 0.3}

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("weight_decay: {low: 0, high: 1}", "cannot enumerate weight_decay, a free range"),
            ("epochs: {low: 1, high: 9, log: true}", "cannot enumerate epochs, a logarithmic range"),
            (
                "epochs: {low: 1, high: 1000}\nbatch_size: {low: 2, high: 1000}",
                "the grid has 999,000 combinations; at most 100,000",
            ),
        ],
    )
    def test_what_cannot_be_enumerated_is_refused(self, tmp_path: Path, text: str, message: str) -> None:
        with pytest.raises(InvalidConfiguration, match=message):
            _read(tmp_path, text).grid()


@pytest.mark.parametrize(
    ("key", "value"),
    [("learning_rate", 1e-05), ("epochs", 7), ("pretrained", False), ("threads", None), ("precision", "32")],
)
def test_a_value_becomes_the_setting_it_stands_for(key: str, value: Value) -> None:
    assert getattr(configure(RECIPE, [as_setting(key, value)]), key) == value


def test_long_words_stay_whole() -> None:
    name = "models/" + "a b: #c " * 40 + ".safetensors"
    assert configure(RECIPE, [as_setting("weights", name)]).weights == name


def test_a_mistyped_space_costs_neither_torch_nor_optuna() -> None:
    code = (
        "import sys, tumorscope.cli.search, tumorscope.search.space, tumorscope.search.validation;"
        "sys.exit(bool({'torch', 'optuna', 'matplotlib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
