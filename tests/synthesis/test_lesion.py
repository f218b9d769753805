"""Lesions keep to the tissue, leave the rest alone and report their box."""

from __future__ import annotations

import numpy as np
import pytest

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.core.labels import Diagnosis
from tumorscope.synthesis.lesion import Blob, Lesion, draw_lesion

TUMOURS = [Diagnosis.GLIOMA, Diagnosis.MENINGIOMA, Diagnosis.PITUITARY]


@pytest.mark.parametrize("diagnosis", TUMOURS)
def test_a_lesion_changes_the_tissue_around_it_and_nothing_else(diagnosis: Diagnosis) -> None:
    image = np.full((100, 120), 0.5)
    tissue = np.zeros(image.shape)
    tissue[20:80, 20:100] = 1.0
    lesion = draw_lesion(image, diagnosis, (50.0, 30.0), 12.0, np.random.default_rng(1), tissue=tissue)
    assert (image == 0.5).all()
    assert (lesion.image[tissue == 0] == 0.5).all()
    assert lesion.mask[50, 30]
    assert not lesion.mask[tissue == 0].any()
    assert (lesion.image[:, 80:] == 0.5).all()
    assert lesion.image.min() >= 0.0
    assert lesion.image.max() <= 1.0


def test_a_glioma_has_a_dark_core_in_a_bright_ring_and_a_meningioma_is_even() -> None:
    image = np.full((128, 128), 0.5)
    glioma = draw_lesion(image, Diagnosis.GLIOMA, (64.0, 64.0), 24.0, np.random.default_rng(2))
    assert glioma.image[64, 64] < 0.4
    assert glioma.image[glioma.mask].max() > 0.75
    outside = ~glioma.mask
    assert glioma.image[outside].min() < 0.35  # oedema
    meningioma = draw_lesion(image, Diagnosis.MENINGIOMA, (64.0, 64.0), 24.0, np.random.default_rng(2))
    core = meningioma.image[56:72, 56:72]
    assert core.min() > 0.75
    assert core.std() < 0.03


def test_the_box_is_tight() -> None:
    mask = np.zeros((10, 20), dtype=bool)
    mask[2:4, 5:15] = True
    assert Lesion(np.zeros(mask.shape), mask).box() == pytest.approx((0.5, 0.3, 0.5, 0.2))


def test_a_circle_has_the_radius_it_was_given() -> None:
    circle = Blob(32.0, 32.0, 10.0, np.zeros(5), np.zeros(5))
    depth = circle.depth((64, 64))
    assert depth[32, 32] == pytest.approx(10.0)
    assert depth[32, 42] == pytest.approx(0.0)
    assert (depth > 0).sum() == pytest.approx(np.pi * 100, rel=0.05)


@pytest.mark.parametrize(
    ("diagnosis", "radius", "centre", "message"),
    [
        (Diagnosis.NOTUMOR, 8.0, (20.0, 20.0), "notumor lesion"),
        (Diagnosis.GLIOMA, 1.0, (20.0, 20.0), "radius 1"),
        (Diagnosis.GLIOMA, 4.0, (500.0, 20.0), "outside the tissue"),
    ],
)
def test_what_cannot_be_drawn_is_named(
    diagnosis: Diagnosis, radius: float, centre: tuple[float, float], message: str
) -> None:
    with pytest.raises(InvalidConfiguration, match=message):
        draw_lesion(np.full((40, 40), 0.5), diagnosis, centre, radius, np.random.default_rng(0))
