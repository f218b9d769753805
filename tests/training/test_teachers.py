"""A student of a fold learns from teachers that have not seen the fold; all others are refused in one line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tiny_run import TINY, TinyRun
from tumorscope.cli.main import run
from tumorscope.core.errors import (
    InvalidConfiguration,
    LeakySplit,
    MissingInput,
    TrainedOnError,
    TumorscopeError,
)
from tumorscope.dataset.manifest import ImageRecord, Manifest, Part
from tumorscope.dataset.manifest_file import read_manifest, write_manifest
from tumorscope.evaluation.predictions import read_predictions, write_predictions
from tumorscope.inference.verify import verify
from tumorscope.training.folder import open_run
from tumorscope.training.forebear_record import record_forebears
from tumorscope.training.teachers import Teachers, open_teachers

FOLDS = (1, 2, 3, 4)


@pytest.fixture
def manifest(tiny_run: TinyRun) -> Manifest:
    return read_manifest(tiny_run.data)


@pytest.fixture
def teachers(tiny_run: TinyRun) -> Teachers:
    return _opened(tiny_run.out)


@pytest.fixture
def copy(tiny_run: TinyRun, tmp_path: Path) -> Path:
    """A teacher that a test may spoil."""
    out = tmp_path / "teacher"
    shutil.copytree(tiny_run.out, out)
    return out


def _opened(*paths: Path) -> Teachers:
    found = open_teachers(paths)
    assert found is not None
    return found


def _changed(manifest: Manifest, change: Callable[[int, ImageRecord], ImageRecord]) -> Manifest:
    return Manifest(tuple(change(k, row) for k, row in enumerate(manifest)), manifest.root)


def _refused(error: type[TumorscopeError], words: str, action: Callable[[], object]) -> None:
    with pytest.raises(error) as caught:
        action()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


class TestFolds:
    def test_the_folds_of_the_teacher_are_taken(self, teachers: Teachers, manifest: Manifest) -> None:
        teachers.check_folds(manifest, FOLDS)
        for number in FOLDS:
            held_out = {row.sha256[:8] for row in manifest if row.fold == number}
            learnt = {row.sha256[:8] for row in manifest if row.fold != number}
            assert teachers.seen(number) == learnt
            assert not teachers.seen(number) & held_out

    def test_a_teacher_that_has_seen_the_fold_is_refused(
        self, teachers: Teachers, manifest: Manifest
    ) -> None:
        turned = _changed(manifest, lambda _, row: replace(row, fold=(row.fold or 0) % 4 + 1))
        held_out = len({row.sha256 for row in turned if row.fold == 1})
        _refused(
            TrainedOnError,
            f"its model of fold 1 was made from {held_out} images of the {held_out}",
            lambda: teachers.check_folds(turned, FOLDS),
        )
        # One image is enough.
        first = next(k for k, row in enumerate(manifest) if row.fold == 1)
        one = _changed(manifest, lambda k, row: replace(row, fold=3) if k == first else row)
        _refused(TrainedOnError, "fold 3 was made from 1 images", lambda: teachers.check_folds(one, FOLDS))

    def test_one_that_has_seen_another_image_of_a_held_out_patient_is_refused(
        self, teachers: Teachers, manifest: Manifest
    ) -> None:
        """The student's data lacks an image that the teacher learnt from; its patient is held out."""
        lost = next(row for row in manifest if row.fold == 2)
        without = [k for k, row in enumerate(manifest) if row.sha256 != lost.sha256]
        teachers.check_folds(manifest.subset(without), FOLDS)
        number = next(number for number in FOLDS if number != lost.fold)
        kept = next(row for row in manifest if row.fold == number)
        tied = _changed(
            manifest.subset(without),
            lambda _, row: replace(row, group=lost.group) if row.group == kept.group else row,
        )
        _refused(
            TrainedOnError,
            f"its model of fold {number} was made from",
            lambda: teachers.check_folds(tied, FOLDS),
        )

    def test_images_of_which_nothing_is_known_are_refused(self, copy: Path, manifest: Manifest) -> None:
        seen = copy / "folds" / "2" / "seen.txt"
        seen.write_text(seen.read_text() + "0badcafe\n")
        _refused(
            TrainedOnError,
            "1 images that are not in this data, so nobody can say whether their patients are in fold 2",
            lambda: _opened(copy).check_folds(manifest, FOLDS),
        )

    def test_missing_models_and_leaky_folds_are_refused(self, copy: Path, manifest: Manifest) -> None:
        table = read_predictions(copy)
        write_predictions(replace(table, leaks={"patient": 2}), copy / "predictions.csv")
        _refused(LeakySplit, "2 patients", lambda: _opened(copy).check_folds(manifest, FOLDS))
        _opened(copy).check_folds(manifest, FOLDS, allow_leaks=True)
        write_predictions(table, copy / "predictions.csv")
        shutil.rmtree(copy / "folds" / "3")
        _refused(
            MissingInput,
            "no finished model that held fold 3 out",
            lambda: _opened(copy).check_folds(manifest, FOLDS),
        )
        _opened(copy).check_folds(manifest, (1, 2, 4))
        (copy / "predictions.csv").unlink()
        _refused(MissingInput, "has no fold models", lambda: _opened(copy).check_folds(manifest, FOLDS))


def test_no_teacher_may_have_seen_the_test_part(teachers: Teachers, manifest: Manifest) -> None:
    teachers.check_left_out(["0badcafe" * 8])
    _refused(
        TrainedOnError,
        "was made from 1 of the 2 images that the data leaves out",
        lambda: teachers.check_left_out(["0badcafe" * 8, manifest.records[5].sha256]),
    )


def test_what_is_no_teacher_is_refused(tiny_run: TinyRun, copy: Path, tmp_path: Path) -> None:
    assert open_teachers([]) is None
    _refused(InvalidConfiguration, "named twice", lambda: open_teachers([tiny_run.out, tiny_run.out]))
    _refused(MissingInput, "is not the folder of a training run", lambda: open_teachers([tmp_path]))
    (copy / "ensemble.json").write_text("{}")
    _refused(InvalidConfiguration, "name the runs that it was made of", lambda: open_teachers([copy]))
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(tiny_run.out / "config.yaml", bare)
    _refused(MissingInput, "has no finished fit", lambda: open_teachers([bare]))


def test_a_run_goes_on_with_the_same_teachers_only(teachers: Teachers, copy: Path) -> None:
    student = open_run(copy)
    record_forebears(student, "teacher", teachers.record(folds=[1, 2]))
    record_forebears(student, "teacher", teachers.record(folds=[1, 2, 3]))
    record_forebears(student, "teacher", teachers.record(folds=None))
    (known,) = student.data()["teachers"]
    assert list(known["weights"]) == ["final", "folds/1", "folds/2", "folds/3"]
    (other,) = teachers.record(folds=[1])
    other["weights"]["folds/1"] = "0" * 64
    _refused(
        InvalidConfiguration,
        "was made from other teachers",
        lambda: record_forebears(student, "teacher", [other]),
    )
    _refused(
        InvalidConfiguration, "was made from other teachers", lambda: record_forebears(student, "teacher", [])
    )


class TestStudent:
    """The student of the tiny run, by the real verb."""

    def test_it_is_a_run_like_any_other_that_names_its_teachers(
        self, student_run: Path, tiny_run: TinyRun
    ) -> None:
        config = open_run(student_run).config
        assert (config.distillation.weight, config.distillation.heatmap) == (0.7, 0.5)
        (teacher,) = json.loads((student_run / "data.json").read_text())["teachers"]
        assert (teacher["run"], teacher["recipe"]) == (tiny_run.out.name, "efficientnet-lite0")
        assert list(teacher["weights"]) == ["final", "folds/1", "folds/2", "folds/3", "folds/4"]
        for part, names in (("folds/2", {"folds/2"}), (".", {"final"})):
            card = verify((student_run / part / "bundle.onnx").read_bytes(), "bundle")
            assert {f"{tiny_run.out.name}/{name}" for name in names} == {t.name for t in card.teachers}
            assert {t.sha256 for t in card.teachers} == {teacher["weights"][name] for name in names}
        assert np.asarray(read_predictions(student_run).folds).tolist() == [
            row.fold for row in read_manifest(tiny_run.data)
        ]

    def test_a_teacher_that_has_seen_the_fold_is_refused_before_anything_is_written(
        self, tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out, data = tmp_path / "student", tmp_path / "turned.csv"
        rows = [replace(row, fold=(row.fold or 0) % 4 + 1) for row in read_manifest(tiny_run.data)]
        write_manifest(Manifest(tuple(rows), tmp_path), data)
        command = ["train", "--data", str(data), "--out", str(out), *TINY, "--teacher", str(tiny_run.out)]
        assert run([*command, "--folds"]) == 2
        errors = capsys.readouterr().err
        assert "was trained on other folds than this data has: its model of fold 1" in errors
        assert errors.count("\n") == 1
        assert run(command) == 2
        assert "make its folds with --folds first" in capsys.readouterr().err
        rows = [replace(row, part=Part.TEST if k < 9 else Part.TRAIN) for k, row in enumerate(rows)]
        write_manifest(Manifest(tuple(rows), tmp_path), data)
        assert run([*command, "--folds", "--allow-leaks"]) == 2
        lost = len({row.sha256 for row in rows[:9]})
        assert (
            f"was made from {lost} of the {lost} images that the data leaves out" in capsys.readouterr().err
        )
        assert not out.exists()

    def test_settings_and_teachers_go_together(
        self, tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        command = ["train", "--data", str(tiny_run.data), "--out", str(tmp_path / "run"), *TINY]
        assert run([*command, "--set", "distillation.weight=0.5"]) == 2
        assert "no teacher is named" in capsys.readouterr().err
        assert run([*command, "--teacher", str(tiny_run.out), "--set", "distillation.weight=0"]) == 2
        assert "are 0; set one of them" in capsys.readouterr().err
        assert not (tmp_path / "run").exists()
