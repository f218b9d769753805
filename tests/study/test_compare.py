"""Finished runs compared by the verb, without training and without torch."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from study_cases import finished_runs

from tumorscope.cli.main import run
from tumorscope.dataset.manifest import Manifest, OfficialSplit
from tumorscope.dataset.manifest_file import write_manifest
from tumorscope.study.document import Comparison, Row, read_comparison
from tumorscope.study.words import DEFAULT_RECIPES
from tumorscope.synthesis.phantom import write_phantoms

Capture = pytest.CaptureFixture[str]

WITHOUT_TORCH = """
import sys
class Absent:  # not None in sys.modules: SciPy asks there whether torch was imported
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torchvision", "timm", "lightning"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
from tumorscope.cli.main import run
sys.exit(run(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "phantoms"
    list(write_phantoms(folder, 64, size=64))
    return folder


@pytest.fixture(scope="module")
def compared(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    """A study whose runs lie below its folder, compared by a process that has no torch."""
    out = tmp_path_factory.mktemp("study")
    manifest = finished_runs(out, data)
    done = subprocess.run(
        [
            *(sys.executable, "-c", WITHOUT_TORCH, "study", "--data", str(data), "--out", str(out)),
            *("--compare", "--no-progress"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "light-cnn" in done.stdout
    return out, manifest


def _row(comparison: Comparison, name: str) -> Row:
    return next(row for row in comparison.rows if row.name == name)


def test_figures_stand_with_their_protocol_and_leaks(compared: tuple[Path, Manifest]) -> None:
    out, manifest = compared
    comparison = read_comparison(out)
    light = _row(comparison, "light-cnn")
    official, unseen = light.result("official"), light.result("patient-wise")
    assert official is not None
    assert official.measured is not None
    assert official.measured.images == sum(row.official_split is OfficialSplit.TESTING for row in manifest)
    assert official.measured.leaks == comparison.data.leaks
    assert comparison.data.leaks["patient"] > 0
    assert unseen is not None
    assert unseen.measured is not None
    assert (unseen.measured.images, unseen.trained_folds, unseen.in_part) == (len(manifest), 4, "")
    for name in ("accuracy", "loss", "macro_f1", "balanced_accuracy", "macro_auroc", "sensitivity_glioma"):
        figure = unseen.figure(name)
        assert figure is not None
        assert figure.low <= figure.value <= figure.high
    assert light.published is not None
    assert light.published.accuracy == 0.8063


def test_too_few_leak_free_groups_are_told(compared: tuple[Path, Manifest]) -> None:
    result = _row(read_comparison(compared[0]), "light-cnn").result("leak-free")
    assert result is not None
    assert (result.state, result.figure("accuracy")) == ("not estimable", None)
    assert result.reason.startswith("fewer than 10 groups of")


def test_one_fold_of_four_is_said_to_be_so(compared: tuple[Path, Manifest]) -> None:
    out, manifest = compared
    comparison = read_comparison(out)
    result = _row(comparison, "deep-cnn").result("patient-wise")
    assert result is not None
    assert result.measured is not None
    first = [row for row in manifest if row.fold == 1]
    assert (result.measured.images, result.in_part) == (len(first), "1 of 4 folds")
    assert "1 of 4 folds only" in (out / "comparison.md").read_text(encoding="utf-8")
    (test,) = [test for test in comparison.tests if test.protocol == "patient-wise"]
    assert test.images == len(first)


def test_costs_times_and_curves_come_from_the_runs(compared: tuple[Path, Manifest]) -> None:
    light = _row(read_comparison(compared[0]), "light-cnn")
    assert light.model is not None
    assert light.model.costs is not None
    assert (light.model.costs.multiply_adds, light.model.epochs, light.model.image_size) == (2000, 3, 64)
    assert {time.part: (time.seconds, time.fits, time.sessions) for time in light.model.training} == {
        "official": (12.5, 1, 2),
        "folds": (50.0, 4, 8),
    }
    assert light.model.bundle_bytes == (compared[0] / "runs/light-cnn/official/bundle.onnx").stat().st_size
    assert light.model.latency is not None
    assert 0 < light.model.latency.low_ms <= light.model.latency.median_ms <= light.model.latency.high_ms
    assert [curve.fit for curve in light.curves] == ["final fit", "fold 1", "fold 2", "fold 3", "fold 4"]
    assert light.curves[0].epochs == (1, 2, 3)


def test_recipes_that_were_asked_for_and_never_run_are_rows_and_no_others(
    compared: tuple[Path, Manifest],
) -> None:
    comparison = read_comparison(compared[0])
    assert {row.name for row in comparison.rows} == set(DEFAULT_RECIPES)
    vgg = _row(comparison, "vgg16")
    assert not vgg.ran
    assert {result.state for result in vgg.results} == {"not run"}
    assert vgg.published is not None


def test_a_second_comparison_asks_no_model_about_images_again(
    compared: tuple[Path, Manifest], data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "study"
    shutil.copytree(compared[0], out)
    kept = out / "measured" / "light-cnn.official.json"
    record = json.loads(kept.read_text(encoding="utf-8"))
    record["result"]["notes"] = ["kept"]
    kept.write_text(json.dumps(record), encoding="utf-8")
    command = ["study", "--data", str(data), "--out", str(out), "--compare", "--no-progress"]
    assert run([*command, "--recipes", "light-cnn", "--protocols", "official"]) == 0
    result = _row(read_comparison(out), "light-cnn").result("official")
    assert result is not None
    assert result.notes == ("kept",)

    (out / "runs/light-cnn/official/bundle.onnx").write_bytes(
        (out / "runs/deep-cnn/official/bundle.onnx").read_bytes()
    )
    assert run([*command, "--recipes", "light-cnn", "--protocols", "official"]) == 0
    again = _row(read_comparison(out), "light-cnn").result("official")
    assert again is not None
    assert "kept" not in again.notes


def test_runs_are_taken_under_a_name_and_broken_answers_are_refused(
    compared: tuple[Path, Manifest], data: Path, tmp_path: Path, capsys: Capture
) -> None:
    runs, out = compared[0] / "runs", tmp_path / "study"
    broken = tmp_path / "broken"
    shutil.copytree(runs / "light-cnn" / "folds", broken)
    lines = (broken / "predictions.csv").read_text(encoding="utf-8").splitlines()
    (broken / "predictions.csv").write_text("\n".join([lines[0], f"{lines[1]}x"]) + "\n", encoding="utf-8")
    command = ["study", "--data", str(data), "--out", str(out), "--compare", "--no-progress"]
    status = run(
        [
            *command,
            *("--protocols", "official,patient-wise", "--from", str(runs / "light-cnn" / "folds")),
            *("--from", str(runs / "light-cnn" / "official"), "--from", f"mine={runs / 'deep-cnn/folds'}"),
            *("--from", f"bundle={runs / 'deep-cnn/official/bundle.onnx'}"),
        ]
    )
    assert status == 0
    comparison = read_comparison(out)
    states = {row.name: [result.state for result in row.results] for row in comparison.rows if row.ran}
    assert states == {
        "light-cnn": ["measured", "measured"],
        "mine": ["not run", "measured"],
        "bundle": ["measured", "not run"],
    }
    assert _row(comparison, "mine").published is None
    capsys.readouterr()
    assert run([*command, "--from", f"x={broken}"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_its_own_run_is_not_a_second_row(
    compared: tuple[Path, Manifest], data: Path, capsys: Capture
) -> None:
    out = compared[0]
    command = ["study", "--data", str(data), "--out", str(out), "--compare", "--no-progress"]
    assert run([*command, "--from", f"again={out / 'runs/light-cnn/folds'}"]) == 2
    assert "own run of light-cnn" in capsys.readouterr().err


def test_commands_can_be_copied_and_tables_are_not_wrapped_in_a_pipe(
    compared: tuple[Path, Manifest],
    data: Path,
    tmp_path: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)  # a user's own width is kept to
    out = tmp_path / "a_study"
    shutil.copytree(compared[0], out)
    assert run(["study", "--data", str(data), "--out", str(out), "--compare", "--no-progress"]) == 0
    command = read_comparison(out).command
    assert "a_study" in command
    assert f"- **everything:** `{command}`\n" in (out / "comparison.md").read_text(encoding="utf-8")
    head = next(line for line in capsys.readouterr().out.splitlines() if "original study" in line)
    assert "patient-wise" in head


def test_answers_about_other_images_are_not_compared(
    compared: tuple[Path, Manifest], data: Path, tmp_path: Path
) -> None:
    fewer = tmp_path / "fewer.csv"
    manifest = compared[1]
    write_manifest(manifest.subset(range(len(manifest) - 4)), fewer)
    folds = compared[0] / "runs" / "light-cnn" / "folds"
    command = ["study", "--data", str(fewer), "--out", str(tmp_path / "study"), "--compare", "--no-progress"]
    assert run([*command, "--protocols", "patient-wise", "--from", str(folds)]) == 1
    (result,) = _row(read_comparison(tmp_path / "study"), "light-cnn").results
    assert result.state == "failed"
    assert f"of {len(manifest)} answers of the run" in result.reason


def test_a_model_that_learnt_from_test_images_is_not_measured_on_them(
    data: Path, tmp_path: Path, capsys: Capture
) -> None:
    manifest = finished_runs(tmp_path / "study", data)
    from bundle_factory import make_card, make_model

    every = tuple(sorted({row.sha256[:8] for row in manifest}))
    provenance = make_card().data.model_copy(update={"image_sha256_prefixes": every})
    bundle = tmp_path / "all.onnx"
    bundle.write_bytes(make_model(make_card(recipe="light-cnn", data=provenance)).SerializeToString())
    command = ["study", "--data", str(data), "--out", str(tmp_path / "study"), "--compare", "--no-progress"]
    assert run([*command, "--from", f"all={bundle}", "--protocols", "official"]) == 0
    row = _row(read_comparison(tmp_path / "study"), "all")
    (result,) = row.results
    assert result.state == "not run"
    assert "was trained on" in result.reason
    assert "of the official test images" in result.reason
    assert result.reason in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--recipes", "vgg17"], "did you mean 'vgg16'"),
        (["--set", "vgg16.epoch=3"], "did you mean 'epochs'"),
        (["--from", "nowhere"], "nowhere does not exist"),
        (["--folds-of", "resnet18=1"], "not among --recipes"),
    ],
)
def test_mistakes_are_found_before_anything_is_written(
    arguments: list[str], words: str, data: Path, tmp_path: Path, capsys: Capture
) -> None:
    out = tmp_path / "study"
    assert run(["study", "--data", str(data), "--out", str(out), *arguments]) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("error: ")
    assert words in errors
    assert errors.count("\n") == 1
    assert not out.exists()


def test_a_dry_run_prints_commands_and_writes_nothing(data: Path, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "study"
    command = ["study", "--data", str(data), "--out", str(out), "--recipes", "vgg16", "--dry-run"]
    assert run([*command, "--folds-of", "vgg16=1", "--set", "vgg16.epochs=6"]) == 0
    printed = capsys.readouterr().out
    assert f"tumorscope train --recipe vgg16 --data {out}/official.csv --allow-leaks" in printed
    assert f"--folds --out {out}/runs/vgg16/folds --set epochs=6" in printed
    assert "the first 1 folds" in printed
    assert not out.exists()
