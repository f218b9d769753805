"""The record of the study's models holds what its comparison speaks of."""

from __future__ import annotations

from pathlib import Path

import pytest

from tumorscope.evaluation.predictions import PREDICTIONS_NAME, read_predictions
from tumorscope.study.document import Comparison, read_comparison
from tumorscope.training.config_file import read_recorded
from tumorscope.training.history import read_history

RECORD = Path(__file__).parents[1] / "records" / "study"


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return read_comparison(RECORD)


def test_every_measured_run_keeps_its_settings_and_its_curves(comparison: Comparison) -> None:
    runs = {result.run for row in comparison.rows for result in row.results if result.run}
    assert len(runs) >= 4
    for run in runs:
        folder = RECORD / Path(run).relative_to("study")
        config = read_recorded(folder / "config.yaml")
        curves = sorted(folder.glob("**/metrics.csv"))
        assert curves, run
        for curve in curves:
            assert len(read_history(curve.parent)) == config.epochs, curve


def test_answers_of_folds_are_kept_without_what_leads_back_to_a_patient(comparison: Comparison) -> None:
    kept = sorted(RECORD.glob(f"runs/*/folds/{PREDICTIONS_NAME}"))
    measured = [
        row for row in comparison.rows for result in row.results if (result.run or "").endswith("folds")
    ]
    assert len(kept) == len(measured)
    for path in kept:
        table = read_predictions(path.parent)
        assert not any(table.hashes)
        assert "patient:" not in path.read_text(encoding="utf-8")
