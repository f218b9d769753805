"""Figures of a run say which images of the data set are in none of them, and why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.dataset.manifest import Part
from tumorscope.evaluation.left_out import left_out_notes


def test_each_part_is_counted_with_its_reason(tmp_path: Path) -> None:
    assert left_out_notes(tmp_path) == ()
    record = tmp_path / "data.json"
    record.write_text(json.dumps({"left_out": {"test": 1, "excluded": 1280}}))
    excluded, test = left_out_notes(tmp_path)
    assert excluded.startswith(
        "1,280 images of the data set are in no fold and in no figure (part excluded): "
    )
    assert Part.EXCLUDED.reason in excluded
    assert test == f"1 image of the data set is in no fold and in no figure (part test): {Part.TEST.reason}."


@pytest.mark.parametrize("content", ["{}", '{"left_out": {}}'])
def test_nothing_left_out_is_not_mentioned(tmp_path: Path, content: str) -> None:
    (tmp_path / "data.json").write_text(content)
    assert left_out_notes(tmp_path) == ()


@pytest.mark.parametrize("content", ["{", "[]", '{"left_out": 3}', '{"left_out": {"upper": 1}}'])
def test_a_damaged_record_is_said_to_be_one(tmp_path: Path, content: str) -> None:
    (tmp_path / "data.json").write_text(content)
    with pytest.raises(InvalidConfiguration, match="damaged; train again"):
        left_out_notes(tmp_path)
