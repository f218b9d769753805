"""A configuration in a file: what it says, what changes it, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tumorscope.cli.main import run
from tumorscope.core.errors import InvalidConfiguration, MissingInput
from tumorscope.training.config import TrainingConfig, configure
from tumorscope.training.config_file import read_config_file

RECIPE = "efficientnet-lite0"


def _write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_whole_configuration_comes_back_as_it_was(tmp_path: Path) -> None:
    settings = [
        "learning_rate=1.0e-05",
        "precision=32",
        "augmentation.flip=0",
        "threads=2",
        "weights=a: #b.safetensors",
    ]
    config = configure(RECIPE, settings)
    given = read_config_file(_write(tmp_path, yaml.safe_dump(config.model_dump(), sort_keys=False)))
    assert given.recipe == RECIPE
    assert configure(given.recipe, given.settings) == config


def test_the_file_comes_first_and_set_changes_it(tmp_path: Path) -> None:
    given = read_config_file(
        _write(tmp_path, "epochs: 3\naugmentation: {flip: 0, noise: 0.01}\nbatch_size: 8\n")
    )
    assert given.recipe is None
    config = configure(RECIPE, [*given.settings, "epochs=4", "augmentation.noise=0.02"])
    assert (config.epochs, config.batch_size, config.augmentation.flip, config.augmentation.noise) == (
        4,
        8,
        0,
        0.02,
    )
    assert config.augmentation.rotation == TrainingConfig().augmentation.rotation


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    assert configure(RECIPE, read_config_file(_write(tmp_path, "# nothing\n"), RECIPE).settings) == configure(
        RECIPE
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch: 3", r"there is no setting 'epoch'; did you mean 'epochs'\?"),
        ("augmentation: {flips: 0}", r"did you mean 'augmentation\.flip'\?"),
        ("epochs: 0", r"epochs is 0; input should be greater than or equal to 1"),
        ("epochs: {a: 1}", r"there is no setting 'epochs\.a'"),
        ("augmentation: 1", r"augmentation is 1; input should be a valid dictionary"),
        ("- epochs", r"mine\.yaml holds list; lines such as 'epochs: 8' are needed"),
        ("epochs: [", r"mine\.yaml is not a YAML file"),
        ("recipe: 7", r"mine\.yaml: recipe is 7; the name of a recipe"),
        ("recipe: vgg16", r"mine\.yaml is for the recipe 'vgg16', and --recipe says 'efficientnet-lite0'"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InvalidConfiguration, match=message) as caught:
        configure(RECIPE, read_config_file(_write(tmp_path, text), RECIPE).settings)
    assert "\n" not in str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"the configuration .*none\.yaml does not exist"):
        read_config_file(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [("epoch: 3", "did you mean 'epochs'?"), ("recipe: efficientnet-lite00", "there is no recipe")],
)
def test_train_says_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    file = _write(tmp_path, text)
    assert run(["train", "--data", "nowhere", "--out", str(tmp_path / "run"), "--config", str(file)]) == 2
    assert message in capsys.readouterr().err
