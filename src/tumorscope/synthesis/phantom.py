"""Made-up heads with and without a tumour, so that everything can be tried without patient data.

Owns :func:`make_phantom`, one slice from a number, and :func:`write_phantoms`, a folder that training, evaluation
and audits read like real data. A phantom is the average of 152 healthy brains, bent into that of a person who does
not exist, with skull and scalp drawn around it and a lesion drawn in. It carries no medical truth and says nothing
about how well a model reads real scans.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.core.files import atomic_write
from tumorscope.core.labels import CLASS_ORDER, Diagnosis
from tumorscope.core.slice import Plane
from tumorscope.synthesis import SYNTHETIC
from tumorscope.synthesis.head import Head, Person, Room, draw_head, lay_out
from tumorscope.synthesis.lesion import Contrast, draw_lesion, waves
from tumorscope.synthesis.template import (
    AXIAL,
    STEP_MM,
    TemplateSlice,
    at_sella,
    place_of,
    slice_count,
    template_slice,
)

__all__ = ["FOLDS", "MANIFEST_COLUMNS", "MINIMUM_SIZE", "Phantom", "make_phantom", "write_phantoms"]

FOLDS = 4
MINIMUM_SIZE = 48
MANIFEST_COLUMNS = (
    *("path", "label", "source", "official_split", "patient", "group", "slice_id", "fold", "mirrored"),
    *("box_cx", "box_cy", "box_w", "box_h", "width", "height", "mode", "sha256"),
)

_SLICES_A_SUBJECT = 4
_SUBJECTS_A_CLASS = 8  # fewer slices a subject rather than fewer subjects: folds need groups of every class
_PLANES = (Plane.AXIAL, Plane.CORONAL, Plane.SAGITTAL)
_PLANE_SHARES = (0.5, 0.28, 0.22)  # the same for all classes, so that the plane does not tell them apart
_NEIGHBOURS = (0, 1, -1, 2)
_AXIAL_WITH_ROOM = range(2, len(AXIAL) - 2)
_RADIUS_MM = {
    Diagnosis.GLIOMA: (11.0, 20.0),
    Diagnosis.MENINGIOMA: (10.0, 19.0),
    Diagnosis.PITUITARY: (6.0, 10.5),
}
_UPTAKE = (0.6, 0.95)  # how much of the full contrast of a lesion is seen
_PUSH = {Diagnosis.GLIOMA: 0.3, Diagnosis.MENINGIOMA: 0.35, Diagnosis.PITUITARY: 0.25}

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
    contrast
        Which tissue is bright in it.
    """

    pixels: NDArray[np.uint8]
    diagnosis: Diagnosis
    box: tuple[float, float, float, float] | None
    subject: str
    contrast: Contrast


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
    theirs = _generator(diagnosis, seed, 0)
    person = Person.random(theirs)
    plane = _PLANES[int(theirs.choice(3, p=_PLANE_SHARES))]
    levels = _levels(diagnosis, plane)
    level = int(theirs.integers(len(levels))) + _NEIGHBOURS[index % len(_NEIGHBOURS)]
    number = levels[min(max(level, 0), len(levels) - 1)]
    wish = (theirs.uniform(0.0, 2.0 * np.pi), theirs.uniform(0.25, 0.75), theirs.uniform())

    rng = _generator(diagnosis, seed, index + 1)
    part = template_slice(plane, number)
    head = lay_out(part, plane, place_of(plane, number), person, size)
    room = None if diagnosis is Diagnosis.NOTUMOR else _room(head, part, diagnosis, wish, rng)
    image, box = draw_head(head, part, person, rng, room), None
    if room is not None:
        tissue = np.clip(-head.distance / 1.5, 0.0, 1.0)
        lesion = draw_lesion(
            image, diagnosis, room.centre, room.radius, rng, tissue=tissue, contrast=person.contrast
        )
        image, box = image + rng.uniform(*_UPTAKE) * (lesion.image - image), lesion.box()
    return Phantom(
        _scan(image, rng), diagnosis, box, f"{SYNTHETIC}-{diagnosis.value}-{seed:05d}", person.contrast
    )


def write_phantoms(
    folder: str | os.PathLike[str], images: int, seed: int = 0, size: int = 256
) -> Iterator[Path]:
    """Write phantoms as a data set: one folder a class, and ``manifest.csv`` when all are done.

    The classes take turns, so each has a quarter of the images; a person has up to four slices; ``fold``
    counts from 1 to 4 over persons. As in the public sets, some slices are there twice, as they are or mirrored, and
    the official split divides persons.

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
        copy = _copy_of(subject, index, a_subject)
        shown = index if copy is None else copy.index
        phantom = make_phantom(diagnosis, seed * 100_000 + subject, size, index=shown)
        if copy is not None and copy.mirrored:
            phantom = _mirrored(phantom)
        patient = f"{SYNTHETIC}-{subject * len(CLASS_ORDER) + diagnosis.position + 1:03d}"
        name = f"{diagnosis.value}/{patient}-{diagnosis.value}-{index}.png"
        content = _png(phantom.pixels)
        atomic_write(target / name, content)
        rows.append(
            {
                **_facts(phantom, content),
                "path": name,
                "source": SYNTHETIC,
                # By image and not by patient, as the public sets are split: an audit finds it to leak.
                "official_split": "Testing" if (number // len(CLASS_ORDER)) % 5 == 1 else "Training",
                "patient": patient,
                "group": f"patient:{patient}",
                "slice_id": f"{patient}-{shown}",
                "fold": subject % FOLDS + 1,
                "mirrored": int(copy is not None and copy.mirrored),
            }
        )
        yield target / name
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, MANIFEST_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(sorted(rows, key=lambda row: str(row["path"])))
    atomic_write(target / "manifest.csv", text.getvalue())


@dataclass(frozen=True, slots=True)
class _Copy:
    """Which slice of the same person an image shows again."""

    index: int
    mirrored: bool


def _copy_of(subject: int, index: int, a_subject: int) -> _Copy | None:
    """Every second person's last slice is the first one again, mirrored or as it is, as public sets have it."""
    if a_subject < 2 or index < a_subject - 1 or subject % 2 == 0:
        return None
    return _Copy(0, mirrored=subject % 4 == 1)


def _mirrored(phantom: Phantom) -> Phantom:
    box = phantom.box
    turned = None if box is None else (1.0 - box[0], *box[1:])
    pixels = np.ascontiguousarray(phantom.pixels[:, ::-1])
    return replace(phantom, pixels=pixels, box=turned)


def _facts(phantom: Phantom, content: bytes) -> dict[str, Any]:
    box = ["", "", "", ""] if phantom.box is None else [f"{value:.5f}" for value in phantom.box]
    height, width = phantom.pixels.shape
    return {
        "label": phantom.diagnosis.value,
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


def _levels(diagnosis: Diagnosis, plane: Plane) -> list[int]:
    """Slices that a class is shown in: those through the sella for a pituitary tumour, not the smallest for others."""
    if diagnosis is Diagnosis.PITUITARY:
        return list(at_sella(plane))
    if plane is Plane.AXIAL and diagnosis is not Diagnosis.NOTUMOR:
        return list(_AXIAL_WITH_ROOM)
    if plane is Plane.SAGITTAL and diagnosis is Diagnosis.GLIOMA:
        return list(
            range(len(at_sella(plane)), slice_count(plane))
        )  # within a hemisphere, beside the midline
    return list(range(slice_count(plane)))


def _room(
    head: Head,
    part: TemplateSlice,
    diagnosis: Diagnosis,
    wish: tuple[float, float, float],
    rng: np.random.Generator,
) -> Room:
    """Where the lesion lies: at the place of its kind that is nearest to the person's own."""
    angle, depth, largeness = wish
    low, high = _RADIUS_MM[diagnosis]
    radius = (low + (high - low) * largeness) * rng.uniform(0.85, 1.15)
    deep = -head.distance
    beside = np.ones_like(deep) if part.midline is None else np.abs(head.columns - part.midline * STEP_MM)
    if diagnosis is Diagnosis.PITUITARY:
        row, column = (place * STEP_MM for place in part.sella or (0.0, 0.0))
        score = (head.rows - row + 0.35 * radius) ** 2 + (head.columns - column) ** 2
    else:
        if diagnosis is Diagnosis.GLIOMA:
            fits = (head.brain > 0.9) & (deep > 0.5 * radius + 4.0) & (beside > min(0.45 * radius, 40.0))
            reach = depth
        else:
            fits = (np.abs(deep - 0.55 * radius) < 1.5) & (head.vault > 0.9) & (head.brain > 0.3)
            reach = 1.0
        middle = np.average(np.indices(deep.shape), axis=(1, 2), weights=head.brain)
        span = np.sqrt(head.brain.sum() / np.pi) * reach
        target = middle + span * np.array([np.sin(angle), np.cos(angle)])
        size = deep.shape[0]
        away = (np.arange(size)[:, None] - target[0]) ** 2 + (np.arange(size)[None, :] - target[1]) ** 2
        score = np.where(fits, away, np.inf)
        if not fits.any():  # a slice too small for it: as deep as it goes
            score = head.distance
    row_at, column_at = np.unravel_index(int(np.argmin(score)), score.shape)
    pixels = max(radius / head.pixel_mm, 2.0)
    return Room((float(row_at), float(column_at)), pixels, _PUSH[diagnosis])


def _scan(image: Image, rng: np.random.Generator) -> NDArray[np.uint8]:
    """What a scanner and an export make of it: coil shading, contrast, Rician noise, an arbitrary scale."""
    shape = (image.shape[0], image.shape[1])
    shaded = image * (1.0 + 0.06 * waves(rng, shape, cycles=0.8, count=3))
    toned = np.clip(shaded, 0.0, 1.2) ** rng.uniform(0.85, 1.15)
    noise = rng.uniform(0.008, 0.03)
    magnitude = np.hypot(toned + rng.normal(0.0, noise, shape), rng.normal(0.0, noise, shape))
    return np.rint(np.clip(magnitude * rng.uniform(150.0, 240.0), 0.0, 255.0)).astype(np.uint8)
