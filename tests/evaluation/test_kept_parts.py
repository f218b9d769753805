"""A pass that is finished is not made again, unless what it hangs on has changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tumorscope.assessment.examinee import Examinee, examinee_of_bundle
from tumorscope.assessment.kept_parts import NAME
from tumorscope.assessment.passes import Pass, run_passes
from tumorscope.dataset.manifest import Manifest
from tumorscope.dataset.manifest_file import read_manifest
from tumorscope.evaluation.report import Parts
from tumorscope.inference.classifier import load
from tumorscope.synthesis.phantom import write_phantoms

PASSES = (Pass.SHORTCUT, Pass.EXPLANATION)


@pytest.fixture
def examinee(bundle_path: Path, tmp_path: Path) -> Examinee:
    for _ in write_phantoms(tmp_path / "phantoms", 16, size=64):
        pass
    return examinee_of_bundle(load(bundle_path), read_manifest(tmp_path / "phantoms"), bundle_path)


class Asked(Exception):
    """The model was asked."""


def _refuse(*_arguments: Any) -> Any:
    raise Asked


def _run(examinee: Examinee, folder: Path, limit: int = 8) -> Parts:
    return run_passes(
        Parts(), examinee, PASSES, folder=folder, limit=limit, begin=lambda _title: lambda _done, _total: None
    )[0]


def _silent(examinee: Examinee) -> Examinee:
    """Whoever asks it again is found out."""
    return replace(
        examinee, answer=_refuse, held_out=[replace(part, run=_refuse) for part in examinee.held_out]
    )


def test_what_is_finished_is_taken_from_the_file(examinee: Examinee, tmp_path: Path) -> None:
    made = _run(examinee, tmp_path)
    assert made.shortcut is not None
    assert made.explanation is not None
    assert _run(_silent(examinee), tmp_path) == made
    content = (tmp_path / NAME).read_text()
    for changed in (content[:-40], content.replace('"images":', '"pictures":'), "[]", ""):
        (tmp_path / NAME).write_text(changed)
        with pytest.raises(Asked):
            _run(_silent(examinee), tmp_path)


def test_another_limit_other_boxes_or_another_model_are_measured_anew(
    examinee: Examinee, tmp_path: Path
) -> None:
    _run(examinee, tmp_path)
    silent = _silent(examinee)
    bare = Manifest(tuple(replace(row, box=None) for row in silent.images), silent.images.root)
    for other, limit in ((silent, 12), (replace(silent, images=bare), 8), (replace(silent, key=("b",)), 8)):
        with pytest.raises(Asked):
            _run(other, tmp_path, limit)


def test_only_the_pass_that_was_cut_off_is_made_again(examinee: Examinee, tmp_path: Path) -> None:
    # The explanation asks the sessions, the shortcut test the answer: the second is stopped.
    with pytest.raises(Asked):
        _run(replace(examinee, answer=_refuse), tmp_path)
    again = _run(replace(_silent(examinee), answer=examinee.answer), tmp_path)
    assert again.explanation is not None
    assert again.shortcut is not None
