"""``tumorscope evaluate --pass novelty`` from the command to the page."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tiny_run import TinyRun
from tumorscope.cli.main import run


@pytest.fixture
def knees(tmp_path: Path) -> Path:
    folder = tmp_path / "not-brain"
    (folder / "knee").mkdir(parents=True)
    for k in range(3):
        pixels = np.random.default_rng(k).integers(0, 256, (64, 64), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "knee" / f"{k}.png")
    return folder


def measuring(made: TinyRun) -> list[str]:
    protocol = ["--protocol", "patient-wise", "--data", str(made.data)]
    return ["evaluate", "--model", str(made.out), *protocol]


def test_a_run_is_reported_with_its_novelty(
    tiny_run: TinyRun, knees: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report"
    arguments = measuring(tiny_run)
    arguments += ["--report", str(report), "--pass", "novelty", "--foreign", str(knees), "--limit", "8"]
    assert run([*arguments, "--no-progress"]) == 0, capsys.readouterr().err
    written = json.loads((report / "evaluation.json").read_text())
    novelty = written["parts"]["novelty"]
    assert novelty["score"] == "look-residual"
    assert (novelty["images"]["brain"], novelty["images"]["knee"], novelty["images"]["inverted"]) == (8, 3, 8)
    assert "knee" not in novelty["made"]
    assert f"--pass novelty --foreign {knees.as_posix()} --limit 8" in written["command"]
    page = (report / "report.html").read_text(encoding="utf-8")
    section = page[page.index('<section id="novelty"') :]
    assert "<bdi>knee</bdi></th>" in section
    assert "<bdi>inverted</bdi> <small>made</small>" in section
    kept = (report / "novelty-answers.json").read_bytes()
    assert run([*arguments, "--no-progress"]) == 0
    assert (report / "novelty-answers.json").read_bytes() == kept


@pytest.mark.parametrize(
    ("further", "said"),
    [
        (("--foreign", "."), "ask for it with --pass novelty"),
        (("--pass", "novelty", "--foreign", "nowhere"), "no such folder"),
    ],
)
def test_mistakes_cost_one_line(
    tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str], further: tuple[str, ...], said: str
) -> None:
    arguments = measuring(tiny_run)
    assert run([*arguments, "--report", str(tmp_path / "report"), *further]) == 2
    told = capsys.readouterr().err.strip()
    assert said in told
    assert "\n" not in told
    assert not (tmp_path / "report").exists()
