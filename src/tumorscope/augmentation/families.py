"""Operations by family, and the settings of one of them alone.

Owns the table from which the contact sheet, the benchmark and the documentation take names. Free of torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tumorscope.augmentation.settings import FIRST, Augmentation

__all__ = ["FAMILIES", "alone", "how_often"]

FAMILIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "geometry": ("rotation", "scale", "shift", "flip", "shear", "elastic"),
        "intensity": ("gamma", "contrast", "brightness", "curve", "remap"),
        "style": ("histogram", "fourier"),
        "scanner": (
            *("bias", "blur", "resolution", "gibbs", "ghosting", "motion", "spikes", "rician"),
            "noise",
        ),
        "mixing": ("mixup", "cutmix", "erasing"),
    }
)
"""The operations of each family, by the names of their settings."""


def alone(settings: Augmentation, operation: str) -> Augmentation:
    """Settings under which every image gets this operation, as far as in ``settings``, and no other."""
    values: dict[str, object] = {"preset": "none", operation: getattr(settings, operation)}
    if operation == "flip":
        values[operation] = 1.0
    elif operation not in FIRST:
        values[f"{operation}_probability"] = 1.0
    return Augmentation.model_validate(values)


def how_often(settings: Augmentation, operation: str) -> float:
    """The probability that an image gets this operation at all; 0 where it could change nothing."""
    reach = float(getattr(settings, operation))
    if operation == "flip":
        return reach
    often = 1.0 if operation in FIRST else float(getattr(settings, f"{operation}_probability"))
    return often if reach > 0 else 0.0
