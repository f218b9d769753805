"""Every knob of a run: how it is set, and what is refused."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.training.config import Augmentation, Supervision, TrainingConfig, configure
from tumorscope.training.distillation_config import Distillation

RECIPE = "efficientnet-lite0"


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("epochs=8", 8),
        ("image_size=224", 224),
        ("learning_rate=3e-4", 3e-4),
        ("learning_rate=0.0003", 3e-4),
        ("pretrained=false", False),
        ("pretrained=no", False),
        ("pretrained=true", True),
        ("threads=2", 2),
        ("threads=null", None),
        ("precision=32", "32"),
        ("precision=bf16", "bf16"),
        ("weights=models/mine.safetensors", "models/mine.safetensors"),
        ("weights=hub", "hub"),
        ("weights=C:\\models\\a=b.safetensors", "C:\\models\\a=b.safetensors"),
        ("weights=2024", "2024"),
    ],
)
def test_a_setting_is_read_as_yaml(setting: str, value: object) -> None:
    config = configure(RECIPE, [setting])
    assert getattr(config, setting.split("=", maxsplit=1)[0]) == value


def test_nested_settings_change_one_part_and_leave_the_rest() -> None:
    config = configure(RECIPE, ["augmentation.flip=0", "augmentation.rotation=5", "epochs=2"])
    assert config.augmentation == Augmentation(flip=0, rotation=5)
    assert config.augmentation.noise == Augmentation().noise
    assert config.epochs == 2


def test_defaults_come_from_the_recipe() -> None:
    assert configure(RECIPE) == TrainingConfig(recipe=RECIPE, image_size=160)
    assert configure(RECIPE, ["epochs=3", "epochs=4"]).epochs == 4


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("epoch=8", r"there is no setting 'epoch'; did you mean 'epochs'\?"),
        ("augmentation.flips=1", r"no setting 'augmentation\.flips'; did you mean 'augmentation\.flip'\?"),
        ("zzzz=1", r"no setting 'zzzz'; known are recipe, image_size, "),
        ("epochs", r"the setting 'epochs' has no '='; write it as key=value"),
        ("epochs=0", r"epochs is 0; input should be greater than or equal to 1"),
        ("epochs=many", r"epochs is 'many'; input should be a valid integer"),
        ("epochs=2.5", r"epochs is 2\.5; input should be a valid integer"),
        ("epochs=", r"epochs is None; input should be a valid integer"),
        ("epochs=[1", r"epochs is '\[1', which is not a YAML value"),
        ("image_size=100", r"image_size is 100; input should be a multiple of 32"),
        ("image_size=2048", r"image_size is 2048; input should be less than or equal to 1024"),
        ("learning_rate=.nan", r"learning_rate is nan"),
        ("learning_rate=0", r"learning_rate is 0; input should be greater than 0"),
        ("precision=16", r"precision is '16'; input should be 'auto', '32' or 'bf16'"),
        ("pretrained=maybe", r"pretrained is 'maybe'; input should be a valid boolean"),
        ("supervision.past=1", r"no setting 'supervision\.past'; did you mean 'supervision\.paste'\?"),
        ("supervision.paste=2", r"supervision\.paste is 2; input should be less than or equal to 1"),
        ("augmentation.flip=2", r"augmentation\.flip is 2; input should be less than or equal to 1"),
        ("augmentation=1", r"augmentation is 1; input should be a valid dictionary"),
        ("checkpoint_seconds=600", r"checkpoint_seconds is 600; input should be less than or equal to 60"),
        ("recipe=other", r"choose it with --recipe"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(setting: str, message: str) -> None:
    with pytest.raises(InvalidConfiguration, match=message) as caught:
        configure(RECIPE, [setting])
    assert "\n" not in str(caught.value)


def test_stages_are_those_of_the_recipe_where_its_backbone_has_learnt_before() -> None:
    assert configure("vgg16").stages == "two"
    assert configure("vgg16", ["pretrained=false"]).stages == "none"
    assert configure("vgg16", ["pretrained=false", "stages=two"]).stages == "two"
    off = configure("vgg16", ["stages=none"])
    # Else a run's config.yaml, given to another run, would bring the recipe's stages back.
    assert off.model_dump()["stages"] == off.stages == "none"
    assert "stages" not in configure("vgg16", ["pretrained=false"]).model_dump()


def test_a_part_of_a_number_cannot_be_set() -> None:
    with pytest.raises(
        InvalidConfiguration, match=r"augmentation is 1; set its parts, such as augmentation\.flip"
    ):
        configure(RECIPE, ["augmentation=1", "augmentation.flip=0"])


def test_an_unknown_recipe_is_refused() -> None:
    with pytest.raises(InvalidConfiguration, match="did you mean 'efficientnet-lite0'"):
        configure("efficientnet-lit0")


class TestHash:
    def test_it_is_that_of_the_canonical_json(self) -> None:
        config = configure(RECIPE, ["epochs=8"])
        text = json.dumps(json.loads(config.model_dump_json()), sort_keys=True)
        assert config.sha256 == hashlib.sha256(text.encode()).hexdigest()

    def test_the_order_and_the_spelling_of_settings_do_not_matter(self) -> None:
        one = configure(RECIPE, ["epochs=8", "learning_rate=0.001", "augmentation.flip=1"])
        other = configure(RECIPE, ["augmentation.flip=1.0", "learning_rate=1.0e-3", "epochs=8"])
        assert one.sha256 == other.sha256

    def test_every_setting_changes_it(self) -> None:
        changes: dict[str, Any] = {
            "pretrained": "false",
            "weights": "hub",
            "precision": "bf16",
            "threads": 1,
            "image_size": 64,
            "zoom": 2,
            "epochs": 3,
            "batch_size": 5,
            "seed": 4,
            **dict.fromkeys(("learning_rate", "weight_decay", "warmup", "label_smoothing"), 0.33),
            **dict.fromkeys(
                ("gradient_clip", "ema_decay", "checkpoint_seconds", "calibration_fraction"), 0.33
            ),
            **dict.fromkeys(("unfreeze_share", "layer_decay", "validation_fraction", "reader_share"), 0.33),
            **dict.fromkeys(("compile", "deterministic"), "true"),
            **dict.fromkeys(("accumulate", "patience"), 3),
            "stages": "gradual",
            "schedule": "step",
            "class_weights": "balanced",
            "sampling": "patient",
            **{f"augmentation.{name}": 0.33 for name in Augmentation.model_fields},
            # One is a name, and two go no further.
            "augmentation.preset": "strong",
            **dict.fromkeys(("augmentation.elastic", "augmentation.blur"), 0.033),
            **{f"supervision.{name}": 0.33 for name in Supervision.model_fields},
            **{f"distillation.{name}": 0.33 for name in Distillation.model_fields},
        }
        assert {key.split(".")[0] for key in changes} == set(TrainingConfig.model_fields) - {"recipe"}
        hashes = {configure(RECIPE, [f"{key}={value}"]).sha256 for key, value in changes.items()}
        assert len(hashes | {configure(RECIPE).sha256}) == len(changes) + 1

    def test_a_run_recorded_before_boxes_were_learnt_from_keeps_its_record(self) -> None:
        record = Path(__file__).parents[2] / "records" / RECIPE / "config.yaml"
        values = yaml.safe_load(record.read_text(encoding="utf-8"))
        config = TrainingConfig.model_validate(values)
        # What the card of the bundle that ships says.
        assert config.sha256 == "9de7f1e3508adb5491641e7b478a2c959b40b140e06fed7239a343a301a70eda"
        assert config.model_dump() == values
        assert json.loads(config.model_dump_json()) == values

    def test_what_is_learnt_from_boxes_is_recorded(self) -> None:
        config = configure(RECIPE, ["supervision.pointing=0.5"])
        assert config.supervision.active
        assert not config.supervision.transplants
        assert config.model_dump()["supervision"]["pointing"] == 0.5
        assert TrainingConfig.model_validate(config.model_dump()) == config

    def test_learning_from_teachers_is_recorded_where_it_is_on(self) -> None:
        assert "distillation" not in configure(RECIPE).model_dump()
        config = configure(RECIPE, ["distillation.weight=0.5"])
        assert config.distillation.active
        assert config.model_dump()["distillation"]["weight"] == 0.5
        assert TrainingConfig.model_validate(config.model_dump()) == config

    def test_what_is_optimised_otherwise_is_recorded_and_the_default_is_not(self) -> None:
        assert "schedule" not in configure(RECIPE).model_dump()
        config = configure(RECIPE, ["schedule=one-cycle", "accumulate=2"])
        written = config.model_dump()
        assert (written["schedule"], written["accumulate"]) == ("one-cycle", 2)
        assert "stages" not in written
        assert TrainingConfig.model_validate(written) == config

    def test_it_is_the_same_in_another_process(self) -> None:
        code = (
            "from tumorscope.training.config import configure;"
            f"print(configure({RECIPE!r}, ['epochs=8', 'weights=x']).sha256)"
        )
        result = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=None
        )
        assert result.stdout.strip() == configure(RECIPE, ["epochs=8", "weights=x"]).sha256


def test_a_mistyped_setting_costs_no_torch() -> None:
    code = (
        "import sys; from tumorscope.training.config import configure; configure('efficientnet-lite0', ['epochs=2']);"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
