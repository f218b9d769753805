"""Made-up heads with and without a tumour, so that everything can be tried without patient data.

Owns :func:`make_phantom`, one slice from a number, and :func:`write_phantoms`, a folder that training and
evaluation read like real data. A phantom looks like an axial T1-weighted slice seen from afar: scalp, skull,
gray and white matter, ventricles. It carries no medical truth and says nothing about how well a model reads
real scans.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.core.files import atomic_write
from tumorscope.core.labels import CLASS_ORDER, Diagnosis
from tumorscope.synthesis.lesion import Blob, Lesion, draw_lesion, soft_step, waves

__all__ = ["FOLDS", "MANIFEST_COLUMNS", "MINIMUM_SIZE", "Phantom", "make_phantom", "write_phantoms"]

FOLDS = 4
MINIMUM_SIZE = 48
MANIFEST_COLUMNS = (
    *("path", "label", "source", "fold", "group", "slice_id", "mirrored_copy"),
    *("box_cx", "box_cy", "box_w", "box_h", "width", "height", "mode", "sha256"),
)

_SLICES_A_SUBJECT = 4
_SUBJECTS_A_CLASS = 8  # fewer slices a subject rather than fewer subjects: folds need groups of every class

Image = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Phantom:
    """One made-up slice.

    Parameters
    ----------
    pixels
        ``uint8 [size, size]``.
    diagnosis
        What was drawn.
    box
        The lesion as (centre x, centre y, width, height) in fractions of the image;
        ``None`` without a lesion.
    subject
        Key of the made-up person; slices of one person share it.
    """

    pixels: NDArray[np.uint8]
    diagnosis: Diagnosis
    box: tuple[float, float, float, float] | None
    subject: str


@dataclass(frozen=True, slots=True)
class _Anatomy:
    """What stays the same over the slices of one person."""

    half_width: float
    half_height: float
    centre: tuple[float, float]
    tilt: float
    scalp: float
    skull: float
    white: float
    gray: float
    fluid: float
    ventricle: float
    folds: Blob
    lesion_angle: float
    lesion_distance: float
    lesion_radius: float


def make_phantom(diagnosis: Diagnosis, seed: int, size: int = 256, *, index: int = 0) -> Phantom:
    """Make one slice of one made-up person.

    Parameters
    ----------
    diagnosis
        What the person has.
    seed
        Names the person, at least 0; the same numbers give the same bytes.
    size
        Side of the slice in pixels, at least 48.
    index
        Which slice of the person, at least 0: the anatomy and the place of the lesion stay, its size and
        texture, the noise and the brightness change.

    Raises
    ------
    InvalidConfiguration
        If a number is out of range.
    """
    if size < MINIMUM_SIZE or seed < 0 or index < 0:
        raise InvalidConfiguration(
            f"a phantom with seed {seed}, index {index} and side {size} was asked for; "
            f"seed and index must be 0 or more, the side at least {MINIMUM_SIZE} pixels"
        )
    anatomy = _anatomy(_generator(diagnosis, seed, 0), diagnosis)
    rng = _generator(diagnosis, seed, index + 1)
    head, brain = _head(anatomy, size, rng, at_base=_at_base(diagnosis, rng))
    lesion = _lesion(head, brain, anatomy, diagnosis, rng)
    pixels = _scan(head if lesion is None else lesion.image, rng)
    box = None if lesion is None else lesion.box()
    return Phantom(pixels, diagnosis, box, f"phantom:{diagnosis.value}-{seed:05d}")


def write_phantoms(
    folder: str | os.PathLike[str], images: int, seed: int = 0, size: int = 256
) -> Iterator[Path]:
    """Write phantoms as a data set: one folder a class, and ``manifest.csv`` when all are done.

    The classes take turns, so each has a quarter of the images; a person has up to four slices; ``fold``
    counts from 1 to 4 over persons.

    Parameters
    ----------
    folder
        Must not exist or be empty.
    images
        How many, at least 4.
    seed
        Another seed gives other people.
    size
        Side in pixels.

    Yields
    ------
    pathlib.Path
        Each image once it is written; the manifest is written after the last one.

    Raises
    ------
    InvalidConfiguration
        At once, before anything is written: the folder is in use or a number is out of range.
    """
    target = Path(folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InvalidConfiguration(f"{target} is not an empty folder; name a new one, nothing was written")
    if images < len(CLASS_ORDER) or seed < 0 or size < MINIMUM_SIZE:
        raise InvalidConfiguration(
            f"{images} phantoms with seed {seed} and side {size} were asked for; "
            f"at least {len(CLASS_ORDER)} images, seed 0 and side {MINIMUM_SIZE} are needed"
        )
    return _write(target, images, seed, size)


def _write(target: Path, images: int, seed: int, size: int) -> Iterator[Path]:
    rows: list[dict[str, Any]] = []
    a_class = -(-images // len(CLASS_ORDER))
    a_subject = min(_SLICES_A_SUBJECT, max(1, a_class // _SUBJECTS_A_CLASS))
    for number in range(images):
        diagnosis = CLASS_ORDER[number % len(CLASS_ORDER)]
        subject, index = divmod(number // len(CLASS_ORDER), a_subject)
        phantom = make_phantom(diagnosis, seed * 100_000 + subject, size, index=index)
        name = f"{diagnosis.value}/{diagnosis.value}-{subject:05d}-{index}.png"
        content = _png(phantom.pixels)
        atomic_write(target / name, content)
        rows.append(_row(phantom, name, content, subject % FOLDS + 1, index))
        yield target / name
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, MANIFEST_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(sorted(rows, key=lambda row: str(row["path"])))
    atomic_write(target / "manifest.csv", text.getvalue())


def _row(phantom: Phantom, name: str, content: bytes, fold: int, index: int) -> dict[str, Any]:
    box = ["", "", "", ""] if phantom.box is None else [f"{value:.5f}" for value in phantom.box]
    height, width = phantom.pixels.shape
    return {
        "path": name,
        "label": phantom.diagnosis.value,
        "source": "phantom",
        "fold": fold,
        "group": phantom.subject,
        "slice_id": f"{phantom.subject}-{index}",
        "mirrored_copy": 0,
        **dict(zip(("box_cx", "box_cy", "box_w", "box_h"), box, strict=True)),
        "width": width,
        "height": height,
        "mode": "L",
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def _png(pixels: NDArray[np.uint8]) -> bytes:
    from PIL import Image as Pillow

    stream = io.BytesIO()
    Pillow.fromarray(pixels).save(stream, format="PNG")
    return stream.getvalue()


def _generator(diagnosis: Diagnosis, seed: int, stream: int) -> np.random.Generator:
    """Counter-based numbers: every (person, slice) has a stream of its own, whatever was made before it."""
    key = np.array([seed, diagnosis.position << 32 | stream], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key))


def _anatomy(rng: np.random.Generator, diagnosis: Diagnosis) -> _Anatomy:
    white = rng.uniform(0.46, 0.58)
    small = diagnosis is Diagnosis.PITUITARY
    return _Anatomy(
        half_width=rng.uniform(0.68, 0.78),
        half_height=rng.uniform(0.84, 0.92),
        centre=(rng.uniform(-0.04, 0.04), rng.uniform(-0.04, 0.04)),
        tilt=rng.normal(0.0, 0.06),
        scalp=rng.uniform(0.06, 0.09),
        skull=rng.uniform(0.06, 0.09),
        white=white,
        gray=white - rng.uniform(0.08, 0.2),
        fluid=rng.uniform(0.08, 0.2),
        ventricle=rng.uniform(0.7, 1.3),
        folds=Blob(0.0, 0.0, 1.0, rng.uniform(-0.012, 0.012, 24), rng.uniform(0.0, 2.0 * np.pi, 24)),
        lesion_angle=rng.uniform(0.0, 2.0 * np.pi),
        lesion_distance=rng.uniform(0.3, 0.52),
        lesion_radius=rng.uniform(0.1, 0.15) if small else rng.uniform(0.18, 0.28),
    )


def _at_base(diagnosis: Diagnosis, rng: np.random.Generator) -> bool:
    """Whether the slice lies at the base of the skull: always with a pituitary tumour, often without."""
    level = rng.uniform()
    return diagnosis is Diagnosis.PITUITARY or level < 0.3


def _grid(anatomy: _Anatomy, size: int) -> tuple[Image, Image]:
    """Columns and rows of the head's own frame: 0 in its middle, 1 at the edge of the image."""
    axis = (np.arange(size) + 0.5) * (2.0 / size) - 1.0
    row, column = axis[:, None] - anatomy.centre[0], axis[None, :] - anatomy.centre[1]
    cosine, sine = np.cos(anatomy.tilt), np.sin(anatomy.tilt)
    return cosine * column + sine * row, cosine * row - sine * column


def _head(anatomy: _Anatomy, size: int, rng: np.random.Generator, *, at_base: bool) -> tuple[Image, Image]:
    """A head without a lesion, and its brain, both ``[size, size]`` in [0, 1]."""
    column, row = _grid(anatomy, size)
    pixels = size / 2 * anatomy.half_width  # one unit of ``radius`` in pixels
    radius = np.hypot(column / anatomy.half_width, row / anatomy.half_height)
    inner = 1.0 - anatomy.scalp - anatomy.skull
    angle = np.arctan2(row, column)
    wave = np.zeros(radius.shape)
    for k, (amplitude, phase) in enumerate(
        zip(anatomy.folds.amplitudes, anatomy.folds.phases, strict=True), start=4
    ):
        wave += amplitude * np.cos(k * angle + phase)

    image = 0.85 * soft_step((1.0 - radius) * pixels)
    image = _lay(image, soft_step((1.0 - anatomy.scalp - radius) * pixels), 0.04)
    image = _lay(image, soft_step((inner - radius) * pixels), anatomy.fluid)
    brain = soft_step((inner - 0.015 - radius) * pixels)
    matter = waves(rng, (size, size), cycles=26.0)
    gray = anatomy.gray + 0.015 * matter
    white = anatomy.white + 0.01 * matter
    image = _lay(image, soft_step((inner - 0.03 + 0.6 * wave - radius) * pixels), gray)
    depth = inner - 0.16 + 1.6 * wave + 0.012 * matter - radius
    image = _lay(image, soft_step(depth * pixels, width=3.0), white)
    fissure = (0.012 - np.abs(column)) * size / 2 + np.minimum(0.0, (np.abs(row) - 0.35) * size / 2)
    image = _lay(image, soft_step(fissure) * brain, anatomy.fluid)
    hollow = _cistern(column, row) if at_base else _ventricles(column, row, anatomy.ventricle)
    return _lay(image, soft_step(hollow * size / 2, width=2.0) * brain, anatomy.fluid), brain


def _lay(image: Image, mask: Image, value: Image | float) -> Image:
    return image * (1.0 - mask) + value * mask


def _ventricles(column: Image, row: Image, scale: float) -> Image:
    """Depth inside two slanted ellipses either side of the midline, in half image sides."""
    side = np.abs(column) - 0.1 * scale
    slant = side - 0.35 * (np.abs(row + 0.02) - 0.1)
    return 0.06 * scale - np.hypot(slant, row * 0.24)


def _cistern(column: Image, row: Image) -> Image:
    """Depth inside the small star of fluid in front of the brain stem, in half image sides."""
    angle = np.arctan2(row + 0.06, column)
    return 0.1 + 0.025 * np.cos(5.0 * angle + np.pi / 2) - np.hypot(column, row + 0.06)


def _lesion(
    head: Image, brain: Image, anatomy: _Anatomy, diagnosis: Diagnosis, rng: np.random.Generator
) -> Lesion | None:
    if diagnosis is Diagnosis.NOTUMOR:
        return None
    size = head.shape[0]
    radius = anatomy.lesion_radius * rng.uniform(0.85, 1.15)
    inner = 1.0 - anatomy.scalp - anatomy.skull
    distance = {
        Diagnosis.GLIOMA: anatomy.lesion_distance * inner,
        Diagnosis.MENINGIOMA: inner - 0.55 * radius,
        Diagnosis.PITUITARY: 0.0,
    }[diagnosis]
    column = distance * anatomy.half_width * np.cos(anatomy.lesion_angle)
    row = distance * anatomy.half_height * np.sin(anatomy.lesion_angle)
    if diagnosis is Diagnosis.PITUITARY:
        row = -0.06 + rng.normal(0.0, 0.01)
    cosine, sine = np.cos(anatomy.tilt), np.sin(anatomy.tilt)
    turned = (cosine * row + sine * column, cosine * column - sine * row)
    centre = tuple(
        (value + shift + 1.0) * size / 2 for value, shift in zip(turned, anatomy.centre, strict=True)
    )
    return draw_lesion(head, diagnosis, (centre[0], centre[1]), radius * size / 2, rng, tissue=brain)


def _scan(image: Image, rng: np.random.Generator) -> NDArray[np.uint8]:
    """What a scanner and an export make of it: coil shading, contrast, Rician noise, an arbitrary scale."""
    shape = (image.shape[0], image.shape[1])
    shaded = image * (1.0 + 0.06 * waves(rng, shape, cycles=0.8, count=3))
    toned = np.clip(shaded, 0.0, 1.2) ** rng.uniform(0.85, 1.15)
    noise = rng.uniform(0.008, 0.03)
    magnitude = np.hypot(toned + rng.normal(0.0, noise, shape), rng.normal(0.0, noise, shape))
    return np.rint(np.clip(magnitude * rng.uniform(150.0, 240.0), 0.0, 255.0)).astype(np.uint8)
