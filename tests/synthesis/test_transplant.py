"""Filling takes a lesion away, pasting puts one in, and nothing else of the slice changes."""

from __future__ import annotations

import numpy as np
import pytest

from tumorscope.core.labels import Diagnosis
from tumorscope.synthesis.phantom import make_phantom
from tumorscope.synthesis.stresses import to_brightness
from tumorscope.synthesis.transplant import Blending, Ellipse, fill, paste


def test_a_filled_lesion_is_gone_and_the_rest_untouched() -> None:
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:120, :140] / 140.0
    tissue = 0.4 + 0.2 * rows + 0.1 * columns + rng.normal(0, 0.01, rows.shape)
    image = tissue.copy()
    ellipse = Ellipse(60.0, 80.0, 15.0, 20.0)
    inside = ellipse.radius((120, 140)) < 1.0
    image[inside & (ellipse.radius((120, 140)) < 0.9)] = 1.0
    kept = image.copy()
    filled = fill(image, ellipse, np.random.default_rng(1))
    assert (image == kept).all()
    assert (filled[~inside] == image[~inside]).all()
    assert np.abs(filled - tissue)[inside].max() < 0.08
    # As rough as its surroundings, and not flat.
    assert 0.003 < (filled - tissue)[inside].std() < 0.03
    assert (fill(image, ellipse, np.random.default_rng(1)) == filled).all()


def test_a_linear_slope_is_continued_exactly() -> None:
    rows, columns = np.mgrid[:64, :64] / 64.0
    slope = 0.2 + 0.3 * rows + 0.4 * columns
    filled = fill(slope, Ellipse(32.0, 32.0, 12.0, 12.0), np.random.default_rng(0))
    assert np.abs(filled - slope).max() < 0.01


@pytest.mark.parametrize("blending", Blending)
def test_a_lesion_arrives_where_it_should_in_the_contrast_of_its_surroundings(blending: Blending) -> None:
    donor_phantom = make_phantom(Diagnosis.MENINGIOMA, 4, 200)
    donor, _ = to_brightness(donor_phantom.pixels)
    image = np.full((150, 160), 0.3) + np.random.default_rng(0).normal(0, 0.02, (150, 160))
    assert donor_phantom.box is not None
    source = Ellipse.of_box(donor_phantom.box, (200, 200))
    target = Ellipse(70.0, 80.0, 16.0, 18.0)
    made = paste(image, donor, source, target, blending)
    radius = target.radius((150, 160))
    assert (made[radius >= 1.0] == image[radius >= 1.0]).all()
    assert made[radius < 0.4].mean() > image.mean() + 0.02  # brighter than its surroundings, as in the donor
    assert made.min() >= 0.0


def test_an_ellipse_of_a_slice_pasted_onto_itself_changes_little() -> None:
    image, _ = to_brightness(make_phantom(Diagnosis.NOTUMOR, 3, 160).pixels)
    place = Ellipse(80.0, 80.0, 20.0, 20.0)
    for blending in Blending:
        assert np.abs(paste(image, image, place, place, blending) - image).max() < 1e-5
