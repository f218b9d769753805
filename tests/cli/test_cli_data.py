"""``tumorscope data phantom`` as a user runs it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tumorscope.cli.data import app
from tumorscope.cli.main import run
from tumorscope.core.errors import InvalidConfiguration
from tumorscope.dataset.manifest_file import read_manifest


def test_phantoms_are_written_and_counted(tmp_path: Path) -> None:
    out = tmp_path / "phantoms"
    result = CliRunner().invoke(
        app, ["phantom", "--out", str(out), "--images", "9", "--size", "48", "--seed", "5"]
    )
    assert result.exit_code == 0, result.output
    assert "9 synthetic images" in result.stdout
    manifest = read_manifest(out)
    assert len(manifest) == 9
    again = tmp_path / "again"
    CliRunner().invoke(app, ["phantom", "--out", str(again), "--images", "9", "--size", "48", "--seed", "5"])
    assert read_manifest(again).digest == manifest.digest


def test_a_folder_in_use_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    result = CliRunner().invoke(app, ["phantom", "--out", str(tmp_path), "--images", "4"])
    assert isinstance(result.exception, InvalidConfiguration)
    assert "\n" not in str(result.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("missing", ["--out", "--images"])
def test_needed_options_are_named(tmp_path: Path, missing: str) -> None:
    given = {"--out": str(tmp_path / "new"), "--images": "4"}
    arguments = [word for name, value in given.items() if name != missing for word in (name, value)]
    result = CliRunner().invoke(app, ["phantom", *arguments])
    assert result.exit_code == 2
    assert missing in result.stderr


def test_the_command_line_ends_as_it_should(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "phantoms"
    assert run(["data", "phantom", "--out", str(out), "--images", "4", "--size", "48"]) == 0
    assert "4 synthetic images" in capsys.readouterr().out
    assert run(["data", "phantom", "--out", str(out), "--images", "4"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.strip().splitlines()) == 1
    assert "not an empty folder" in captured.err
    assert run(["data", "--help"]) == 0
    assert "phantom" in capsys.readouterr().out
