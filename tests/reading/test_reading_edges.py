"""Which side of the patient lies at each edge, and the values before a window: what a viewer needs of a file."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import nibabel
import numpy as np
import pytest

from reading_files import head_pixels, mr_dataset
from tumorscope.core.slice import Edges, Slice
from tumorscope.reading.dicom import read_dicom
from tumorscope.reading.nifti import read_nifti


def read(**attributes: Any) -> Slice:
    stream = BytesIO()
    mr_dataset(head_pixels(), 12, **attributes).save_as(stream, enforce_file_format=True)
    (image,) = read_dicom(stream.getvalue(), "a.dcm")
    return image


@pytest.mark.parametrize(
    ("orientation", "edges"),
    [
        ([1, 0, 0, 0, 1, 0], Edges("R", "L", "A", "P")),  # axial, as radiologists look at it
        ([-1, 0, 0, 0, 1, 0], Edges("L", "R", "A", "P")),  # mirrored
        ([1, 0, 0, 0, 0, -1], Edges("R", "L", "S", "I")),  # coronal
        ([0, 1, 0, 0, 0, -1], Edges("A", "P", "S", "I")),  # sagittal
        ([0.9, 0.1, 0.42, 0, 0.97, -0.23], Edges("R", "L", "A", "P")),  # oblique
        ([0, 0, 0, 0, 0, 0], None),
        ([0.8, 0.6, 0, 0.9, -0.436, 0], None),  # two directions that both run to the left
    ],
)
def test_edges_of_dicom(orientation: list[float], edges: Edges | None) -> None:
    assert read(ImageOrientationPatient=orientation).origin.edges == edges


def test_a_file_without_orientation_has_no_edges() -> None:
    assert read(ImageOrientationPatient=None).origin.edges is None


@pytest.mark.parametrize(
    ("zooms", "edges"),
    [
        ((1, 1, 3), Edges("R", "L", "A", "P")),
        ((1, 3, 1), Edges("R", "L", "S", "I")),
        ((3, 1, 1), Edges("A", "P", "S", "I")),
    ],
)
@pytest.mark.parametrize("mirrored", [False, True])
def test_edges_of_nifti_and_what_lies_there(
    zooms: tuple[int, int, int], edges: Edges, mirrored: bool
) -> None:
    volume = np.zeros((12, 14, 16), np.int16)
    volume[:3, :, :] = 1000  # the right of the patient, since the affine runs to the left
    volume[:, 11:, :] += 300  # anterior
    volume[:, :, 13:] += 100  # superior
    affine = np.diag([-float(zooms[0]), zooms[1], zooms[2], 1.0])
    if mirrored:
        volume, affine[1, 1] = volume[:, ::-1], -affine[1, 1]
    volume_image: Any = nibabel.Nifti1Image  # has no types
    image = list(read_nifti(bytes(volume_image(volume, affine).to_bytes()), "a.nii"))[2]
    assert image.origin.edges == edges
    bright = {"R": 1000, "A": 300, "S": 100}
    values = image.pixels.astype(float)
    ends = {
        edges.left: values[:, :2].mean(),
        edges.right: values[:, -2:].mean(),
        edges.top: values[:2].mean(),
        edges.bottom: values[-2:].mean(),
    }
    for letter, other in (("R", "L"), ("A", "P"), ("S", "I")):
        if letter in ends:
            assert ends[letter] - ends[other] == pytest.approx(bright[letter], abs=1)


def test_values_before_the_window_are_kept_beside_what_is_shown() -> None:
    image = read(WindowCenter=600, WindowWidth=400, RescaleSlope=2, RescaleIntercept=-10)
    assert image.value_range == (0.0, 1.0)
    stored = image.stored
    assert stored is not None
    assert (stored.slope, stored.intercept, stored.window) == (2.0, -10.0, (600.0, 400.0))
    assert np.array_equal(stored.pixels, head_pixels())


@pytest.mark.parametrize(
    ("attributes", "kept"),
    [
        ({}, False),
        ({"RescaleSlope": 2, "RescaleIntercept": -10}, False),  # the pixels are the values already
        ({"WindowCenter": 600, "WindowWidth": 400, "PhotometricInterpretation": "MONOCHROME1"}, True),
    ],
)
def test_only_a_window_leaves_something_behind(attributes: dict[str, Any], kept: bool) -> None:
    stored = read(**attributes).stored
    assert (stored is not None) == kept
    if stored is not None:
        assert (stored.slope, stored.window) == (-1.0, (-600.0, 400.0)), "larger is darker"


def test_a_window_that_shows_nothing_is_not_suggested() -> None:
    stored = read(WindowCenter=30000, WindowWidth=10).stored
    assert stored is not None
    assert stored.window is None
