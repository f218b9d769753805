"""What the shipped bundle's fold models promise on patients they have not seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from tumorscope.evaluation.coverage import coverage_levels
from tumorscope.evaluation.predictions import PredictionTable, read_predictions
from tumorscope.evaluation.reliability import calibration_part

RECORD = Path(__file__).parents[2] / "records" / "efficientnet-lite2-closer"


@pytest.fixture(scope="module")
def table() -> PredictionTable:
    return read_predictions(RECORD)


def test_the_calibration_error_is_at_most_two_points(table: PredictionTable) -> None:
    part = calibration_part(table)
    assert part.ece.value <= 0.02
    assert part.ece.value <= part.ece_raw.value
    assert sum(one.images for one in part.bins) == len(table)


def test_sets_of_95_per_cent_keep_their_promise_and_stay_small(table: PredictionTable) -> None:
    levels = coverage_levels(table, method=calibration_part(table).method)
    (found,) = (part for part in levels if part.level == 0.95)
    for key, part in found.classes.items():
        assert part.supported, key
        assert part.covered.low <= 0.95 <= part.covered.high, key
    assert found.mean_size.value <= 1.2
    # 49 and 60 groups cannot promise 99 %: the class is in every set, and that is said.
    highest = levels[-1]
    unsupported = {key for key, part in highest.classes.items() if not part.supported}
    assert unsupported == {"glioma", "pituitary"}
    assert all(highest.classes[key].covered.value == 1.0 for key in unsupported)
