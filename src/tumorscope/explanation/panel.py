"""The picture of an explanation: the slice, the evidence over it, the probabilities and the verdict.

Owns the layout. Colours, legend and notice are those of :mod:`tumorscope.explanation.overlay`. The slice stands alone
on the left, because a map hides what it lies on; the line on the right goes around the map's hottest region.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from tumorscope.core.labels import CLASS_ORDER, Diagnosis
from tumorscope.core.prediction import Prediction
from tumorscope.core.slice import Slice
from tumorscope.explanation.heatmap import HOT, evidence_for, hottest, strength
from tumorscope.explanation.overlay import (
    INK,
    MARGIN,
    PAPER,
    blended,
    grayscale,
    text_font,
    with_legend,
)
from tumorscope.preprocess import find_head

__all__ = ["CONTOUR", "outline", "panel"]

_Kind = TypeVar("_Kind", np.uint8, np.bool_)

CONTOUR = (64, 224, 255)
"""RGB of the line, which no strength of evidence has."""

_LEAST_SIDE = 400
_GAP = 4
_BAR = (96, 160, 220)
_TRACK = (56, 56, 56)


def panel(image: Slice, prediction: Prediction, diagnosis: Diagnosis | None = None) -> Image.Image:
    """Draw a slice beside the evidence for a class.

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
        RGB. The slice on the left and its map with the outline of the hottest region on the right, both at the
        slice's own resolution or a whole multiple of it; below, the probabilities, the verdict and the legend.

    Raises
    ------
    InvalidConfiguration
        If the prediction holds no heat-map.
    """
    shown = diagnosis or prediction.diagnosis
    evidence = evidence_for(prediction, shown)
    scaled, peak = strength(evidence)
    found = hottest(evidence)
    factor = -(-_LEAST_SIDE // min(image.shape)) if min(image.shape) < _LEAST_SIDE else 1
    gray = grayscale(image)
    plain = _enlarged(np.repeat(gray[..., np.newaxis], 3, axis=2), factor)
    over = _enlarged(blended(gray, scaled), factor)
    if found is not None:
        over[outline(_enlarged(found.region & _within_head(image.pixels), factor))] = CONTOUR
    gap = np.full((plain.shape[0], _GAP, 3), PAPER, dtype=np.uint8)
    pictures = Image.fromarray(np.concatenate([plain, gap, over], axis=1))
    return with_legend(
        _with_probabilities(pictures, prediction), _title(prediction, shown), _scale(peak), prediction.model
    )


def outline(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pixels of a region that touch a pixel outside of it (side by side), or the border of the image."""
    padded = np.pad(region, 1)
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return np.asarray(region & ~inner)


def _within_head(pixels: NDArray[Any]) -> NDArray[np.bool_]:
    """The head and what it encloses in its row and its column; a map goes on level to the edge of the head's box.

    Bright is what is above a tenth of the head's range, so that the line ends where the head does.
    """
    frame = find_head(pixels)
    box = np.s_[frame.top : frame.top + frame.height, frame.left : frame.left + frame.width]
    bright = np.zeros(pixels.shape, dtype=np.bool_)
    bright[box] = pixels[box] > frame.low + 0.1 * (frame.high - frame.low)
    found = np.ones_like(bright)
    for axis in (0, 1):
        before = np.logical_or.accumulate(bright, axis=axis)
        behind = np.flip(np.logical_or.accumulate(np.flip(bright, axis), axis=axis), axis)
        found &= before & behind
    return found


def _enlarged(pixels: NDArray[_Kind], factor: int) -> NDArray[_Kind]:
    return pixels.repeat(factor, axis=0).repeat(factor, axis=1)


def _title(prediction: Prediction, shown: Diagnosis) -> str:
    members = ", ".join(key.label for key in prediction.prediction_set) or "no class"
    return (
        f"{prediction.verdict}: {prediction.diagnosis.label}; "
        f"{100 * prediction.coverage:g}\N{NO-BREAK SPACE}% prediction set: {members}. "
        f"Evidence for {shown.label}; the line: at least {100 * HOT:g}\N{NO-BREAK SPACE}% of the strongest."
    )


def _scale(peak: float) -> str:
    return f"{peak:.3g}" if peak else "none"


def _with_probabilities(pictures: Image.Image, prediction: Prediction) -> Image.Image:
    font = text_font(pictures.width // 55)
    line = int(font.getbbox("Ag")[3]) + 4
    canvas = Image.new(
        "RGB", (pictures.width, pictures.height + MARGIN + line * len(CLASS_ORDER)), (PAPER,) * 3
    )
    canvas.paste(pictures, (0, 0))
    draw = ImageDraw.Draw(canvas)
    left = 2 * MARGIN + int(max(font.getlength(key.label) for key in CLASS_ORDER))
    right = canvas.width - 2 * MARGIN - int(font.getlength("0.00"))
    for number, key in enumerate(CLASS_ORDER):
        probability = float(prediction.probabilities[key.position])
        y = pictures.height + MARGIN + number * line
        draw.text((MARGIN, y), key.label, fill=(INK,) * 3, font=font)
        draw.rectangle((left, y + 3, right, y + line - 5), fill=_TRACK)
        if (length := round(probability * (right - left))) > 0:
            draw.rectangle((left, y + 3, left + length, y + line - 5), fill=_BAR)
        draw.text((right + MARGIN, y), f"{probability:.2f}", fill=(INK,) * 3, font=font)
    return canvas
