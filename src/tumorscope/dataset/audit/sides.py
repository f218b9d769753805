"""On which side of each split the images lie.

Owns the three splits that a manifest may carry.
"""

from __future__ import annotations

from typing import Literal

from tumorscope.dataset.leaks import fold_sides, part_sides
from tumorscope.dataset.manifest import Manifest

__all__ = ["SPLITS", "Split", "existing", "sides"]

Split = Literal["official", "fold", "part"]
SPLITS: tuple[Split, ...] = ("official", "fold", "part")


def sides(manifest: Manifest, split: Split) -> tuple[str | None, ...]:
    """The side of each image, ``None`` where it is on none."""
    if split == "official":
        return tuple(None if row.official_split is None else row.official_split.value for row in manifest)
    if split == "fold":
        return tuple(None if side is None else f"fold {side}" for side in fold_sides(manifest))
    return part_sides(manifest)


def existing(manifest: Manifest) -> dict[Split, tuple[str | None, ...]]:
    """The splits that have at least two sides, with the side of each image."""
    found = {split: sides(manifest, split) for split in SPLITS}
    return {split: places for split, places in found.items() if len(set(places) - {None}) > 1}
