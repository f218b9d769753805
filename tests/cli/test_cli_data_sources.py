"""No verb passes folders, links or names over in silence, or writes over what it reads."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tumorscope.cli.main import run
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.dataset.manifest_file import read_manifest
from tumorscope.synthesis.phantom import make_phantom


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Two images of each class, and one in a folder of another name."""
    folder = tmp_path / "images"
    for seed in range(2):
        for key in CLASS_ORDER:
            (folder / key.value).mkdir(parents=True, exist_ok=True)
            picture = Image.fromarray(make_phantom(key, seed=seed, size=64).pixels)
            picture.save(folder / key.value / f"{seed}.png")
    (folder / "astrocytoma").mkdir()
    Image.fromarray(make_phantom(CLASS_ORDER[0], seed=9, size=64).pixels).save(
        folder / "astrocytoma" / "9.png"
    )
    return folder


@pytest.mark.parametrize(
    "words",
    [
        ("audit", "--report", "report"),
        ("split", "--folds", "2", "--trust-groups", "--out", "out.csv"),
        ("trace", "--source", "images", "--out", "out.csv"),
        ("index", "--out", "out.csv"),
    ],
    ids=lambda words: words[0],
)
def test_a_folder_of_another_name_is_named(
    images: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(images.parent)
    verb, *options = words
    assert run(["data", verb, "images", *options]) == 0
    assert "astrocytoma is named after no class and was passed over" in capsys.readouterr().err


_VERBS = pytest.mark.parametrize(
    "words",
    [
        ("audit", "images", "--report", "report"),
        ("split", "images", "--folds", "2", "--trust-groups", "--out", "out.csv"),
        ("trace", "images", "--source", "images", "--out", "out.csv"),
        ("index", "images", "--out", "out.csv"),
        ("join", "images", "more", "--out", "out.csv"),
    ],
    ids=lambda words: words[0],
)


@pytest.fixture
def two_sets(images: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The images, and others in a folder beside them; the folder that holds both is the working one."""
    for key in ("glioma", "normal"):
        (images.parent / "more" / key).mkdir(parents=True)
        picture = Image.fromarray(make_phantom(CLASS_ORDER[0], seed=len(key) + 20, size=64).pixels)
        picture.save(images.parent / "more" / key / "a.png")
    monkeypatch.chdir(images.parent)
    return images


@_VERBS
def test_a_mapped_name_that_nothing_has_is_told(
    two_sets: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    mapping = ["--map-label", "Astrocitoma=glioma", "--map-label", "astrocytoma=glioma"]
    # Of two data sets the second may be the one that has a name.
    mapping += ["--map-label", "normal=notumor"] if words[0] == "join" else []
    assert run(["data", *words, *mapping]) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if "--map-label" in line]
    there = "'astrocytoma', 'glioma', 'meningioma', " + ("'normal', " if words[0] == "join" else "")
    assert lines == [
        f"note: --map-label 'astrocitoma' was used for no image; the names there are {there}'notumor', 'pituitary'"
    ]


def test_a_name_that_only_the_source_of_a_trace_has_is_used(
    two_sets: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("trace", "images", "--source", "more", "--map-label", "normal=notumor", "--out", "out.csv")
    assert run(["data", *words]) == 0
    assert "was used for no image" not in capsys.readouterr().err


def test_of_many_names_the_first_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = []
    for number in range(12):
        path = tmp_path / f"{number}.png"
        Image.fromarray(make_phantom(CLASS_ORDER[0], seed=number, size=48).pixels).save(path)
        rows.append(f"{path.name},type {number:02}")
    (tmp_path / "t.csv").write_text("path,label\n" + "\n".join(rows) + "\n")
    mapping = [word for number in range(12) for word in ("--map-label", f"type {number:02}=glioma")]
    out = str(tmp_path / "out.csv")
    assert (
        run(["data", "index", str(tmp_path / "t.csv"), *mapping, "--map-label", "x=skip", "--out", out]) == 0
    )
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "--map-label" in line]
    assert line.endswith(
        "the names there are " + ", ".join(f"'type {k:02}'" for k in range(8)) + " and 4 more"
    )


@_VERBS
def test_links_that_lead_out_or_nowhere_stop_no_verb(
    two_sets: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    (two_sets / "glioma" / "gone.png").symlink_to(two_sets / "glioma" / "nothing.png")
    (two_sets / "glioma" / "out.png").symlink_to(two_sets.parent / "more" / "glioma" / "a.png")
    assert run(["data", *words]) == 0
    captured = capsys.readouterr()
    (line,) = [line for line in captured.err.splitlines() if "links" in line]
    assert line == (
        "note: 2 links that lead out of images or nowhere were passed over, the first is images/glioma/gone.png; "
        "put the files or folders themselves there"
    )
    if Path("out.csv").exists():
        assert "out.png" not in Path("out.csv").read_text()


@pytest.mark.parametrize(
    "words",
    [
        ("split", "m.csv", "--folds", "2", "--trust-groups", "--out", "m.csv"),
        ("split", "images", "--folds", "2", "--trust-groups", "--out", "images/manifest.csv"),
        ("index", "m.csv", "--out", "./images/../m.csv"),
        ("trace", "m.csv", "--source", "more", "--out", "m.csv"),
        ("trace", "more", "--source", "m.csv", "--out", "m.csv"),
        ("join", "more", "m.csv", "--out", "m.csv"),
        ("join", "more", "m.csv", "--out", "link.csv"),
    ],
    ids=" ".join,
)
def test_no_verb_writes_over_what_it_reads(
    two_sets: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("m.csv", "images/manifest.csv"):
        assert run(["data", "index", "images", "--out", name]) == 0
    Path("link.csv").symlink_to("m.csv")
    before = {path: path.read_bytes() for path in Path().rglob("*.csv")}
    capsys.readouterr()
    assert run(["data", *words]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert (
        f"--out {Path(words[-1])} is the manifest that is read and would be lost; give another name"
        in captured.err
    )
    assert {path: path.read_bytes() for path in Path().rglob("*.csv")} == before


def test_an_image_of_two_joined_sets_is_told(two_sets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = two_sets.parent / "more"
    (more / "glioma" / "again.png").write_bytes((two_sets / "glioma" / "0.png").read_bytes())
    (more / "glioma" / "other.png").write_bytes((two_sets / "notumor" / "1.png").read_bytes())
    words = ("join", "images", "more", "--map-label", "normal=notumor", "--out", "out.csv")
    assert run(["data", *words]) == 0
    assert (
        "note: 2 files are in more than one of the data sets, 1 of them with different labels\n"
        in capsys.readouterr().err
    )


def test_what_is_joined_beside_its_sets_may_be_moved_with_them(two_sets: Path, tmp_path: Path) -> None:
    assert run(["data", "join", "images", "more", "--out", "joined/all.csv"]) == 0
    before = read_manifest("joined/all.csv")
    assert str(tmp_path) not in Path("joined/all.csv").read_text()
    Path("moved").mkdir()
    for name in ("images", "more", "joined"):
        Path(name).rename(Path("moved") / name)
    after = read_manifest("moved/joined/all.csv")
    assert after.digest == before.digest
    assert [row.path.read_bytes() for row in after]
