"""``tumorscope data phantom``, ``index`` and ``join`` as a user runs them."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from tumorscope.cli.data import app
from tumorscope.cli.main import run
from tumorscope.core.errors import InvalidConfiguration
from tumorscope.core.labels import Diagnosis
from tumorscope.dataset.manifest_file import read_manifest
from tumorscope.synthesis.phantom import make_phantom


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


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Three images of two classes, one of them in both; one broken image; a folder that names no class."""
    folder = tmp_path / "tree"
    for k, place in enumerate(("glioma/a.png", "glioma/b.png", "notumor/c.png", "blurred/d.png")):
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(make_phantom(Diagnosis.GLIOMA, k, 48).pixels).save(folder / place)
    (folder / "notumor" / "copy.png").write_bytes((folder / "glioma" / "a.png").read_bytes())
    return folder


@pytest.mark.parametrize("name", ["m.csv", "m.parquet"])
def test_a_folder_is_indexed_and_its_oddities_named(
    tree: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / name
    assert run(["data", "index", str(tree), "--out", str(out)]) == 0
    captured = capsys.readouterr()
    assert captured.out == f"4 images written to {out}: glioma 2, meningioma 0, notumor 2, pituitary 0\n"
    empty, mixed, passed_over = captured.err.splitlines()
    assert empty == "note: there is no image of meningioma, pituitary"
    assert mixed.startswith(
        "note: 1 groups hold images of several classes (glioma and notumor, for example with"
    )
    assert passed_over.startswith(f"note: {tree / 'blurred'} is named after no class and was passed over")
    manifest = read_manifest(out)
    assert [(row.width, row.mode, row.source) for row in manifest] == [(48, "L", "tree")] * 4
    assert all(row.pixels_sha256 for row in manifest)


def test_unreadable_images_are_listed_and_the_rest_answered(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tree / "glioma" / "b.png").write_bytes(b"no image")
    (tree / "glioma" / "empty.png").touch()
    out = tmp_path / "m.csv"
    assert run(["data", "index", str(tree), "--out", str(out), "--map-label", "blurred=skip"]) == 1
    captured = capsys.readouterr()
    left_out = [line for line in captured.err.splitlines() if line.startswith("left out: ")]
    assert [line.split(":")[1].strip() for line in left_out] == [
        str(tree / "glioma" / "b.png"),
        str(tree / "glioma" / "empty.png"),
    ]
    assert "blurred" not in captured.err
    assert len(read_manifest(out)) == 3


def test_nothing_is_written_where_no_image_can_be_read(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in tree.rglob("*.png"):
        path.write_bytes(b"no image")
    out = tmp_path / "m.csv"
    assert run(["data", "index", str(tree), "--out", str(out)]) == 2
    assert "none of the 4 images could be read; no manifest was written" in capsys.readouterr().err
    assert not out.exists()


def test_a_table_is_indexed_with_what_it_says(tree: Path, tmp_path: Path) -> None:
    (tree / "labels.csv").write_text("path,label,patient\nglioma/a.png,Astro,7\nnotumor/c.png,no tumour,8\n")
    out = tree / "manifest.parquet"
    assert (
        run(["data", "index", str(tree / "labels.csv"), "--out", str(out), "--map-label", "astro=glioma"])
        == 0
    )
    assert [(row.label.value, row.group, row.width) for row in read_manifest(tree)] == [
        ("glioma", "patient:7", 48),
        ("notumor", "patient:8", 48),
    ]
    # Indexed anew, the tree counts and not the manifest that lies in it.
    assert run(["data", "index", str(tree), "--out", str(out)]) == 0
    assert len(read_manifest(tree)) == 4


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--out", "m.txt"], "m.txt names no table; its name must end in .csv or .parquet"),
        (["--out", "m.csv", "--map-label", "x"], "the label mapping 'x' is not understood"),
        (["--out", "tree/m.csv/m.csv"], "cannot be written"),
    ],
)
def test_mistakes_are_named_before_any_image_is_read(
    tree: Path,
    more: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tree.parent)
    (tree / "m.csv").write_text("in the way")
    assert run(["data", "index", "tree", *more]) == 2
    error = capsys.readouterr().err.strip()
    assert message in error
    assert len(error.splitlines()) == 1


def test_two_data_sets_are_joined(tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["data", "phantom", "--out", str(tmp_path / "phantoms"), "--images", "8", "--size", "48"])
    run(["data", "index", str(tree), "--out", str(tmp_path / "own.csv")])
    capsys.readouterr()
    out = tmp_path / "all.parquet"
    assert (
        run(["data", "join", str(tmp_path / "phantoms"), str(tmp_path / "own.csv"), "--out", str(out)]) == 0
    )
    assert (
        capsys.readouterr().out
        == f"12 images written to {out}: glioma 4, meningioma 2, notumor 4, pituitary 2\n"
    )
    joined = read_manifest(out)
    assert len(joined) == 12
    assert {row.source for row in joined} == {"synthetic", "tree"}
    assert run(["data", "join", str(tree), "--out", str(out)]) == 2
    assert "joining needs at least two" in capsys.readouterr().err
