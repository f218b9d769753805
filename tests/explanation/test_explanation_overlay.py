"""The evidence as numbers and as a picture."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from bundle_factory import class_image
from tumorscope import load
from tumorscope.core.errors import InvalidConfiguration
from tumorscope.core.labels import Diagnosis
from tumorscope.core.prediction import NOTICE, Prediction
from tumorscope.core.slice import Slice
from tumorscope.explanation.heatmap import evidence_for, strength
from tumorscope.explanation.overlay import COLOURS, overlay, overlay_png


def explained(path: Path, pixels: NDArray[Any]) -> tuple[Slice, Prediction]:
    image = Slice(pixels)
    return image, load(path, threads=1).predict(image, heatmap=True)


def lightness(colours: NDArray[Any]) -> NDArray[np.float64]:
    """CIE 1976 L* of sRGB colours (IEC 61966-2-1)."""
    linear = np.where(colours <= 10.31475, colours / 3294.6, ((colours / 255 + 0.055) / 1.055) ** 2.4)
    luminance: NDArray[np.float64] = linear @ np.array([0.2126, 0.7152, 0.0722])
    return 116 * np.cbrt(luminance) - 16


def test_colours_get_steadily_lighter() -> None:
    assert COLOURS.shape == (256, 3)
    steps = np.diff(lightness(COLOURS.astype(np.float64)))
    assert steps.min() >= 0
    assert lightness(COLOURS[[0, -1]].astype(np.float64)) == pytest.approx([15, 93], abs=5)


@pytest.mark.parametrize("side", [40, 96, 501, 1000])
def test_the_slice_is_shown_at_its_own_resolution(bundle_path: Path, side: int) -> None:
    pixels = class_image(1, side)
    image, answer = explained(bundle_path, pixels)
    picture = Image.open(BytesIO(overlay_png(image, answer)))
    assert picture.mode == "RGB"
    assert picture.width == max(pixels.shape[1], 320)
    assert picture.height > pixels.shape[0] + 40, "a legend stands below"
    shown = np.asarray(picture)[: pixels.shape[0], : pixels.shape[1]].astype(int)
    evidence = evidence_for(answer)
    untouched = evidence <= 0
    assert untouched.sum() > 100
    np.testing.assert_array_equal(shown[untouched], np.repeat(pixels[untouched][:, None], 3, axis=1))
    row, column = np.unravel_index(evidence.argmax(), pixels.shape)
    strongest = shown[row, column]
    assert strongest[2] < strongest[0], "yellow, over what was gray"
    below = np.asarray(picture)[pixels.shape[0] :]
    assert (below == COLOURS[0]).all(axis=2).any(), "the bar begins with the first colour"
    assert (below == COLOURS[255]).all(axis=2).any(), "and ends with the last"
    assert (below.min(axis=2) > 200).sum() > 200, "text is written"


def test_the_notice_and_nothing_of_the_file_travels_in_the_picture(bundle_path: Path) -> None:
    image, answer = explained(bundle_path, class_image(0))
    picture = Image.open(BytesIO(overlay_png(image, answer)))
    assert picture.info == {"Software": "tumorscope", "Disclaimer": NOTICE}


def test_another_class_can_be_shown(bundle_path: Path) -> None:
    image, answer = explained(bundle_path, class_image(0))
    top, other = overlay(image, answer), overlay(image, answer, Diagnosis.PITUITARY)
    assert not np.array_equal(np.asarray(top), np.asarray(other))
    np.testing.assert_array_equal(evidence_for(answer), evidence_for(answer, Diagnosis.GLIOMA))


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float32])
def test_deep_pixels_are_shown_between_black_and_the_bright_end_of_the_head(
    bundle_path: Path, dtype: type[Any]
) -> None:
    pixels = class_image(2).astype(dtype) * dtype(3)
    image, answer = explained(bundle_path, pixels)
    shown = np.asarray(overlay(image, answer)).astype(int)
    assert shown[0, 0].tolist() == [0, 0, 0]
    assert shown[: pixels.shape[0], : pixels.shape[1]].max() > 200


def test_strength_is_between_nothing_and_the_peak() -> None:
    scaled, peak = strength(np.array([[-3.0, 0.0, 1.0, 4.0]], dtype=np.float32))
    np.testing.assert_array_equal(scaled, [[0, 0, 0.25, 1]])
    assert peak == 4.0
    scaled, peak = strength(np.array([[-3.0, -1.0]], dtype=np.float32))
    assert (scaled.max(), peak) == (0.0, 0.0)


def test_a_prediction_without_maps_says_how_to_get_them(bundle_path: Path) -> None:
    answer = load(bundle_path, threads=1).predict(class_image(0))
    with pytest.raises(InvalidConfiguration, match="heatmap=True"):
        evidence_for(answer)
