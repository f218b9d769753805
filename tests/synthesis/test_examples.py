"""The shipped examples are what their script makes, small, readable and without identity."""

from __future__ import annotations

import gzip
import io
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from PIL import Image

from tumorscope.preprocess import preprocess
from tumorscope.reading.open import open_slices

_NIBABEL: Any = nibabel  # its types are incomplete
EXAMPLES = Path(__file__).parents[2] / "examples"
IDENTITY = {"PatientName", "PatientID", "PatientBirthDate", "ReferringPhysicianName", "AccessionNumber"}


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    """The script that makes the examples, as a module."""
    spec = spec_from_file_location("make_examples", EXAMPLES / "make_examples.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def made(maker: ModuleType) -> dict[str, bytes]:
    """Every example made again."""
    files: dict[str, bytes] = maker.build()
    return files


def _shipped() -> set[str]:
    return {path.name for path in EXAMPLES.iterdir() if path.suffix in {".png", ".dcm", ".gz"}}


def test_no_example_is_missing_or_left_over(made: dict[str, bytes]) -> None:
    assert _shipped() == set(made)
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for name in made:
        assert f"`{name}`" in text
        assert (EXAMPLES / name).stat().st_size < 200_000
    assert "1993-2004 Louis Collins, McConnell Brain Imaging Centre" in text


def test_pictures_are_what_the_script_makes(made: dict[str, bytes]) -> None:
    """Pixels within one gray level (libraries of other versions round differently), not compressed bytes."""
    names = [name for name in made if name.endswith(".png")]
    assert len(names) >= 4
    for name in names:
        fresh = np.asarray(Image.open(io.BytesIO(made[name]))).astype(int)
        shipped = np.asarray(Image.open(EXAMPLES / name)).astype(int)
        assert shipped.shape == (256, 256)
        assert np.abs(fresh - shipped).max() <= 1, name


def test_the_volume_is_what_the_script_makes(made: dict[str, bytes]) -> None:
    name = "healthy-volume.nii.gz"
    fresh = _NIBABEL.Nifti1Image.from_bytes(gzip.decompress(made[name]))
    shipped = _NIBABEL.load(EXAMPLES / name)
    np.testing.assert_array_equal(np.asanyarray(shipped.dataobj), np.asanyarray(fresh.dataobj))
    np.testing.assert_array_equal(shipped.affine, fresh.affine)
    assert _NIBABEL.aff2axcodes(shipped.affine) == ("R", "A", "S")
    np.testing.assert_allclose(shipped.header.get_zooms(), [2, 2, 6])


def test_the_dicom_file_is_what_the_script_makes_and_names_nobody(made: dict[str, bytes]) -> None:
    name = "synthetic-glioma-axial.dcm"
    fresh = pydicom.dcmread(io.BytesIO(made[name]))
    shipped = pydicom.dcmread(EXAMPLES / name)
    assert np.abs(shipped.pixel_array.astype(int) - fresh.pixel_array).max() <= 16
    assert shipped.SOPInstanceUID == fresh.SOPInstanceUID
    for keyword in IDENTITY:
        assert not str(shipped.get(keyword, ""))
    picture = np.asarray(Image.open(EXAMPLES / name.replace(".dcm", ".png")))
    assert np.abs(shipped.pixel_array / 4095 - picture / 255).max() < 0.003


def test_a_lesion_is_drawn_in_where_the_name_says_so_only() -> None:
    healthy = np.asarray(Image.open(EXAMPLES / "healthy-axial.png")).astype(int)
    glioma = np.asarray(Image.open(EXAMPLES / "synthetic-glioma-axial.png")).astype(int)
    inside = np.zeros(healthy.shape, dtype=bool)
    inside[40:180, 100:210] = True
    changed = np.abs(healthy - glioma) > 40
    assert changed[inside].sum() > 500
    assert not changed[~inside].any()


@pytest.mark.parametrize("name", sorted(_shipped()))
def test_every_example_is_read_and_preprocessed(name: str) -> None:
    slices = list(open_slices(EXAMPLES / name))
    assert len(slices) == (12 if name.endswith(".gz") else 1)
    for image in slices:
        assert preprocess(image, 64).std() > 20
