"""The settings of augmentation: how often and how far each operation goes.

Owns every key, its default and its check, and what is written of them into the record of a run. Free of torch, so that
the command line can name a mistyped key at once. What the operations do is in the other modules of this room.
"""

from __future__ import annotations

from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from tumorscope.augmentation.presets import PRESETS, Preset

__all__ = ["FIRST", "Augmentation"]

FIRST = ("rotation", "scale", "shift", "flip", "gamma", "contrast", "brightness", "noise")
"""Settings that the first recorded runs had; a record always has them."""


def _often(what: str) -> Any:
    return Field(0.0, ge=0, le=1, description=f"Probability of {what}.")


class Augmentation(BaseModel):
    """Random changes of a training image.

    The network must not learn from position, pose or scanner settings, so these vary from image to image. A value that
    is not given is that of the preset. An operation has a range (0 changes nothing) and, but for the first eight,
    a probability; where that is 0 the operation draws no random number, so the others draw the same with or without it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    preset: Preset = Field("standard", description="Where the other values start from.")

    rotation: float = Field(15.0, ge=0, le=180, description="Largest rotation in degrees.")
    scale: float = Field(0.15, ge=0, lt=1, description="Largest relative change of size.")
    shift: float = Field(0.06, ge=0, lt=1, description="Largest shift as a fraction of the side.")
    flip: float = Field(0.5, ge=0, le=1, description="Probability of a left-right flip.")
    gamma: float = Field(0.35, ge=0, le=2, description="Largest change of the natural logarithm of gamma.")
    contrast: float = Field(0.2, ge=0, lt=1, description="Largest relative change of contrast.")
    brightness: float = Field(
        0.1, ge=0, lt=1, description="Largest change of brightness; the range of pixels is 1."
    )
    noise: float = Field(0.03, ge=0, lt=1, description="Largest standard deviation of added Gaussian noise.")

    shear_probability: float = _often("a shear")
    shear: float = Field(0.15, ge=0, le=1, description="Largest shear: shift across per length down.")
    elastic_probability: float = _often("an elastic deformation")
    elastic: float = Field(0.02, ge=0, le=0.1, description="Largest displacement as a fraction of the side.")

    curve_probability: float = _often("a random rising tone curve")
    curve: float = Field(
        1.0, ge=0, le=3, description="Largest natural logarithm of the steepness of its parts."
    )
    remap_probability: float = _often("a random map of brightness, which may fall in places")
    remap: float = Field(0.5, ge=0, le=1, description="Largest share of chance in that map.")
    histogram_probability: float = _often("taking over the histogram of another image of the batch")
    histogram: float = Field(1.0, ge=0, le=1, description="Largest share of that histogram.")
    fourier_probability: float = _often("mixing coarse Fourier amplitudes with another image of the batch")
    fourier: float = Field(0.8, ge=0, le=1, description="Largest share of the other image's amplitudes.")

    bias_probability: float = _often("a bias field")
    bias: float = Field(0.4, ge=0, le=2, description="Largest coefficient of the field's logarithm.")
    blur_probability: float = _often("a blur")
    blur: float = Field(
        0.008, ge=0, le=0.1, description="Largest standard deviation as a fraction of the side."
    )
    resolution_probability: float = _often("a lower resolution")
    resolution: float = Field(
        0.5, ge=0, le=0.9, description="Largest share of rows and columns that are lost."
    )
    gibbs_probability: float = _often("Gibbs ringing")
    gibbs: float = Field(0.5, ge=0, le=0.9, description="Largest share of the radius of k-space that is cut.")
    ghosting_probability: float = _often("ghosts")
    ghosting: float = Field(
        0.6, ge=0, le=1, description="Largest missing part of every n-th line of k-space."
    )
    motion_probability: float = _often("a motion of the head while it is scanned")
    motion: float = Field(
        4.0, ge=0, le=45, description="Largest motion in degrees, and in hundredths of the side."
    )
    spikes_probability: float = _often("spikes in k-space")
    spikes: float = Field(
        0.1, ge=0, le=1, description="Largest height of their waves; the range of pixels is 1."
    )
    rician_probability: float = _often("noise as a scanner's magnitude has it")
    rician: float = Field(0.06, ge=0, le=1, description="Its largest standard deviation.")

    mixup_probability: float = _often("mixing the image, and its class, with another of the batch")
    mixup: float = Field(0.4, ge=0, le=0.5, description="Largest share of the other image.")
    cutmix_probability: float = _often("a rectangle of another image of the batch, and of its class")
    cutmix: float = Field(0.3, ge=0, le=0.5, description="Largest share of the square.")
    erasing_probability: float = _often("erasing a rectangle")
    erasing: float = Field(0.05, ge=0, le=0.5, description="Largest share of the square that is erased.")

    @model_validator(mode="before")
    @classmethod
    def _start_from_the_preset(cls, values: Any) -> Any:
        """Take what is not given from the preset; an unknown preset is refused by its own field."""
        if not isinstance(values, dict):
            return values
        name = values.get("preset", "standard")
        return (dict(PRESETS[name]) | values) if isinstance(name, str) and name in PRESETS else values

    @model_validator(mode="after")
    def _one_mixture_an_image(self) -> Augmentation:
        if self.mixup_probability + self.cutmix_probability > 1:
            raise ValueError("mixup_probability and cutmix_probability must add up to at most 1")
        return self

    @model_serializer(mode="wrap")
    def _without_what_is_off(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Of the standard preset leave newer keys out that are as by default: earlier runs keep their record.

        Of any other write everything, so that a record says what was done even if a preset changes later.
        """
        values: dict[str, Any] = write(self)
        if self.preset == "standard":
            for name, field in type(self).model_fields.items():
                if name not in FIRST and values[name] == field.default:
                    del values[name]
        return values

    @property
    def off(self) -> bool:
        """Whether nothing is changed at all."""
        return not any(getattr(self, name) for name in FIRST) and not any(
            getattr(self, name) for name in type(self).model_fields if name.endswith("_probability")
        )
