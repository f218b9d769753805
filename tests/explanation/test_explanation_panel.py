"""The picture of an explanation: its line stays on the head, and its words stay apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from bundle_factory import class_image
from tumorscope import load
from tumorscope.core.labels import Diagnosis
from tumorscope.core.slice import Slice
from tumorscope.explanation.overlay import text_font
from tumorscope.explanation.panel import CONTOUR, panel
from tumorscope.synthesis.phantom import make_phantom


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_the_line_follows_the_head_where_the_map_goes_beyond(
    bundle_path: Path, dtype: type[np.generic]
) -> None:
    pixels = make_phantom(Diagnosis.GLIOMA, 5, 420).pixels.astype(dtype)
    image = Slice(pixels)
    answer = load(bundle_path, threads=1).predict(image, heatmap=True)
    level = replace(answer, heatmap=np.ones((4, *pixels.shape), dtype=np.float32))
    shown = np.asarray(panel(image, level))[: pixels.shape[0], pixels.shape[1] + 4 : 2 * pixels.shape[1] + 4]
    rows, columns = np.nonzero((shown == CONTOUR).all(axis=2))
    assert len(rows) > 500
    # Everywhere within two pixels of something bright, never along the straight edges of the box or the image.
    bright = pixels > 0.1 * np.percentile(pixels[pixels > 0], 99.5)
    padded = np.pad(bright, 2)
    near = np.zeros_like(bright)
    for y in range(5):
        for x in range(5):
            near |= padded[y : y + bright.shape[0], x : x + bright.shape[1]]
    assert near[rows, columns].mean() > 0.98
    assert max(np.bincount(rows).max(), np.bincount(columns).max()) < 0.4 * pixels.shape[0]


@pytest.mark.parametrize("size", [1, 11, 14, 20])
def test_words_stay_apart(size: int) -> None:
    canvas = Image.new("L", (400, 40))
    ImageDraw.Draw(canvas).text((5, 5), "no tumour", fill=255, font=text_font(size))
    inked = np.flatnonzero(np.asarray(canvas).max(axis=0) > 60)
    *_, second, widest = np.sort(np.diff(inked) - 1)
    assert widest >= 3
    assert widest >= 1.5 * second


def test_a_number_and_its_unit_stay_on_one_line(bundle_path: Path) -> None:
    """The title of a narrow picture is broken, and not before the sign of per cent."""
    from tumorscope.explanation.overlay import _wrapped

    image = Slice(class_image(2, 100))
    answer = load(bundle_path, threads=1).predict(image, heatmap=True)
    assert panel(image, answer).width >= 800
    for room in range(60, 400, 20):
        lines = _wrapped("the line: at least 50\N{NO-BREAK SPACE}% of the strongest", text_font(14), room)
        assert not any(line.startswith("%") for line in lines)
        assert " ".join(lines) == "the line: at least 50 % of the strongest"  # the font has no other space
