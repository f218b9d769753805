"""What a trial is measured on: whole groups that it has not seen, and nothing of a test protocol."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tumorscope.core.errors import InvalidConfiguration, InvalidManifest, LeakySplit
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.dataset.manifest import ImageRecord, Manifest, OfficialSplit, Part
from tumorscope.search.metric import measure
from tumorscope.search.options import Metric
from tumorscope.search.validation import Validation, search_data, split_inside


@pytest.fixture
def manifest() -> Manifest:
    """Four classes, ten patients each, three slices each, of which the last is a copy of the second."""
    rows = []
    for label in CLASS_ORDER:
        for patient in range(10):
            for image in range(3):
                name = f"{label.value}-{patient}-{image}"
                slice_id = f"{label.value}-{patient}-{min(image, 1)}"
                rows.append(
                    ImageRecord(
                        Path(f"/data/{name}.png"),
                        label,
                        group=f"{label.value}-{patient}",
                        slice_id=slice_id,
                        sha256=name.encode().hex().ljust(64, "0"),
                        fold=1 + patient % 3,
                    )
                )
    return Manifest(tuple(rows), Path("/data"))


@pytest.mark.parametrize(
    "validation",
    [Validation(), Validation(0.4, seed=3), Validation(folds=4), Validation(folds=3, subset=(3, 1))],
)
def test_groups_are_never_divided(manifest: Manifest, validation: Validation) -> None:
    groups = np.array([row.group for row in manifest])
    folds = split_inside(manifest, validation)
    assert len(folds) == len(validation.trained)
    for fold in folds:
        assert not set(groups[fold.learn]) & set(groups[fold.watch])
        assert sorted([*fold.learn, *fold.watch]) == list(range(len(manifest)))
        assert set(manifest.labels()[fold.watch]) == {0, 1, 2, 3}
    watched = np.concatenate([fold.watch for fold in folds])
    assert len(np.unique(watched)) == len(watched)
    if validation.folds and validation.subset is None:
        assert len(watched) == len(manifest)


@pytest.mark.parametrize(
    ("folds", "subset", "message"),
    [
        (None, (1,), "a subset of folds was given without their number; add --folds K"),
        (3, (4,), "the subset of folds is 4; different numbers from 1 to 3"),
        (3, (0, 1), "the subset of folds is 0,1"),
        (3, (1, 1), "the subset of folds is 1,1"),
    ],
)
def test_a_wrong_subset_is_refused(folds: int | None, subset: tuple[int, ...], message: str) -> None:
    with pytest.raises(InvalidConfiguration, match=message):
        Validation(folds=folds, subset=subset)


class TestWhatIsNotLookedAt:
    def test_parts_official_testing_and_an_outer_fold(self, manifest: Manifest) -> None:
        rows = []
        for row in manifest:
            patient = int(row.group.split("-")[1])
            part = Part.TEST if patient == 0 else Part.EXCLUDED if patient == 1 else Part.TRAIN
            official = OfficialSplit.TESTING if patient == 2 else OfficialSplit.TRAINING
            rows.append(replace(row, part=part, official_split=official))
        data = search_data(Manifest(tuple(rows), manifest.root), without_fold=1)
        seen = {row.group.split("-")[1] for row in data.manifest}
        assert seen == {"4", "5", "7", "8"}  # 0, 3, 6 and 9 are in fold 1
        assert data.left_out == {
            "part excluded": 12,
            "part test": 12,
            "official Testing folder": 12,
            "fold 1": 36,
        }

    def test_nothing_is_left(self, manifest: Manifest) -> None:
        rows = tuple(replace(row, part=Part.TEST) for row in manifest)
        with pytest.raises(InvalidManifest, match="all 120 rows are of the parts test and excluded"):
            search_data(Manifest(rows, manifest.root))
        rows = tuple(replace(row, official_split=OfficialSplit.TESTING) for row in manifest)
        with pytest.raises(
            InvalidManifest, match="the 0 images that a search may see hold no glioma, mening"
        ):
            search_data(Manifest(rows, manifest.root))

    def test_a_patient_in_both_parts_is_refused(self, manifest: Manifest) -> None:
        rows = [replace(row, part=Part.TRAIN) for row in manifest]
        rows[0] = replace(rows[0], part=Part.TEST)
        with pytest.raises(LeakySplit, match="1 group"):
            search_data(Manifest(tuple(rows), manifest.root))

    def test_a_fold_that_is_not_there(self, manifest: Manifest) -> None:
        with pytest.raises(InvalidManifest, match="no row of the manifest is in fold 9"):
            search_data(manifest, without_fold=9)


class TestMeasure:
    LABELS = np.array([0, 1, 2, 3, 3])
    LOGITS = np.array([[2.0, 0, 0, 0], [0, 2, 0, 0], [0, 0, 2, 0], [2, 0, 0, 0], [2, 0, 0, 0]])

    def test_copies_count_once(self) -> None:
        weights = np.array([1, 1, 1, 0.5, 0.5])
        for metric in Metric:
            once = measure(metric, self.LABELS[:4], self.LOGITS[:4], np.ones(4))
            assert measure(metric, self.LABELS, self.LOGITS, weights) == pytest.approx(once)
            assert measure(metric, self.LABELS, self.LOGITS, np.ones(5)) != pytest.approx(once)

    def test_the_values_are_those_of_the_definitions(self) -> None:
        right, wrong = np.log(1 + 3 / np.e**2), np.log(np.e**2 + 3)
        assert measure(Metric.LOG_LOSS, self.LABELS[:4], self.LOGITS[:4], np.ones(4)) == pytest.approx(
            (3 * right + wrong) / 4
        )
        assert measure(Metric.MACRO_F1, self.LABELS[:4], self.LOGITS[:4], np.ones(4)) == pytest.approx(
            (2 / 3 + 1 + 1 + 0) / 4
        )
        assert (Metric.LOG_LOSS.direction, Metric.MACRO_F1.direction) == ("minimize", "maximize")
