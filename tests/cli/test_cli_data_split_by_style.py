"""``tumorscope data split --by-style``, and what becomes of its folds in training and evaluation."""

from __future__ import annotations

import json
import shlex
import shutil
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tiny_run import TINY, TinyRun
from tumorscope.cli.main import run
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.dataset.certificate import SplitCertificate, certificate_path
from tumorscope.dataset.facts import file_hash
from tumorscope.dataset.leaks import find_leaks, fold_sides, part_sides
from tumorscope.dataset.manifest import ImageRecord, Manifest, Part
from tumorscope.dataset.manifest_file import read_manifest, write_manifest
from tumorscope.dataset.styles import STYLES
from tumorscope.evaluation.predictions import read_predictions
from tumorscope.inference.verify import verify
from tumorscope.synthesis.phantom import write_phantoms
from tumorscope.synthesis.stresses import apply_stress

LOOKS = (("gamma-darker", 4), ("gamma-brighter", 4), ("noise", 4), ("resolution-lower", 4))


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """96 phantoms, each person in one of four looks; of one of them a slice lies in another person's look."""
    folder = tmp_path_factory.mktemp("styles") / "scans"
    list(write_phantoms(folder, 96, size=64))
    look_of: dict[str, int] = {}
    rows: list[ImageRecord] = []
    for record in read_manifest(folder):
        look = look_of.setdefault(record.group, len([g for g in look_of if g != record.group]) % len(LOOKS))
        with Image.open(record.path) as image:
            pixels = np.asarray(image.convert("L"))
        Image.fromarray(apply_stress(pixels, *LOOKS[look]).astype(np.uint8)).save(record.path)
        rows.append(replace(record, sha256=file_hash(record.path), pixels_sha256=None))
    write_manifest(Manifest(tuple(rows), folder), folder / "manifest.csv")
    return folder


@pytest.fixture(scope="module")
def by_style(scans: Path) -> Path:
    out = scans.parent / "by-style.csv"
    assert (
        run(["data", "split", str(scans), "--by-style", "--styles", "4", "--folds", "2", "--out", str(out)])
        == 0
    )
    return out


def test_no_style_and_no_group_lies_in_two_folds(scans: Path, by_style: Path) -> None:
    before, after = read_manifest(scans), read_manifest(by_style)
    assert [row.path.resolve() for row in after] == [row.path.resolve() for row in before]
    assert {row.style for row in after} == {"style-1", "style-2", "style-3", "style-4"}
    assert {row.fold for row in after if row.part is not Part.EXCLUDED} == {1, 2}
    folds: defaultdict[str, set[int]] = defaultdict(set)
    for row in after:
        assert (row.fold is None) == (row.part is Part.EXCLUDED)
        if row.fold is not None:
            for key in (row.style, row.group, row.slice_id):
                folds[str(key)].add(row.fold)
    assert all(len(found) == 1 for found in folds.values())
    assert find_leaks(after, fold_sides(after)) == find_leaks(after, part_sides(after)) == ()


def test_the_certificate_counts_what_lies_in_the_file(
    scans: Path, by_style: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    after = read_manifest(by_style)
    found = SplitCertificate.model_validate_json(certificate_path(by_style).read_text())
    assert (found.folds, found.images, found.near_copies.searched) == (2, 96, True)
    assert found.by_style is not None
    assert (found.by_style.asked, found.by_style.across_folds) == (4, 0)
    assert found.by_style.excluded == sum(row.part is Part.EXCLUDED for row in after)
    for fold in found.by_style.folds:
        own = [row for row in after if row.fold == fold.fold]
        assert set(fold.styles) == {row.style for row in own}
        for key in CLASS_ORDER:
            count = sum(row.label is key for row in own)
            assert fold.images_by_class[key.value] == count
            assert sum(images[key.value] for images in fold.styles.values()) == count
            assert (key.value in fold.absent) == (count == 0)
    # The command makes the same files, and says what lies where.
    first = by_style.read_bytes(), certificate_path(by_style).read_bytes()
    words = shlex.split(found.command)
    assert run(words[1:]) == 0
    assert (by_style.read_bytes(), certificate_path(by_style).read_bytes()) == first
    printed = capsys.readouterr().out
    for fold in found.by_style.folds:
        for name, images in fold.styles.items():
            assert f"fold {fold.fold}, {name}: glioma {images['glioma']}, " in printed
    assert (
        "styles in two folds: 0; excluded, in a style of another fold than most of their group: " in printed
    )
    assert "not estimable" not in printed


def test_the_same_images_by_group_keep_their_styles(by_style: Path, tmp_path: Path) -> None:
    out = tmp_path / "by-group.csv"
    assert run(["data", "split", str(by_style), "--folds", "2", "--out", str(out)]) == 0
    before, after = read_manifest(by_style), read_manifest(out)
    assert [(row.style, row.part) for row in after] == [(row.style, row.part) for row in before]
    folds: defaultdict[str, set[int]] = defaultdict(set)
    for row in after:
        if row.fold is not None:
            folds[str(row.style)].add(row.fold)
    assert max(len(found) for found in folds.values()) == 2
    assert SplitCertificate.model_validate_json(certificate_path(out).read_text()).by_style is None


def test_images_of_a_joined_group_that_lie_in_another_style_are_excluded(
    scans: Path, by_style: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, split = list(read_manifest(scans)), read_manifest(by_style).records
    other = next(rows[k] for k, row in enumerate(split) if row.fold not in (None, split[0].fold))
    # A mirrored copy of one person's slice among those of another, who has another look, ties the two together.
    twin = rows[0].path.with_name("twin.png")
    with Image.open(rows[0].path) as image:
        image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(twin)
    more = replace(other, path=twin, slice_id="twin", sha256=file_hash(twin))
    write_manifest(Manifest((*rows, more), scans), scans / "tied.csv")
    out = tmp_path / "x.csv"
    words = ["data", "split", str(scans / "tied.csv"), "--by-style", "--styles", "4", "--folds", "2"]
    assert run([*words, "--out", str(out)]) == 0
    after = read_manifest(out)
    joined = {after.records[0].group}
    assert joined == {
        row.group for row, before in zip(after, rows, strict=False) if before.group == other.group
    }
    excluded = [row for row in after if row.part is Part.EXCLUDED]
    kept = [row for row in after if row.group in joined and row.fold is not None]
    assert excluded
    assert {row.group for row in excluded} == joined
    assert len({row.fold for row in kept}) == 1
    assert {row.style for row in kept}.isdisjoint({row.style for row in excluded})
    assert f"most of their group: {len(excluded)} images" in capsys.readouterr().out


def test_an_image_that_cannot_be_read_is_left_out(
    scans: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = list(read_manifest(scans))
    broken, blank = scans / "broken.png", scans / "blank.png"
    broken.write_bytes(rows[0].path.read_bytes()[:200])
    Image.fromarray(np.zeros((64, 64), dtype=np.uint8)).save(blank)
    more = [
        replace(rows[0], path=path, group=path.name, slice_id=path.name, patient=None, sha256=file_hash(path))
        for path in (broken, blank)
    ]
    write_manifest(Manifest((more[0], *rows[:40], more[1], *rows[40:]), scans), scans / "broken.csv")
    out = tmp_path / "x.csv"
    words = ["data", "split", str(scans / "broken.csv"), "--by-style", "--folds", "2", "--out", str(out)]
    assert run(words) == 1
    assert "broken.png" in capsys.readouterr().err
    after = read_manifest(out)
    assert [row.path.name for row in after] == [row.path.name for row in rows]
    assert all(row.style for row in after)
    assert SplitCertificate.model_validate_json(certificate_path(out).read_text()).left_out == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--by-style",), "--by-style makes folds of whole styles: give --folds K"),
        (("--by-style", "--folds", "2", "--hold-out", "0.2"), "and no part in the same command"),
        (("--by-style", "--folds", "2", "--keep-folds"), "--by-style makes folds"),
        (("--by-style", "--folds", "2", "--seed", "3"), "--seed decides nothing of a split by style"),
        (("--by-style", "--folds", "2", "--trust-groups"), "leave --trust-groups away"),
        (("--by-style", "--folds", "5", "--styles", "4"), "5 folds of 4 styles were asked for"),
        (("--by-style", "--folds", "1"), "1 folds of 8 styles were asked for"),
        (("--folds", "2", "--styles", "4"), "give --by-style with it"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(
    scans: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], message: str
) -> None:
    assert run(["data", "split", str(scans), *words, "--out", str(tmp_path / "x.csv")]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert list(tmp_path.iterdir()) == []


def test_the_help_says_how_many_styles_are_looked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "split", "--help"]) == 0
    assert f"--by-style looks for; {STYLES} if" in " ".join(capsys.readouterr().out.replace("│", " ").split())


def test_training_carries_the_styles_to_the_figures(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its folds are finished, so that they are only read; what is new are the styles of its images."""
    monkeypatch.setenv("TUMORSCOPE_CACHE", str(tiny_run.cache))
    out, styled = tmp_path / "run", tmp_path / "styled.csv"
    shutil.copytree(tiny_run.out, out)
    rows = tuple(replace(row, style=f"style-{row.fold}") for row in read_manifest(tiny_run.data))
    write_manifest(Manifest(rows, tiny_run.data), styled)
    assert run(["train", "--data", str(styled), "--out", str(out), *TINY, "--folds", "--resume"]) == 0
    assert f"tumorscope evaluate --model {out} --protocol shifted" in capsys.readouterr().out
    table, before = read_predictions(out), read_predictions(tiny_run.out)
    assert table.styles is not None
    style_of = {row.sha256: row.style for row in rows}
    assert table.styles.tolist() == [style_of[digest] for digest in table.hashes]
    assert (table.logits.tobytes(), before.styles) == (before.logits.tobytes(), None)

    assert run(["evaluate", "--model", str(out), "--protocol", "shifted"]) == 0
    found = json.loads((out / "evaluation.json").read_text())
    assert (found["protocol"], found["images"], found["leaks"]) == ("shifted", 72, {})
    assert run(["evaluate", "--model", str(out), "--protocol", "patient-wise"]) == 0
    notes = json.loads((out / "evaluation.json").read_text())["notes"]
    assert any(note.startswith("The folds are whole intensity styles: fold 1 has style-1;") for note in notes)

    # The figures of a bundle that such a run makes are under their own name too.
    assert run(["export", str(out), "--out", str(tmp_path / "bundle.onnx")]) == 0
    card = verify((tmp_path / "bundle.onnx").read_bytes(), "bundle")
    assert [measured.protocol for measured in card.evaluation] == ["shifted"]
    assert card.evaluation[0].command.endswith("--protocol shifted")
