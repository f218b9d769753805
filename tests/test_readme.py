"""The README says what is true: its commands run, its output is what comes out, its figures are the record's."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tumorscope.core.card import ModelCard
from tumorscope.inference.bundle import read_card

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RECORD = ROOT / "records" / "efficientnet-lite2-closer"

sys.path.insert(0, str(ROOT / "records"))
from figures import PIECES, Piece  # noqa: E402

# What makes the README's training small enough for a test; nothing else of its commands is changed.
SMALL = ["--set", "epochs=1", "--set", "image_size=32", "--set", "batch_size=8", "--set", "pretrained=false"]
IMAGES = "48"


def run(arguments: list[str], folder: Path, *, check: bool = True) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "100", "TUMORSCOPE_CACHE": str(folder / "cache")}
    return subprocess.run(
        [sys.executable, "-m", "tumorscope", *arguments],
        cwd=folder,
        env=environment,
        check=check,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def commands(block: str) -> list[list[str]]:
    lines = [shlex.split(line, comments=True) for line in block.splitlines()]
    return [line[1:] for line in lines if line and line[0] == "tumorscope"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What a reader has at hand: the examples, the records, and a scan of their own."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    shutil.copytree(RECORD, tmp_path / "records" / RECORD.name)
    (tmp_path / "study").mkdir()
    shutil.copy(ROOT / "examples" / "synthetic-meningioma-axial.png", tmp_path / "scan.png")
    shutil.copy(ROOT / "examples" / "synthetic-glioma-axial.dcm", tmp_path / "study")
    shutil.copy(ROOT / "examples" / "healthy-volume.nii.gz", tmp_path / "head.nii.gz")
    return tmp_path


def test_the_two_commands_do_the_set_up() -> None:
    first, second = (line for line in README.splitlines() if line.startswith("python3 -m venv"))
    assert first.split(" && ")[1:] == [
        ".venv/bin/pip install .",
        ".venv/bin/tumorscope predict examples/synthetic-meningioma-axial.png",
    ]
    assert second.split(" && ")[1:] == [
        ".venv/bin/pip install '.[dev]'",
        ".venv/bin/pytest -n 2 --dist loadfile",
    ]


def test_first_command_prints_what_the_readme_shows(checkout: Path) -> None:
    result = run(["predict", "examples/synthetic-meningioma-axial.png"], checkout)
    assert [line.rstrip() for line in result.stdout.strip().splitlines()] == blocks("text")[
        0
    ].strip().splitlines()


def test_own_scans(checkout: Path) -> None:
    (command,) = commands(blocks("sh")[1])
    run(command, checkout)
    records = [
        json.loads(line) for line in (checkout / "answers.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert {record["path"] for record in records if record["kind"] == "slice"} >= {"scan.png", "head.nii.gz"}
    assert [record["path"] for record in records if record["kind"] == "series"] == ["head.nii.gz"]
    assert len(list((checkout / "pictures").glob("*.png"))) == sum(r["kind"] == "slice" for r in records)


def test_python(checkout: Path) -> None:
    (code,) = blocks("python")
    subprocess.run([sys.executable, "-c", code], cwd=checkout, check=True)


@pytest.mark.parametrize("piece", PIECES, ids=lambda piece: f"{piece.file.name}: {piece.of}")
def test_figures_are_those_of_the_records(piece: Piece) -> None:
    assert piece.written() == piece.write()
    assert re.search(r"\d\.\d\s%", piece.written())


def test_the_record_gives_the_figures_of_the_shipped_bundle(checkout: Path) -> None:
    command = next(c for block in blocks("sh") for c in commands(block) if c[:2] == ["evaluate", "--model"])
    assert command[2] == f"records/{RECORD.name}"
    document = json.loads(run([*command, "--format", "json"], checkout).stdout)
    (measured,) = ModelCard.model_validate_json(read_card()).evaluation
    for name in ("images", "slices", "groups", "patients", "protocol"):
        assert document[name] == getattr(measured, name), name
    for name, figure in measured.figures.items():
        for part in ("value", "low", "high"):
            # The record rounds logits to five digits.
            assert document["figures"][name][part] == pytest.approx(getattr(figure, part), abs=2e-4), name


def test_data_commands(checkout: Path) -> None:
    run(["data", "phantom", "--out", "images", "--images", "120", "--no-progress"], checkout)
    (checkout / "images" / "manifest.csv").unlink()  # a reader has folders only
    block = next(block for block in blocks("sh") if "data audit" in block)
    for command in commands(block):
        run([*command, "--no-progress"], checkout)
    assert (checkout / "audit" / "index.html").is_file()
    certificate = json.loads((checkout / "split.certificate.json").read_text(encoding="utf-8"))
    assert certificate["near_copies"]["pairs"] > 0


def test_training_commands(checkout: Path) -> None:
    block = next(block for block in blocks("sh") if "data phantom" in block)
    for command in commands(block):
        arguments = [IMAGES if word == "200" else word for word in command]
        if arguments[0] == "train":
            arguments += [*SMALL, "--no-progress"]
        run(arguments, checkout)
    assert (checkout / "runs" / "first" / "bundle.onnx").is_file()


def test_links_lead_somewhere() -> None:
    for page in [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
