"""A picture of what augmentation does: the whole of it, then every operation alone.

Owns the layout. Which images are shown is :mod:`tumorscope.augmentation.examples`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from tumorscope.augmentation.batch import augment_batch
from tumorscope.augmentation.examples import Example
from tumorscope.augmentation.families import FAMILIES, alone, how_often
from tumorscope.augmentation.settings import Augmentation

__all__ = ["draw_sheet"]

_DRAWS = 9  # of all operations together, beside the original
_GAP = 4
_LINE = 18
_HEAD = 30
_MARGIN = 12
_INK, _FAINT, _PAPER = "#1a1a1a", "#707070", "#ffffff"

Row = list[NDArray[np.uint8]]


def draw_sheet(examples: Sequence[Example], settings: Augmentation, seed: int = 0) -> Image.Image:
    """Draw a contact sheet.

    The first block has a row for each image: the original, then draws of all operations as a training would make them.
    Then comes a block for each family with every operation alone, made certain, on the same images.

    Parameters
    ----------
    examples
        At least one image; mixing, histograms and spectra need two.
    settings
        What is shown.
    seed
        Of all random numbers.

    Returns
    -------
    PIL.Image.Image
        In colour, so that it can be marked.
    """
    stack = np.stack([pixels for _, pixels in examples])
    images = torch.from_numpy(stack).unsqueeze(1).float() / 255
    whole = [_changed(images, settings, seed * 1000 + k) for k in range(_DRAWS)]
    names = ["original", *(f"draw {k + 1}" for k in range(_DRAWS))]
    changed = ", ".join(f"{key}={value:g}" for key, value in _beside(settings).items())
    blocks = [(f"preset {settings.preset}{', ' if changed else ''}{changed}", names, _rows(stack, whole))]
    for family, operations in FAMILIES.items():
        each = max(1, _DRAWS // len(operations))
        made, names = [], ["original"]
        for name in operations:
            made += [_changed(images, alone(settings, name), seed * 1000 + k) for k in range(each)]
            names += [_named(settings, name), *[""] * (each - 1)]
        blocks.append((f"{family}, one operation at a time", names, _rows(stack, made)))
    return _drawn(blocks, stack.shape[-1])


def _changed(images: torch.Tensor, settings: Augmentation, seed: int) -> NDArray[np.uint8]:
    generator = torch.Generator().manual_seed(seed)
    changed = augment_batch(images, settings, generator).images.squeeze(1)
    return np.asarray((changed * 255).round().to(torch.uint8).numpy())


def _beside(settings: Augmentation) -> dict[str, float]:
    """What was set beside the preset."""
    plain = Augmentation.model_validate({"preset": settings.preset})
    names = [name for name in type(settings).model_fields if name != "preset"]
    return {
        name: getattr(settings, name) for name in names if getattr(settings, name) != getattr(plain, name)
    }


def _named(settings: Augmentation, operation: str) -> str:
    often = how_often(settings, operation)
    return f"{operation}, {f'{often:.0%}' if often else 'off'}"


def _rows(originals: NDArray[np.uint8], columns: Sequence[NDArray[np.uint8]]) -> list[Row]:
    return [[originals[k], *(column[k] for column in columns)] for k in range(len(originals))]


def _drawn(blocks: Sequence[tuple[str, list[str], list[Row]]], side: int) -> Image.Image:
    step = side + _GAP
    width = 2 * _MARGIN + step * max(len(names) for _, names, _ in blocks)
    height = 2 * _MARGIN + sum(_HEAD + _LINE + step * len(rows) for _, _, rows in blocks)
    sheet = Image.new("RGB", (width, height), _PAPER)
    pen = ImageDraw.Draw(sheet)
    title, label = ImageFont.load_default(size=16), ImageFont.load_default(size=max(9, min(12, side // 11)))
    top = _MARGIN
    for heading, names, rows in blocks:
        pen.text((_MARGIN, top + 6), heading, fill=_INK, font=title)
        top += _HEAD
        for column, name in enumerate(names):
            pen.text((_MARGIN + column * step, top + 2), name, fill=_FAINT, font=label)
        top += _LINE
        for row in rows:
            for column, pixels in enumerate(row):
                sheet.paste(Image.fromarray(pixels), (_MARGIN + column * step, top))
            top += step
    return sheet
