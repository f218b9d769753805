"""Folders of drawn slices with planted faults, for the audit and its command."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tumorscope.core.labels import CLASS_ORDER, Diagnosis
from tumorscope.synthesis.phantom import make_phantom

__all__ = ["encoded", "plain_folder", "planted_folder", "save"]

SIDE = 64


def encoded(pixels: NDArray[Any], form: str = "PNG", **options: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, form, **options)
    return stream.getvalue()


def save(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def plain_folder(root: Path, each: int = 6) -> Path:
    """``Training`` and ``Testing`` with so many different persons of each class, nothing planted."""
    for label in CLASS_ORDER:
        for number in range(each):
            side = "Testing" if number % 3 == 2 else "Training"
            pixels = make_phantom(label, 1000 * label.position + number, SIDE).pixels
            save(root / side / label.value / f"{number}.png", encoded(pixels))
    return root


def planted_folder(root: Path) -> Path:
    """The plain folder with one fault of each kind that needs no table."""
    plain_folder(root)
    across = make_phantom(Diagnosis.GLIOMA, 0, SIDE).pixels
    # The same pixels in another file: only what is decoded is equal.
    save(root / "Testing" / "glioma" / "copy.png", encoded(across, compress_level=0))
    wrong = make_phantom(Diagnosis.PITUITARY, 3001, SIDE).pixels
    save(root / "Training" / "meningioma" / "copy.png", encoded(wrong, compress_level=0))
    whole = encoded(make_phantom(Diagnosis.NOTUMOR, 77, 256).pixels, "JPEG", quality=90)
    save(root / "Training" / "notumor" / "cut.jpg", whole[: len(whole) // 2])
    save(root / "Training" / "notumor" / "black.png", encoded(np.zeros((SIDE, SIDE), np.uint8)))
    save(root / "Training" / "notumor" / "notes.txt", b"see the other folder\n")
    return root
