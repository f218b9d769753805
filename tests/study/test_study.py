"""A whole study by the verb: two recipes trained, one that fails, gone on with, without a network."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tumorscope.cli.main import run
from tumorscope.study.document import Comparison, Row, read_comparison
from tumorscope.synthesis.phantom import write_phantoms


@dataclass(frozen=True)
class Done:
    """Where the study lies, how it ended, and the arguments that made it."""

    out: Path
    status: int
    arguments: list[str]

    def comparison(self) -> Comparison:
        return read_comparison(self.out)

    def row(self, name: str) -> Row:
        return next(row for row in self.comparison().rows if row.name == name)


def _refuse(*arguments: Any, **_: Any) -> Any:
    raise AssertionError(f"the network was touched: {arguments}")


@pytest.fixture(scope="session")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """One epoch at 32 pixels; two folds of light-cnn, one of deep-cnn, and resnet18 from a file without weights."""
    folder = tmp_path_factory.mktemp("study")
    data, out, damaged = folder / "phantoms", folder / "study", folder / "damaged.safetensors"
    list(write_phantoms(data, 64, size=64))
    damaged.write_bytes(b"no weights")
    arguments = [
        *("study", "--data", str(data), "--out", str(out), "--recipes", "light-cnn,deep-cnn,resnet18"),
        *("--folds-of", "light-cnn=2,deep-cnn=1,resnet18=1", "--protocols", "official,patient-wise"),
        *("--set", "epochs=1", "--set", "image_size=32", "--set", "batch_size=8", "--set", "threads=1"),
        *("--set", "precision=32", "--set", f"resnet18.weights={damaged}", "--no-progress"),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUMORSCOPE_CACHE", str(folder / "cache"))
        for name in ("connect", "connect_ex", "sendto"):
            patch.setattr(socket.socket, name, _refuse)
        patch.setattr(socket, "getaddrinfo", _refuse)
        status = run(arguments)
    return Done(out, status, arguments)


def test_every_row_is_an_ordinary_run_measured_under_both_protocols(
    done: Done, capsys: pytest.CaptureFixture[str]
) -> None:
    comparison = done.comparison()
    light, deep = done.row("light-cnn"), done.row("deep-cnn")
    for row in (light, deep):
        assert [result.state for result in row.results] == ["measured", "measured"]
        official = row.result("official")
        assert official is not None
        assert official.measured is not None
        assert official.measured.leaks == comparison.data.leaks != {}
        assert official.measured.images == comparison.data.testing
    assert [result.in_part for result in light.results] == ["", "2 of 4 folds"]
    assert [result.in_part for result in deep.results] == ["", "1 of 4 folds"]
    assert {(test.protocol, test.first, test.second) for test in comparison.tests} == {
        ("official", "light-cnn", "deep-cnn"),
        ("patient-wise", "light-cnn", "deep-cnn"),
    }
    for result, arguments in (
        (light.results[0], ["--protocol", "official", "--data", done.arguments[2]]),
        (light.results[1], ["--protocol", "patient-wise"]),
    ):
        model = f"{result.run}/bundle.onnx" if result.protocol == "official" else result.run
        assert run(["evaluate", "--model", model, *arguments, "--format", "json", "--no-progress"]) == 0
        assert result.measured is not None
        assert f'"value": {result.measured.figures["accuracy"].value}' in capsys.readouterr().out


def test_costs_are_counted_and_times_are_kept(done: Done) -> None:
    for name, folds in (("light-cnn", 2), ("deep-cnn", 1)):
        model = done.row(name).model
        assert model is not None
        assert model.costs is not None
        assert model.costs.flops == 2 * model.costs.multiply_adds > model.costs.parameters > 0
        assert {time.part: time.fits for time in model.training} == {"official": 1, "folds": folds}
        assert all(time.seconds > 0 for time in model.training)
        assert (model.image_size, model.epochs) == (32, 1)
        assert model.latency is not None


def test_a_row_that_fails_is_in_the_table_and_costs_no_other(done: Done) -> None:
    assert done.status == 1
    failed = done.row("resnet18")
    assert [result.state for result in failed.results] == ["failed", "failed"]
    assert all("damaged.safetensors" in result.reason for result in failed.results)
    assert "resnet18: failed: " in (done.out / "comparison.md").read_text(encoding="utf-8")


def test_going_on_trains_nothing_that_is_finished(
    done: Done, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUMORSCOPE_CACHE", str(done.out.parent / "cache"))
    assert run(done.arguments) == 2  # the failed row is in the way
    assert "--resume" in capsys.readouterr().err

    before = done.comparison()
    (
        done.out / "runs/deep-cnn/folds/predictions.csv"
    ).unlink()  # as if interrupted between a fit and its answers
    weights = {path: path.stat().st_mtime_ns for path in (done.out / "runs").rglob("weights.safetensors")}
    assert len(weights) == 5
    assert run([*done.arguments, "--resume"]) == 1
    told = capsys.readouterr().err
    assert "deep-cnn, folds" in told
    assert "light-cnn" not in told
    assert weights == {path: path.stat().st_mtime_ns for path in weights}
    after = done.comparison()
    for name in ("light-cnn", "resnet18"):
        (one,), (other,) = ([row for row in each.rows if row.name == name] for each in (before, after))
        assert one.results == other.results
    assert after.tests[0] == before.tests[0]
    was, now = (
        next(row for row in each.rows if row.name == "deep-cnn").results[1].figure("accuracy")
        for each in (before, after)
    )
    assert was is not None
    assert now is not None
    assert now.value == pytest.approx(was.value)
