"""A result on made-up images says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tumorscope.core.errors import InvalidConfiguration
from tumorscope.core.labels import Diagnosis
from tumorscope.dataset.manifest import ImageRecord
from tumorscope.evaluation.synthetic import SYNTHETIC_NOTE, sources_of_run, synthetic_notes


@pytest.mark.parametrize(
    ("sources", "due"),
    [(["synthetic"], True), (["figshare", "synthetic"], True), (["figshare", None], False), ([], False)],
)
def test_one_made_up_image_is_enough(sources: list[str | None], due: bool) -> None:
    assert synthetic_notes(sources) == ((SYNTHETIC_NOTE,) if due else ())


def test_a_run_says_what_it_was_trained_on(tmp_path: Path) -> None:
    assert sources_of_run(tmp_path) == ()
    (tmp_path / "data.json").write_text(json.dumps({"sources": {"synthetic": 3, "own": 1}}))
    assert sources_of_run(tmp_path) == ("synthetic", "own")
    (tmp_path / "data.json").write_text("{")
    with pytest.raises(InvalidConfiguration, match="damaged; train again"):
        sources_of_run(tmp_path)


def test_made_up_patients_are_not_real_ones() -> None:
    row = ImageRecord(Path("a.png"), Diagnosis.GLIOMA, group="g", slice_id="s", sha256="0", patient="p")
    assert row.has_real_patient
    assert not ImageRecord(
        Path("a.png"), Diagnosis.GLIOMA, group="g", slice_id="s", sha256="0", patient="p", source="synthetic"
    ).has_real_patient
