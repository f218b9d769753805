"""``tumorscope data trace`` as a user runs it, with a source of MATLAB slices as Figshare's are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from source_files import GLIOMA, MENINGIOMA, PITUITARY, slice_mat
from tumorscope.cli.main import run
from tumorscope.core.labels import Diagnosis
from tumorscope.dataset.manifest_file import read_manifest
from tumorscope.synthesis.phantom import make_phantom

CODES = {MENINGIOMA: Diagnosis.MENINGIOMA, GLIOMA: Diagnosis.GLIOMA, PITUITARY: Diagnosis.PITUITARY}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``source/`` with a manifest of MATLAB slices, ``images/`` with mirrored JPEGs of them and one stranger."""
    folder = tmp_path_factory.mktemp("trace")
    lines = ["path,label,patient,group,slice_id,source"]
    (folder / "source").mkdir()
    for number, (code, label) in enumerate(CODES.items()):
        pixels = make_phantom(label, seed=number, size=160).pixels
        content = slice_mat(code, f"P{number}", number, image=pixels.astype(np.int16) * 12)
        (folder / "source" / f"{number}.mat").write_bytes(content)
        lines.append(f"{number}.mat,{label},P{number},patient:P{number},figshare:{number},figshare")
        (folder / "images" / label).mkdir(parents=True)
        mirrored = Image.fromarray(pixels).transpose(Image.Transpose.FLIP_LEFT_RIGHT).convert("RGB")
        mirrored.save(folder / "images" / label / f"{number}.jpg", quality=80)
    (folder / "source" / "manifest.csv").write_text("\n".join(lines))
    (folder / "images" / "notumor").mkdir()
    Image.fromarray(make_phantom(Diagnosis.NOTUMOR, seed=50, size=160).pixels).save(
        folder / "images" / "notumor" / "stranger.png"
    )
    return folder


def test_images_are_traced_to_matlab_slices(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "traced.parquet"
    command = ["data", "trace", str(place / "images"), "--source", str(place / "source"), "--out", str(out)]
    assert run(command) == 0
    printed = capsys.readouterr().out
    assert (
        "3 of 4 images traced (0 plain, 3 mirrored, 0 turned or flipped) to 3 slices of 3 groups" in printed
    )
    rows = {row.path.stem: row for row in read_manifest(out)}
    assert rows["1"].patient == "P1"
    assert rows["1"].mirrored is True
    assert rows["stranger"].patient is None
    assert "P1" not in printed  # a patient's key is data, not something to print


def test_an_unreadable_image_is_listed_and_the_rest_is_traced(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "images" / "glioma"
    folder.mkdir(parents=True)
    (folder / "good.jpg").write_bytes((place / "images" / "glioma" / "1.jpg").read_bytes())
    (folder / "cut.jpg").write_bytes((place / "images" / "glioma" / "1.jpg").read_bytes()[:200])
    out = tmp_path / "traced.csv"
    command = [
        "data",
        "trace",
        str(tmp_path / "images"),
        "--source",
        str(place / "source"),
        "--out",
        str(out),
    ]
    assert run(command) == 1
    captured = capsys.readouterr()
    assert "1 of 1 images traced" in captured.out
    assert captured.err.startswith("left out: ")
    assert "cut.jpg" in captured.err


def test_a_missing_source_is_one_line(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [
        "data",
        "trace",
        str(place / "images"),
        "--source",
        str(tmp_path / "no"),
        "--out",
        str(tmp_path / "o.csv"),
    ]
    assert run(command) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not (tmp_path / "o.csv").exists()
