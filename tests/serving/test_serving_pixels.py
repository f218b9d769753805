"""Pixels that travel: nothing of a file's depth is lost, so that a viewer's window is a real one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from serving_files import answered, dicom, head, png

from tumorscope.core.slice import Slice
from tumorscope.preprocess import find_head
from tumorscope.reading.open import open_slices
from tumorscope.serving.pixels import gray_of


def fetched(client: httpx.Client, one: dict[str, Any]) -> tuple[NDArray[np.uint16], dict[str, float]]:
    response = client.get(one["pixels"])
    names = ("Width", "Height", "Slope", "Intercept", "Window-Center", "Window-Width")
    told = {name: float(response.headers[f"Tumorscope-{name}"]) for name in names}
    stored = np.frombuffer(response.content, "<u2").reshape(int(told["Height"]), int(told["Width"]))
    return stored, told


def through(values: NDArray[np.floating[Any]], centre: float, width: float) -> NDArray[np.uint8]:
    """What a viewer does."""
    shown: NDArray[np.uint8] = np.clip((values - (centre - width / 2)) / width * 255, 0, 255).astype(np.uint8)
    return shown


def test_another_window_reveals_what_the_files_own_hides(client: httpx.Client) -> None:
    pixels = head(top=4000)
    file = dicom(pixels, WindowCenter=500, WindowWidth=200, RescaleSlope=2, RescaleIntercept=-100)
    (case,) = answered(client, ("a.dcm", file))["cases"]
    (one,) = case["slices"]
    stored, told = fetched(client, one)
    assert (
        (told["Window-Center"], told["Window-Width"])
        == (500, 200)
        == (one["window"]["center"], one["window"]["width"])
    )
    values = stored * told["Slope"] + told["Intercept"]
    assert np.array_equal(values, pixels * 2.0 - 100), "the modality values of the file, every step of them"
    bright = pixels > 3000  # far above the file's window, where it shows one white
    assert len(np.unique(through(values, 500, 200)[bright])) == 1
    assert len(np.unique(through(values, 7000, 1600)[bright])) > 50


def test_a_real_file_keeps_all_its_steps(client: httpx.Client, real_data: Path) -> None:
    path = sorted((real_data / "dicom-t1").glob("*.dcm"))[30]
    (image,) = open_slices(path)
    (case,) = answered(client, (path.name, path.read_bytes()))["cases"]
    stored, told = fetched(client, case["slices"][0])
    assert np.array_equal(stored * told["Slope"] + told["Intercept"], image.pixels.astype(np.float64))
    assert told["Window-Width"] > 10


def test_16_bit_png_keeps_all_its_steps(client: httpx.Client) -> None:
    pixels = head(top=60000)
    (case,) = answered(client, ("deep.png", png(pixels)))["cases"]
    stored, told = fetched(client, case["slices"][0])
    assert np.array_equal(stored, pixels)
    assert (told["Slope"], told["Intercept"]) == (1, 0)


def test_larger_is_darker_gives_a_negative_slope(client: httpx.Client) -> None:
    file = dicom(
        4000 - head(top=4000), PhotometricInterpretation="MONOCHROME1", WindowCenter=2000, WindowWidth=4000
    )
    (case,) = answered(client, ("a.dcm", file))["cases"]
    stored, told = fetched(client, case["slices"][0])
    assert told["Slope"] == -1
    shown = through(stored * told["Slope"] + told["Intercept"], told["Window-Center"], told["Window-Width"])
    assert shown[0, 0] < 5, "the air is black"
    assert shown.max() > 200


@pytest.mark.parametrize(
    ("values", "exact"),
    [
        (head().astype(np.uint8), True),
        (head(top=60000), True),
        (head(top=30000).astype(np.int16) - 1000, True),
        (head(top=60000).astype(np.int32) * 7000, False),
        (head(top=60000).astype(np.float32) * 1e-3 - 7, False),
    ],
)
def test_any_dtype_within_half_a_step(values: NDArray[Any], exact: bool) -> None:
    gray = gray_of(Slice(values), find_head(values))
    back = gray.pixels * np.float64(gray.slope) + gray.intercept
    span = float(values.max()) - float(values.min())
    assert np.abs(back - values).max() <= (0 if exact else 0.51 * span / 65535)
    shown = gray.shown()
    assert shown.dtype == np.uint8
    assert shown[0, 0] == 0
    assert shown.max() == (values.max() if values.dtype == np.uint8 else 255)
