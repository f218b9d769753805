"""A label speaks of one slice: a file with several, or with none, is no training image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tumorscope.core.errors import UnsupportedImage
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.dataset.load import load_input
from tumorscope.preprocess import preprocess
from tumorscope.synthesis.phantom import make_phantom


def test_one_slice_is_preprocessed(tmp_path: Path) -> None:
    pixels = make_phantom(CLASS_ORDER[0], 1, size=64).pixels
    Image.fromarray(pixels).save(tmp_path / "one.png")
    np.testing.assert_array_equal(load_input(tmp_path / "one.png", 32), preprocess(pixels, 32))


def test_several_slices_are_refused(tmp_path: Path) -> None:
    pages = [Image.fromarray(make_phantom(key, 1, size=64).pixels) for key in CLASS_ORDER]
    pages[0].save(tmp_path / "many.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(UnsupportedImage, match="holds 4 slices and its label speaks of one"):
        load_input(tmp_path / "many.tif", 32)
