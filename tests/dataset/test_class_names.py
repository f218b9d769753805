"""Which class a name stands for."""

from __future__ import annotations

import pytest

from tumorscope.core.errors import InvalidConfiguration, InvalidManifest
from tumorscope.core.labels import Diagnosis
from tumorscope.dataset.class_names import ClassNames


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("glioma", Diagnosis.GLIOMA),
        (" Glioma_Tumor ", Diagnosis.GLIOMA),
        ("meningioma tumour", Diagnosis.MENINGIOMA),
        ("no_tumor", Diagnosis.NOTUMOR),
        ("No Tumour", Diagnosis.NOTUMOR),
        ("notumor", Diagnosis.NOTUMOR),
        ("PITUITARY-TUMOR", Diagnosis.PITUITARY),
    ],
)
def test_spellings_of_the_field_are_known(name: str, label: Diagnosis) -> None:
    assert ClassNames().knows(name)
    assert ClassNames().diagnosis(name, "here") is label


@pytest.mark.parametrize("name", ["", "tumor", "no", "yes", "gliomas", "Training", "glioma2"])
def test_other_names_are_not(name: str) -> None:
    assert not ClassNames().knows(name)
    with pytest.raises(
        InvalidManifest, match=r"^here: label .* is unknown; labels are glioma, .* --map-label"
    ):
        ClassNames().diagnosis(name, "here")


def test_a_user_maps_names_in_any_case_and_may_override() -> None:
    names = ClassNames.parse(
        ["Astrocytoma=glioma", " yes = Meningioma", "x=SKIP", "x=skip", "glioma=skip", "a=b=c"][:5]
    )
    assert names.diagnosis("astrocytoma", "") is Diagnosis.GLIOMA
    assert names.diagnosis("YES", "") is Diagnosis.MENINGIOMA
    assert names.diagnosis("X", "") is None
    assert names.diagnosis("glioma", "") is None
    assert names.knows("x")


def test_names_that_nothing_had_are_told() -> None:
    names = ClassNames.parse(["astro=glioma", "Normal=notumor", "x=skip"])
    assert names.unmet() == ("astro", "normal", "x")
    assert names.knows("x")  # whether it could be used is not yet a use
    names.diagnosis(" NORMAL ", "")
    names.diagnosis("Glioma_Tumor", "")
    assert names.unmet() == ("astro", "x")
    assert names.met == {"NORMAL", "Glioma_Tumor"}
    assert ClassNames().met == set()


@pytest.mark.parametrize("setting", ["", "glioma", "=glioma", "x=", "x=tumor", "a=b=glioma", " =skip"])
def test_a_mapping_that_makes_no_sense_is_refused(setting: str) -> None:
    with pytest.raises(InvalidConfiguration, match="is not understood; write NAME=CLASS"):
        ClassNames.parse([setting])


def test_a_name_is_mapped_once() -> None:
    with pytest.raises(InvalidConfiguration, match="'X' is mapped to skip and to glioma; map it once"):
        ClassNames.parse(["x=skip", "X=glioma"])
