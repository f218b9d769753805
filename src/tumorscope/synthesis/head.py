"""Heads of made-up persons: the template bent, turned and given a skull, a scalp and a contrast.

Owns what stays the same over the slices of one person, and the drawing of a slice. Knows nothing of classes and
draws no lesion; it makes room for one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.slice import Plane
from tumorscope.synthesis.lesion import Contrast, waves
from tumorscope.synthesis.template import STEP_MM, TemplateSlice

__all__ = ["Head", "Person", "Room", "draw_head", "lay_out"]

Image = NDArray[np.float64]

_BEND_MM = 2.4
_NECK_MM, _FACE_MM = 44.0, 150.0  # below and in front of which there is no vault of the skull
_T2_SHARE = 0.12
_TEMPLATE_TONES = (
    0.0,
    0.16,
    0.29,
    0.55,
    0.68,
    0.9,
    1.0,
)  # air, fluid (two), gray matter (two), white matter, more


@dataclass(frozen=True, slots=True)
class Person:
    """What stays the same over the slices of one made-up person.

    Parameters
    ----------
    field_mm
        Side of the picture, as a factor of that of its plane.
    stretch
        Width of the head as a factor.
    shift
        Rows and columns in millimetres.
    tilt
        In radians, to the right.
    skull_mm, scalp_mm
        Thickness.
    contrast
        Which tissue is bright.
    fluid, gray, white
        Brightness in [0, 1].
    bend
        Seed of the smooth deformation.
    """

    field_mm: float
    stretch: float
    shift: tuple[float, float]
    tilt: float
    skull_mm: float
    scalp_mm: float
    contrast: Contrast
    fluid: float
    gray: float
    white: float
    bend: int

    @classmethod
    def random(cls, rng: np.random.Generator) -> Person:
        """Somebody."""
        contrast = Contrast.T2 if rng.uniform() < _T2_SHARE else Contrast.T1
        white = rng.uniform(0.42, 0.54) if contrast is Contrast.T1 else rng.uniform(0.28, 0.36)
        return cls(
            field_mm=rng.uniform(0.97, 1.1),
            stretch=rng.uniform(0.95, 1.06),
            shift=(rng.uniform(-3.0, 3.0), rng.uniform(-5.0, 5.0)),
            tilt=rng.normal(0.0, 0.05),
            skull_mm=rng.uniform(4.5, 7.0),
            scalp_mm=rng.uniform(4.0, 8.0),
            contrast=contrast,
            fluid=rng.uniform(0.08, 0.16) if contrast is Contrast.T1 else rng.uniform(0.75, 0.9),
            gray=white - rng.uniform(0.06, 0.13)
            if contrast is Contrast.T1
            else white + rng.uniform(0.1, 0.18),
            white=white,
            bend=int(rng.integers(1 << 32)),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """Where everything of one slice lies in the picture, before it is drawn; all ``[size, size]``.

    Parameters
    ----------
    rows, columns
        Place in the template, in millimetres.
    distance
        Millimetres outwards from the surface that the skull lies on.
    brain
        In [0, 1].
    vault
        1 where the skull is a plain shell, 0 at the face and neck.
    pixel_mm
        Side of a pixel.
    """

    rows: Image
    columns: Image
    distance: Image
    brain: Image
    vault: Image
    pixel_mm: float


@dataclass(frozen=True, slots=True)
class Room:
    """A round place, in pixels, from which the brain is pushed away by a share of its radius."""

    centre: tuple[float, float]
    radius: float
    push: float


def lay_out(part: TemplateSlice, plane: Plane, place: int, person: Person, size: int) -> Head:
    """Put a slice of the template into a picture.

    Parameters
    ----------
    part
        The slice.
    plane
        Its plane.
    place
        Voxel of the template that it lies at.
    person
        Whose it is.
    size
        Side of the picture in pixels.
    """
    height, width = (side * STEP_MM for side in part.brightness.shape)
    field = (226.0 if plane is Plane.AXIAL else 204.0) * person.field_mm
    axis = ((np.arange(size) + 0.5) / size - 0.5) * field
    cosine, sine = np.cos(person.tilt), np.sin(person.tilt)
    down, right = axis[:, None], axis[None, :] / person.stretch
    # A neck ends at the edge of the picture, as it does in a scan.
    middle = height / 2 if plane is Plane.AXIAL else height - field / 2
    bend = np.random.Generator(np.random.Philox(key=person.bend))
    rows = middle + person.shift[0] + cosine * down - sine * right + _BEND_MM * _smooth(bend, size, field)
    columns = (
        width / 2 + person.shift[1] + cosine * right + sine * down + _BEND_MM * _smooth(bend, size, field)
    )
    distance, brain = _sampled((part.distance, part.brain), rows, columns)
    above = np.full_like(rows, float(place)) if plane is Plane.AXIAL else height - rows
    if plane is Plane.CORONAL:
        front = np.full_like(rows, float(place))
    else:
        front = height - rows if plane is Plane.AXIAL else width - columns
    low = np.clip((_NECK_MM + 0.45 * np.maximum(0.0, front - _FACE_MM) - above) / 8.0 + 0.5, 0.0, 1.0)
    behind = np.clip((120.0 - front) / 20.0, 0.0, 1.0) if plane is Plane.AXIAL else 0.0
    return Head(rows, columns, distance, brain, 1.0 - low * (1.0 - behind), field / size)


def draw_head(
    head: Head, part: TemplateSlice, person: Person, rng: np.random.Generator, room: Room | None
) -> Image:
    """Draw a slice, ``[size, size]`` in [0, 1].

    Parameters
    ----------
    head, part, person
        As :func:`lay_out` made and took them.
    rng
        Source of the texture of scalp and marrow.
    room
        Where a lesion is to be drawn.
    """
    rows, columns = head.rows, head.columns
    if room is not None:
        rows, columns = _pushed(head, room)
    (brightness,) = _sampled((part.brightness,), rows, columns)
    tones = (
        0.01,
        person.fluid,
        person.fluid,
        person.gray * 0.97,
        person.gray,
        person.white,
        person.white * 1.05,
    )
    image = np.interp(brightness, _TEMPLATE_TONES, tones)
    # Muscle and bone below the vault are darker than brain whatever the contrast.
    below = (1.0 - head.brain) * (1.0 - head.vault)
    image = image * (1.0 - below) + 0.75 * brightness * below
    bright = person.contrast is Contrast.T1
    texture = waves(rng, (rows.shape[0], rows.shape[1]), cycles=9.0, count=4)
    skull = person.skull_mm * (0.12 + 0.88 * head.vault)
    outwards = head.distance - skull
    soft = max(head.pixel_mm, 0.8)
    bone = np.clip(head.distance / soft + 0.5, 0.0, 1.0)
    marrow = np.exp(-(((head.distance - 0.5 * skull) / (0.22 * person.skull_mm)) ** 2)) * head.vault
    image = image * (1.0 - bone) + bone * (0.03 + (0.26 if bright else 0.16) * marrow)
    scalp = np.clip(outwards / soft + 0.5, 0.0, 1.0)
    fat = (0.78 if bright else 0.5) + 0.07 * texture
    skin = np.clip((outwards - person.scalp_mm + 1.6) / soft + 0.5, 0.0, 1.0)
    image = image * (1.0 - scalp) + scalp * (fat * (1.0 - 0.45 * skin))
    air = np.clip((outwards - person.scalp_mm * (1.0 + 0.05 * texture)) / soft + 0.5, 0.0, 1.0)
    return np.clip(image * (1.0 - air), 0.0, 1.0)


def _pushed(head: Head, room: Room) -> tuple[Image, Image]:
    """The places that are seen once the brain is pushed away from a centre."""
    size = head.rows.shape[0]
    down = np.arange(size, dtype=np.float64)[:, None] - room.centre[0]
    right = np.arange(size, dtype=np.float64)[None, :] - room.centre[1]
    near = room.push * np.exp(-(down**2 + right**2) / (1.6 * room.radius) ** 2) * head.pixel_mm
    # At the skull nothing gives way.
    near *= np.clip(-head.distance / 6.0, 0.0, 1.0)
    return head.rows - near * down, head.columns - near * right


def _smooth(rng: np.random.Generator, size: int, field: float) -> Image:
    """A smooth random field ``[size, size]`` of standard deviation 1: few waves, made coarse and drawn out."""
    coarse = waves(rng, (33, 33), cycles=field / 105.0, count=5)
    at = np.linspace(0.0, 32.0, size)
    (fine,) = _sampled((coarse,), at[:, None] * STEP_MM, at[None, :] * STEP_MM)
    return fine


def _sampled(layers: tuple[NDArray[np.floating], ...], rows: Image, columns: Image) -> list[Image]:
    """Layers ``[H, W]`` at places in millimetres, bilinear; beyond the edge, the edge."""
    height, width = layers[0].shape
    down = np.clip(rows / STEP_MM, 0.0, height - 1.001)
    right = np.clip(columns / STEP_MM, 0.0, width - 1.001)
    top, left = down.astype(np.intp), right.astype(np.intp)
    down, right = down - top, right - left
    at = top * width + left
    sampled = []
    for layer in layers:
        flat = layer.ravel()
        upper = flat[at] * (1.0 - right) + flat[at + 1] * right
        lower = flat[at + width] * (1.0 - right) + flat[at + width + 1] * right
        sampled.append(upper * (1.0 - down) + lower * down)
    return sampled
