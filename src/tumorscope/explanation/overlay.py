"""A picture of the evidence: the slice in gray, the map in colour, a legend and the notice below.

Owns the colours and the layout. The colours run from dark violet to light yellow and get steadily lighter,
so that they can be told apart with any colour vision and in print; where there is little evidence the slice
shows through. Drawn with PIL alone.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from tumorscope.core.labels import Diagnosis
from tumorscope.core.prediction import NOTICE, Prediction
from tumorscope.core.slice import Slice
from tumorscope.explanation.heatmap import evidence_for, strength
from tumorscope.preprocess import find_head

__all__ = [
    "COLOURS",
    "INK",
    "MARGIN",
    "PAPER",
    "Font",
    "as_png",
    "blended",
    "grayscale",
    "overlay",
    "overlay_png",
    "text_font",
    "with_legend",
]

_STOPS = np.array([(48, 18, 110), (136, 34, 138), (212, 74, 92), (248, 148, 48), (252, 240, 110)])
_MOST_OPAQUE = 0.65
_LEAST_WIDTH = 320
_LEAST_FONT = 14
MARGIN = 8
_BAR_HEIGHT = 10
INK, PAPER = 235, 24

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def _table() -> NDArray[np.uint8]:
    places = np.linspace(0, len(_STOPS) - 1, 256)
    channels = [np.interp(places, np.arange(len(_STOPS)), _STOPS[:, channel]) for channel in range(3)]
    table: NDArray[np.uint8] = np.rint(np.stack(channels, axis=1)).astype(np.uint8)
    return table


COLOURS = _table()
"""``uint8 [256, 3]``: the colour for each strength, in order."""


def overlay(image: Slice, prediction: Prediction, diagnosis: Diagnosis | None = None) -> Image.Image:
    """Draw the evidence for a class over the slice.

    Parameters
    ----------
    image
        The slice that was asked about.
    prediction
        Its answer, made with ``heatmap=True``.
    diagnosis
        The class to show; the most probable one for ``None``.

    Returns
    -------
    PIL.Image.Image
        RGB. The slice at its own resolution in the top left corner; below it the class, a colour bar with its
        two ends, and the notice. Narrow slices get a margin to the right, so that the text has room.

    Raises
    ------
    InvalidConfiguration
        If the prediction holds no heat-map.
    """
    shown = diagnosis or prediction.diagnosis
    scaled, peak = strength(evidence_for(prediction, shown))
    picture = Image.fromarray(blended(grayscale(image), scaled))
    probability = float(prediction.probabilities[shown.position])
    title = f"{prediction.verdict}: evidence for {shown.label} (probability {probability:.2f})"
    return with_legend(picture, title, f"{peak:.3g}" if peak else "none", prediction.model)


def overlay_png(image: Slice, prediction: Prediction, diagnosis: Diagnosis | None = None) -> bytes:
    """Encode :func:`overlay` as PNG, with the notice in its text as well."""
    return as_png(overlay(image, prediction, diagnosis))


def as_png(picture: Image.Image) -> bytes:
    """Encode a picture, with the notice in its text and nothing else."""
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    text.add_text("Software", "tumorscope")
    text.add_text("Disclaimer", NOTICE)
    stream = BytesIO()
    picture.save(stream, "PNG", pnginfo=text, compress_level=4)
    return stream.getvalue()


def grayscale(image: Slice) -> NDArray[np.uint8]:
    """8-bit pixels as they are; others from the darkest value to the bright end of the head's own range."""
    pixels: NDArray[Any] = image.pixels
    if pixels.dtype == np.uint8:
        return pixels
    low, high = float(pixels.min()), find_head(pixels).high
    scaled = (pixels.astype(np.float64) - low) * (255.0 / (high - low))
    return np.rint(np.clip(scaled, 0.0, 255.0)).astype(np.uint8)


def blended(gray: NDArray[np.uint8], scaled: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Lay the colours of a strength in [0, 1] over gray: ``uint8 [H, W, 3]``."""
    colour = COLOURS[np.rint(scaled * 255).astype(np.uint8)].astype(np.float32)
    alpha = (_MOST_OPAQUE * scaled)[..., np.newaxis]
    mixed = gray[..., np.newaxis].astype(np.float32) * (1 - alpha) + colour * alpha
    result: NDArray[np.uint8] = np.rint(mixed).astype(np.uint8)
    return result


def text_font(size: int) -> Font:
    """The font of all text, ``size`` pixels high and never so small that the gaps between words are lost."""
    return ImageFont.load_default(max(_LEAST_FONT, size))


def with_legend(picture: Image.Image, title: str, peak: str, model: str) -> Image.Image:
    """Put a title, the colour bar from 0 to ``peak``, the notice and the model below a picture."""
    width = max(picture.width, _LEAST_WIDTH)
    font = text_font(width // 45)
    line = int(font.getbbox("Ag")[3]) + 4
    room = width - 2 * MARGIN
    above = _wrapped(title, font, room)
    below = [*_wrapped(NOTICE, font, room), *_wrapped(f"model {model}", font, room)]
    height = (len(above) + len(below) + 1) * line + _BAR_HEIGHT + 3 * MARGIN
    canvas = Image.new("RGB", (width, picture.height + height), (PAPER,) * 3)
    canvas.paste(picture, (0, 0))
    draw = ImageDraw.Draw(canvas)
    y = _write(draw, above, picture.height + MARGIN, font, line)
    bar = Image.fromarray(np.ascontiguousarray(COLOURS[np.newaxis])).resize((room, _BAR_HEIGHT))
    canvas.paste(bar, (MARGIN, y))
    y += _BAR_HEIGHT + 2
    _write(draw, ["0"], y, font, line)
    draw.text((width - MARGIN - font.getlength(peak), y), peak, fill=(INK,) * 3, font=font)
    _write(draw, below, y + line + 2, font, line)
    return canvas


def _write(draw: ImageDraw.ImageDraw, lines: list[str], y: int, font: Font, line: int) -> int:
    for text in lines:
        draw.text((MARGIN, y), text, fill=(INK,) * 3, font=font)
        y += line
    return y


def _wrapped(text: str, font: Font, room: int) -> list[str]:
    """Break a text between words so that every line fits; not at a space that keeps a number and its unit together."""
    lines = [""]
    for word in text.split(" "):
        shown = word.replace("\N{NO-BREAK SPACE}", " ")  # the font has no such letter
        longer = f"{lines[-1]} {shown}".strip()
        if lines[-1] and font.getlength(longer) > room:
            lines.append(shown)
        else:
            lines[-1] = longer
    return lines
