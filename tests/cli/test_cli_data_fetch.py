"""``tumorscope data fetch`` and the versions in ``data index``, as a user runs them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from source_files import br35h_files, cached_by_kagglehub, figshare_files, picture, sartaj_files, write_files
from tumorscope.cli.main import run
from tumorscope.dataset.manifest_file import read_manifest
from tumorscope.dataset.sources.versions import VERSIONS

WITHOUT_NETWORK = """
import socket, sys
def refuse(*arguments, **options):
    raise socket.gaierror(-2, "Name or service not known")
socket.socket.connect = socket.socket.connect_ex = socket.socket.sendto = refuse
socket.getaddrinfo = socket.create_connection = refuse
from tumorscope.cli.main import run
sys.exit(run(sys.argv[1:]))
"""


def offline(cache: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own in which nothing outside can be reached."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT_NETWORK, "data", "fetch", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "KAGGLEHUB_CACHE": str(cache)},
    )


def test_what_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    origin = write_files(tmp_path / "in", figshare_files())
    out = tmp_path / "out"
    assert run(["data", "fetch", "figshare", "--from", str(origin), "--out", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"brain tumor dataset (Cheng): 8 images written, manifest {out / 'manifest.parquet'}"
    assert lines[1] == "classes: glioma 3, meningioma 3, notumor 0, pituitary 2"
    assert any(line.startswith("note: incomplete: 8 of the 3,064") for line in lines)
    assert "licence: CC BY 4.0" in lines
    assert lines[-1].startswith("citation: J. Cheng")
    assert not any("1905" in line for line in lines)
    assert run(["data", "fetch", "figshare", "--out", str(out)]) == 0
    again = capsys.readouterr().out
    assert "8 images already there" in again
    assert "is finished" not in again


def test_images_that_could_not_be_read_are_told_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    origin = write_files(tmp_path / "in", {**sartaj_files(), "Training/no_tumor/cut.jpg": picture(9)[:200]})
    out = tmp_path / "out"
    command = ["data", "fetch", "sartaj", "--out", str(out), "--from", str(origin)]
    assert run(command) == 1
    assert "cut.jpg" in capsys.readouterr().err
    assert run(command) == 1
    assert "left out when it was fetched: 1 image" in capsys.readouterr().err


def test_a_finished_folder_says_that_it_did_not_look_at_another_source(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = write_files(tmp_path / "first", sartaj_files())
    other = write_files(tmp_path / "other", {"Training/no_tumor/only.jpg": picture(9)})
    out = tmp_path / "out"
    command = ["data", "fetch", "sartaj", "--out", str(out), "--from"]
    assert run([*command, str(first)]) == 0
    capsys.readouterr()
    assert run([*command, str(other)]) == 0
    printed = capsys.readouterr().out
    assert "16 images already there" in printed
    [note] = [line for line in printed.splitlines() if "is finished" in line]
    assert note.startswith(f"note: {out} is finished, so {other} was not looked at")
    assert f"delete {out} or name another folder" in note
    assert run([*command, str(tmp_path / "absent.zip")]) == 2
    assert "absent.zip does not exist" in capsys.readouterr().err


@pytest.mark.parametrize("source", ["kaggle", "figshare", "sartaj", "br35h"])
def test_without_a_network_one_line_names_the_other_ways(tmp_path: Path, source: str) -> None:
    done = offline(tmp_path / "cache", source, "--out", tmp_path / "out")
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    [line] = done.stderr.strip().splitlines()
    assert "--from" in line
    assert "browser" in line
    assert "https://" in line


def test_a_cache_needs_no_network(tmp_path: Path) -> None:
    cached_by_kagglehub(tmp_path / "cache", "ahmedhamada0/brain-tumor-detection", 12, br35h_files())
    done = offline(tmp_path / "cache", "br35h", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "classes: glioma 0, meningioma 0, notumor 3, pituitary 0" in done.stdout
    assert "4 images were left out" in done.stdout


def test_images_that_cannot_be_read_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    origin = write_files(tmp_path / "in", {**sartaj_files(), "Testing/no_tumor/bad.jpg": b"\xff\xd8\xffno"})
    assert run(["data", "fetch", "sartaj", "--from", str(origin), "--out", str(tmp_path / "out")]) == 1
    captured = capsys.readouterr()
    assert "16 images written" in captured.out
    [line] = captured.err.splitlines()
    assert line.startswith("left out:")
    assert "bad.jpg" in line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["elsewhere", "--out", "o"], "elsewhere"),
        (["kaggle"], "--out"),
        (["kaggle", "--out", "o", "--release", "0"], "release"),
        (["kaggle", "--out", "o", "--from", "absent.zip"], "absent.zip does not exist"),
    ],
)
def test_mistakes(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["data", "fetch", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    [line] = captured.err.strip().splitlines()
    assert said in line


def test_indexing_recognises_the_kaggle_set(
    real_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in VERSIONS[0].landmarks:
        (tmp_path / "set" / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(real_data / "brain-tumor-mri" / path, tmp_path / "set" / path)
    out = tmp_path / "manifest.csv"
    assert run(["data", "index", str(tmp_path / "set"), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert (
        "recognised as brain-tumor-mri-dataset@7023, incomplete: 24 different files of its 7,023 are here"
        in said
    )
    assert {row.dataset for row in read_manifest(out)} == {"brain-tumor-mri-dataset@7023"}


def test_indexing_refuses_a_mixture(
    real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(real_data / "brain-tumor-mri" / "Testing", tmp_path / "set" / "Testing")
    for number in range(289):
        (tmp_path / "set" / "Testing" / "notumor" / f"other-{number}.jpg").write_bytes(b"other %d" % number)
    out = tmp_path / "manifest.csv"
    assert run(["data", "index", str(tmp_path / "set"), "--out", str(out)]) == 2
    [line] = capsys.readouterr().err.strip().splitlines()
    assert "0 Training and 1,312 Testing images lie together" in line
    assert not out.exists()


def test_indexing_says_that_some_files_are_of_the_kaggle_set(
    real_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "set" / "glioma"
    folder.mkdir(parents=True)
    for path in sorted((real_data / "brain-tumor-mri" / "Testing" / "glioma").iterdir())[:3]:
        shutil.copyfile(path, folder / path.name)
    for number in range(4):
        Image.fromarray(np.eye(20, dtype=np.uint8) * (number + 1)).save(folder / f"own-{number}.png")
    out = tmp_path / "manifest.csv"
    assert run(["data", "index", str(tmp_path / "set"), "--out", str(out)]) == 0
    assert "3 of 7 files are those of brain-tumor-mri-dataset@7023, but" in capsys.readouterr().out
    assert {row.dataset for row in read_manifest(out)} == {None}
