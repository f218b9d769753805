"""The configuration of a training run.

Owns every knob, its default and its check. Free of torch, so that ``--help`` and a mistyped ``--set`` cost nothing.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)

from tumorscope.augmentation.settings import Augmentation
from tumorscope.core.errors import InvalidConfiguration
from tumorscope.core.optional import require
from tumorscope.recipes.registry import find_recipe
from tumorscope.training.distillation_config import Distillation

__all__ = ["Augmentation", "Supervision", "TrainingConfig", "configure"]


class Supervision(BaseModel):
    """What the tumours' boxes teach beside the class; all of it is off by default.

    The network must learn the disease and not the source of an image, so it is told where the tumour is, and sees
    tumours in images of other sources and images of their sources without them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    pointing: float = Field(0.0, ge=0, le=100, description="Weight of: evidence lies in the tumour's box.")
    pointing_temperature: float = Field(
        0.25, gt=0, le=100, description="Factor of the evidence before the softmax over places."
    )
    box: float = Field(
        0.0, ge=0, le=100, description="Weight of: a training-only head marks the tumour's box."
    )
    box_positive: float = Field(
        8.0, gt=0, le=1000, description="Weight of what lies in a box, for that head."
    )
    paste: float = Field(
        0.0, ge=0, le=1, description="Probability that a healthy image gets a tumour, and its class."
    )
    heal: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Probability that a boxed tumour is filled in; the image is then healthy.",
    )
    heal_weight: float = Field(0.5, ge=0, le=1, description="Weight of such an image in the loss.")
    decoy: float = Field(
        0.0, ge=0, le=1, description="Probability that an image gets a healthy patch and keeps its class."
    )

    @property
    def transplants(self) -> bool:
        """Whether images are changed."""
        return max(self.paste, self.heal, self.decoy) > 0

    @property
    def active(self) -> bool:
        """Whether boxes are needed at all."""
        return self.transplants or max(self.pointing, self.box) > 0


_NEWER = (
    "supervision",
    "distillation",
    "stages",
    "unfreeze_share",
    "layer_decay",
    "schedule",
    "accumulate",
    "class_weights",
    "sampling",
    "patience",
    "validation_fraction",
    "compile",
    "deterministic",
    "zoom",
    "reader_share",
)
"""Settings that came after the first recorded runs."""

_OF_THE_MACHINE = frozenset({"threads", "checkpoint_seconds"})
"""Settings that change the time of a run, and nothing of what it is a run of."""


class TrainingConfig(BaseModel):
    """Everything that decides the outcome of a run, apart from the data."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    recipe: str = "efficientnet-lite0"
    image_size: int = Field(160, ge=32, le=1024, multiple_of=32)
    zoom: Literal[1, 2] = Field(
        1, description="How much closer than the guide (--guide) the network looks; 1 sees the whole slice."
    )
    reader_share: float = Field(
        0.5, gt=0, lt=1, description="Weight of the network that looks closer beside its guide in the answer."
    )
    pretrained: bool = True
    weights: str = Field("auto", description="auto, hub, package, or a path to a .safetensors file.")
    epochs: int = Field(10, ge=1, le=1000, description="Passes in which each distinct slice is drawn once.")
    batch_size: int = Field(32, ge=2, le=4096)
    learning_rate: float = Field(1e-3, gt=0, le=1)
    weight_decay: float = Field(0.02, ge=0, le=1)
    warmup: float = Field(0.1, ge=0, lt=1, description="Share of the steps in which the rate rises linearly.")
    label_smoothing: float = Field(0.05, ge=0, lt=1)
    gradient_clip: float = Field(1.0, gt=0)
    ema_decay: float = Field(
        0.99, ge=0, lt=1, description="Decay a step of the averaged weights; 0 switches off."
    )
    precision: Literal["auto", "32", "bf16"] = "auto"
    seed: int = Field(0, ge=0)
    threads: int | None = Field(None, ge=1, description="CPU threads; all cores where not given.")
    checkpoint_seconds: float = Field(45.0, gt=0, le=60)
    calibration_fraction: float = Field(
        0.12, gt=0, le=0.5, description="Share of images the final fit keeps back."
    )
    stages: Literal["none", "two", "gradual"] = Field(
        "none", description="Which weights learn when; two is the default of a recipe that asks for it."
    )
    unfreeze_share: float = Field(
        0.5, gt=0, le=1, description="Share of the steps after which all blocks learn, with stages=gradual."
    )
    layer_decay: float = Field(
        1.0, gt=0, le=1, description="Factor of the rate from each block to the next deeper one."
    )
    schedule: Literal["cosine", "one-cycle", "constant", "step"] = "cosine"
    accumulate: int = Field(1, ge=1, le=1024, description="Batches whose gradients make one step.")
    class_weights: Literal["none", "balanced"] = "none"
    sampling: Literal["slice", "class", "patient", "class-patient"] = "slice"
    patience: int = Field(0, ge=0, description="Epochs without a better validation loss; 0 switches off.")
    validation_fraction: float = Field(
        0.12, gt=0, le=0.5, description="Share of the images to learn from by which a run is stopped early."
    )
    compile: bool = False
    deterministic: bool = False
    augmentation: Augmentation = Augmentation()
    supervision: Supervision = Supervision()
    distillation: Distillation = Distillation()

    @model_serializer(mode="wrap")
    def _without_what_is_off(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave newer settings out where they are as by default: earlier runs keep their record and their hash."""
        values: dict[str, Any] = write(self)
        for name in _NEWER:
            said = name == "stages" and self._may_have_stages
            if not said and getattr(self, name) == type(self).model_fields[name].default:
                del values[name]
        if self._may_be_augmented:
            values["augmentation"]["preset"] = self.augmentation.preset
        return values

    @property
    def _may_be_augmented(self) -> bool:
        """Whether leaving the preset unsaid would mean another than the standard one."""
        return find_recipe(self.recipe).augmentation != "standard"

    @property
    def _may_have_stages(self) -> bool:
        """Whether leaving the stages unsaid would mean those of the recipe."""
        return self.pretrained and bool(find_recipe(self.recipe).stages)

    @property
    def network_size(self) -> int:
        """Side of what the network learns from, in pixels: a whole slice, or a close-up."""
        return self.image_size // self.zoom

    @property
    def by_group(self) -> bool:
        """Whether a fit has to know which images belong to one patient."""
        return self.patience > 0 or "patient" in self.sampling

    def differences(self, other: TrainingConfig) -> list[str]:
        """Names of the settings that make another configuration one of another run.

        Those that only fit a run to its machine, ``threads`` and ``checkpoint_seconds``, do not.
        """
        return [
            key
            for key in type(self).model_fields
            if key not in _OF_THE_MACHINE and getattr(self, key) != getattr(other, key)
        ]

    @property
    def sha256(self) -> str:
        """Hash of the configuration in canonical JSON, 64 hex digits."""
        return hashlib.sha256(json.dumps(self.model_dump(), sort_keys=True).encode()).hexdigest()


def configure(recipe: str, settings: Iterable[str] = ()) -> TrainingConfig:
    """Build a configuration from a recipe's defaults and ``key=value`` settings.

    Parameters
    ----------
    recipe
        Name of a recipe.
    settings
        Strings such as ``"epochs=8"`` or ``"augmentation.flip=0"``; values are read as YAML.

    Raises
    ------
    InvalidConfiguration
        If a key is unknown (the message names the nearest right one) or a value is out of range.
    """
    chosen = find_recipe(recipe)
    values: dict[str, Any] = {"recipe": recipe, "image_size": chosen.image_size, **asdict(chosen.defaults)}
    if chosen.augmentation != "standard":
        values["augmentation"] = {"preset": chosen.augmentation}
    yaml = require("yaml", extra="train", purpose="reading a training configuration")
    for setting in settings:
        key, separator, text = setting.partition("=")
        if not separator:
            raise InvalidConfiguration(
                f"the setting {setting!r} has no '='; write it as key=value, e.g. epochs=8"
            )
        _check_key(key)
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            raise InvalidConfiguration(f"{key} is {text!r}, which is not a YAML value") from None
        place = values
        *parents, leaf = key.split(".")
        for parent in parents:
            if not isinstance(place.setdefault(parent, {}), dict):
                raise InvalidConfiguration(f"{parent} is {place[parent]!r}; set its parts, such as {key}")
            place = place[parent]
        place[leaf] = str(value) if leaf in ("precision", "weights") else value
    try:
        config = TrainingConfig.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        message = f"{name} is {first['input']!r}; {first['msg'].lower()}"
        raise InvalidConfiguration(message) from error
    if "stages" not in values and chosen.stages and config.pretrained:
        # A backbone of random numbers is not worth freezing.
        return config.model_copy(update={"stages": "two"})
    return config


def _check_key(key: str) -> None:
    if key == "recipe":
        raise InvalidConfiguration("the recipe is not a setting of a recipe; choose it with --recipe")
    known = [
        *TrainingConfig.model_fields,
        *(f"augmentation.{name}" for name in Augmentation.model_fields),
        *(f"supervision.{name}" for name in Supervision.model_fields),
        *(f"distillation.{name}" for name in Distillation.model_fields),
    ]
    if key not in known:
        near = difflib.get_close_matches(key, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
        raise InvalidConfiguration(f"there is no setting {key!r}; {hint}")
