"""``tumorscope data merge`` as a user runs it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from source_files import br35h_files, figshare_files, sartaj_files, write_files
from tumorscope.cli.main import run
from tumorscope.dataset.manifest_file import read_manifest


@pytest.fixture
def sources(tmp_path: Path) -> list[str]:
    """Options that name the three sources as a browser and a zip program leave them."""
    files = {"figshare": figshare_files(), "sartaj": sartaj_files(), "br35h": br35h_files()}
    options = []
    for name, content in files.items():
        folder = write_files(tmp_path / name, content)
        if name == "figshare":  # its zips are unpacked by fetching
            assert run(["data", "fetch", name, "--from", str(folder), "--out", str(tmp_path / "f")]) == 0
            folder = tmp_path / "f"
        options += [f"--{name}", str(folder)]
    return options


def test_what_is_printed_and_written(
    sources: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError(f"the network was touched: {arguments}")

    for name in ("getaddrinfo", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    capsys.readouterr()
    out = tmp_path / "study"
    assert run(["data", "merge", *sources, "--out", str(out), "--copies", "remove"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    lines = captured.out.splitlines()
    assert lines[0] == f"written: {out / 'manifest.parquet'}"
    assert lines[1] == "23 images; brain-tumor-mri-dataset@7023 has 7,023"
    assert "  notumor: 7 (sartaj 4, br35h 3); published 2,000, difference -1,993" in lines
    assert any(line.startswith("left out: 4 of sartaj glioma: ") for line in lines)
    assert "1905" not in captured.out
    assert len(read_manifest(out)) == 23
    assert sorted(path.name for path in out.iterdir()) == [
        "glioma",
        "manifest.parquet",
        "meningioma",
        "merge.json",
        "notumor",
        "pituitary",
        "provenance.csv",
    ]
    assert run(["data", "merge", *sources, "--out", str(out), "--copies", "remove"]) == 0
    assert capsys.readouterr().out.splitlines()[0].startswith("already there")


@pytest.mark.parametrize("missing", ["--figshare", "--sartaj", "--br35h"])
def test_every_source_is_needed(
    sources: list[str], missing: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    position = sources.index(missing)
    given = sources[:position] + sources[position + 2 :]
    assert run(["data", "merge", *given, "--out", str(tmp_path / "study")]) == 2
    assert missing in capsys.readouterr().err


def test_a_folder_in_use_is_refused_in_one_line(
    sources: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "mine.txt").write_text("keep")
    capsys.readouterr()
    assert run(["data", "merge", *sources, "--out", str(tmp_path / "study")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    [line] = captured.err.strip().splitlines()
    assert "not an empty folder" in line
    assert [path.name for path in (tmp_path / "study").iterdir()] == ["mine.txt"]
