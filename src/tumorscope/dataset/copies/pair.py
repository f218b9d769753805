"""Two images that are one picture.

Owns the record that the search for copies gives and everything else reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["CopyKind", "CopyPair", "Orientation"]


class CopyKind(StrEnum):
    """How the second image came from the first."""

    EXACT = "exact"
    """The decoded pixels are equal."""
    NEAR = "near"
    """The same way round: saved again, rescaled, cropped, brighter or darker."""
    MIRRORED = "mirrored"
    """As near, and mirrored left to right."""
    ROTATED = "rotated"
    """As near, and turned by a multiple of 90 degrees or flipped otherwise."""


class Orientation(StrEnum):
    """The eight ways to lay a square: what must be done to the first image to get the second."""

    SAME = "same"
    MIRRORED = "mirrored"
    ROTATED_90 = "rotated-90"
    ROTATED_180 = "rotated-180"
    ROTATED_270 = "rotated-270"
    FLIPPED = "flipped"
    TRANSPOSED = "transposed"
    TRANSVERSED = "transversed"

    @property
    def kind(self) -> CopyKind:
        """The kind of a copy of this orientation that is not exact."""
        if self is Orientation.SAME:
            return CopyKind.NEAR
        return CopyKind.MIRRORED if self is Orientation.MIRRORED else CopyKind.ROTATED


@dataclass(frozen=True, slots=True)
class CopyPair:
    """A pair found.

    Parameters
    ----------
    first, second
        Positions in the data set, ``first < second``.
    kind
        How they are related.
    orientation
        Rotations are counter-clockwise, as :func:`numpy.rot90` turns.
    score
        Correlation of the two pictures laid over each other, at most 1; 1 for exact copies.
    """

    first: int
    second: int
    kind: CopyKind
    orientation: Orientation
    score: float
