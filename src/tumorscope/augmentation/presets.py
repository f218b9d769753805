"""Augmentation presets: named sets of values that settings start from.

Owns the table. A value that a preset does not give is the default of :mod:`tumorscope.augmentation.settings`, which
are those of ``standard``; nothing here may change for ``standard``, since the records of earlier runs rest on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

__all__ = ["PRESETS", "Preset"]

Preset = Literal["none", "study", "standard", "tone", "strong"]

_NONE: Mapping[str, float] = MappingProxyType(
    {
        "rotation": 0.0,
        "scale": 0.0,
        "shift": 0.0,
        "flip": 0.0,
        "gamma": 0.0,
        "contrast": 0.0,
        "brightness": 0.0,
        "noise": 0.0,
    }
)

PRESETS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "none": _NONE,
        # Geometry alone, as the generators of Keras were mostly set for this data.
        "study": MappingProxyType(dict(_NONE) | {"rotation": 10.0, "scale": 0.1, "shift": 0.05, "flip": 0.5}),
        "standard": MappingProxyType({}),
        # What changes the look of a source without a walk through k-space: under 2 ms an image.
        "tone": MappingProxyType(
            {
                "rotation": 20.0,
                "scale": 0.18,
                "gamma": 0.4,
                "contrast": 0.25,
                "shear_probability": 0.2,
                "curve_probability": 0.4,
                "curve": 0.7,
                "remap_probability": 0.1,
                "remap": 0.4,
                "histogram_probability": 0.2,
                "histogram": 0.8,
                "fourier_probability": 0.2,
                "fourier": 0.6,
                "bias_probability": 0.3,
                "blur_probability": 0.15,
                "resolution_probability": 0.2,
                "rician_probability": 0.15,
                "rician": 0.04,
                "erasing_probability": 0.15,
            }
        ),
        # For scanners, contrasts and sources that training has never seen. No mixup, no cutmix: heads stay heads.
        "strong": MappingProxyType(
            {
                "rotation": 25.0,
                "scale": 0.2,
                "shift": 0.08,
                "flip": 0.5,
                "gamma": 0.4,
                "contrast": 0.3,
                "brightness": 0.1,
                "noise": 0.03,
                "shear_probability": 0.3,
                "elastic_probability": 0.3,
                "curve_probability": 0.4,
                "remap_probability": 0.2,
                "histogram_probability": 0.2,
                "fourier_probability": 0.2,
                "bias_probability": 0.4,
                "blur_probability": 0.2,
                "resolution_probability": 0.2,
                "gibbs_probability": 0.1,
                "ghosting_probability": 0.1,
                "motion_probability": 0.1,
                "spikes_probability": 0.05,
                "rician_probability": 0.2,
                "erasing_probability": 0.25,
            }
        ),
    }
)
"""Values by name of the preset; single keys given beside a preset win."""
