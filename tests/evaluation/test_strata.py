"""Strata are those parts of the images, measured as they would be alone; small ones are named, not measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, recall_score

from evaluation_cases import made_table
from tumorscope.core.errors import InvalidManifest
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.evaluation.strata import UNKNOWN, image_sizes, measure_strata, tumour_sizes


def test_a_stratum_is_measured_as_it_would_be_alone() -> None:
    table = made_table(1, groups=140)
    number = np.array([int(group.partition(":")[2]) for group in table.groups])
    column = np.where(number < 100, "figshare", np.where(number < 130, "sartaj", UNKNOWN))
    found = measure_strata(table, {"source": column}, resamples=200)
    assert [(part.by, part.key, part.groups) for part in found.measured] == [
        ("source", "figshare", 100),
        ("source", "sartaj", 30),
    ]
    named = ", ".join(found.notes)
    for part in found.measured:
        rows = column == part.key
        truth, said = table.labels[rows], table.logits[rows].argmax(axis=1)
        weights = table.weights[rows]
        assert part.images == rows.sum()
        assert part.figures["accuracy"].value == pytest.approx(
            accuracy_score(truth, said, sample_weight=weights)
        )
        for k, key in enumerate(CLASS_ORDER):
            groups = len(np.unique(table.groups[rows & (table.labels == k)]))
            name = f"sensitivity_{key.value}"
            assert (name in part.figures) == (groups >= 10)
            assert (f"{key.value} of {part.key} ({groups})" in named) == (groups < 10)
            if groups >= 10:
                assert part.figures[name].value == pytest.approx(
                    recall_score(truth == k, said == k, sample_weight=weights)
                )
        assert part.figures["accuracy"].low < part.figures["accuracy"].value


def test_fewer_than_ten_groups_are_said_and_left_out() -> None:
    table = made_table(2, groups=40)
    number = np.array([int(group.partition(":")[2]) for group in table.groups])
    column = np.where(number < 9, "coronal", np.where(number < 19, "sagittal", "axial"))
    found = measure_strata(table, {"plane": column, "contrast-style": column}, resamples=50)
    assert [(part.by, part.key) for part in found.measured] == [
        ("plane", "axial"),
        ("plane", "sagittal"),  # ten are enough
        ("contrast-style", "axial"),
        ("contrast-style", "sagittal"),
    ]
    assert found.notes[0].startswith(
        "By plane not measured, with fewer than 10 groups (how many in brackets): "
    )
    assert "coronal (9)" in found.notes[0]
    assert len(found.notes) == 2


def test_a_column_of_another_length_is_refused() -> None:
    with pytest.raises(InvalidManifest, match="1 values of plane"):
        measure_strata(made_table(), {"plane": np.array(["axial"])})


def test_image_sizes_go_by_the_short_side() -> None:
    found = image_sizes(np.array([256, 300, 257, 512, 1024, 0]), np.array([900, 200, 257, 600, 513, 0]))
    assert found.tolist() == [
        "up to 256 pixels",
        "up to 256 pixels",
        "257 to 512 pixels",
        "257 to 512 pixels",
        "above 512 pixels",
        UNKNOWN,
    ]


def test_tumour_sizes_are_thirds_of_the_slices_and_copies_stay_together() -> None:
    rng = np.random.default_rng(0)
    area = rng.permutation(np.arange(1, 31) / 1000.0)
    slices = np.array([f"s{i}" for i in range(30)])
    # One slice has fifty copies: the thirds must not move towards it.
    areas = np.concatenate([area, np.full(50, area[0] + 1e-6), [np.nan, np.nan]])
    ids = np.concatenate([slices, np.full(50, "s0"), ["h1", "h2"]])
    found = tumour_sizes(areas, ids)
    names, counts = np.unique(found[:30], return_counts=True)
    assert counts.tolist() == [10, 10, 10]
    assert sorted(names) == [
        "largest third (above 2.0% of the image)",
        "middle third (1.1% to 2.0% of the image)",
        "smallest third (up to 1.1% of the image)",
    ]
    assert (found[30:80] == found[0]).all()
    assert (found[80:] == UNKNOWN).all()
    assert area[found[:30] == names[2]].max() < area[found[:30] == names[1]].min()


def test_no_box_at_all_is_no_stratum() -> None:
    found = tumour_sizes(np.full(3, np.nan), np.array(["a", "b", "c"]))
    assert (found == UNKNOWN).all()


def test_a_stratum_without_mistakes_is_not_called_certain() -> None:
    table = made_table(3, groups=60)
    perfect = replace(table, logits=9.0 * np.eye(4)[table.labels])
    (part,) = measure_strata(perfect, {"plane": np.full(len(table), "axial")}, resamples=20).measured
    accuracy = part.figures["accuracy"]
    assert [accuracy.value, accuracy.high] == [1.0, 1.0]
    assert accuracy.low == pytest.approx(0.025 ** (1 / 60))
