"""Trees with a folder per class become manifests."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tumorscope.core.errors import InvalidManifest, MissingInput
from tumorscope.core.labels import Diagnosis
from tumorscope.dataset.class_names import ClassNames
from tumorscope.dataset.index import foreign_links, index_folder, measure, other_files, unlabelled_folders
from tumorscope.dataset.manifest import OfficialSplit
from tumorscope.synthesis.phantom import make_phantom

Fill = Callable[..., Path]


@pytest.fixture
def fill(tmp_path: Path) -> Fill:
    """Make files below ``tree``; their content is their path."""

    def make(*paths: str) -> Path:
        for path in paths:
            (tmp_path / "tree" / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "tree" / path).write_text(path)
        return tmp_path / "tree"

    return make


def test_the_nearest_class_folder_counts_and_split_folders_are_known(fill: Fill) -> None:
    tree = fill(
        "Training/glioma/a.png", "test/notumor/sub/b.png", "glioma/pituitary/c.png", "pituitary/TRAIN/d.png",
        "x/no_tumor/e.png", "loose.png", "notes/f.png", "glioma/.hidden.png", ".git/glioma/g.png",
    )  # fmt: skip
    rows = {row.path.name: (row.label.value, row.official_split) for row in index_folder(tree)}
    assert rows == {
        "a.png": ("glioma", OfficialSplit.TRAINING),
        "b.png": ("notumor", OfficialSplit.TESTING),
        "c.png": ("pituitary", None),
        "d.png": ("pituitary", OfficialSplit.TRAINING),
        "e.png": ("notumor", None),
    }
    assert {row.source for row in index_folder(tree)} == {"tree"}
    assert [path.name for path in unlabelled_folders(tree)] == ["tree", "notes"]


def test_what_neither_name_nor_content_makes_an_image_is_passed_over_everywhere(fill: Fill) -> None:
    tree = fill(
        "glioma/a.png", "glioma/notes.txt", "glioma/Thumbs.db", "glioma/old.gif", "other/readme.txt", "left/x.txt",
        "README.md",
    )  # fmt: skip
    Image.fromarray(make_phantom(Diagnosis.GLIOMA, 1, 64).pixels).save(tree / "glioma" / "bare", "PNG")
    Image.fromarray(make_phantom(Diagnosis.GLIOMA, 2, 64).pixels).save(tree / "other" / "bare", "PNG")
    names = ClassNames.parse(["left=skip"])
    assert [row.path.name for row in index_folder(tree, names)] == ["a.png", "bare", "old.gif"]
    assert [path.name for path in unlabelled_folders(tree, names)] == ["other"]
    assert [path.name for path in other_files(tree, names)] == ["Thumbs.db", "notes.txt", "readme.txt"]


def test_the_order_is_that_of_the_paths_as_text(fill: Fill, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the order in which a disk lists its files nor case-blind comparison changes it."""
    tree = fill(
        "glioma/b.png", "glioma/B.png", "glioma/a/z.png", "glioma/a.png", "glioma/A/y.png", "Glioma2/x.png"
    )
    expected = ["glioma/A/y.png", "glioma/B.png", "glioma/a.png", "glioma/a/z.png", "glioma/b.png"]
    first = index_folder(tree)
    assert [first.display_path(row) for row in first] == expected
    real = os.walk

    def shuffled(top: Path, **options: Any) -> Iterator[tuple[str, list[str], list[str]]]:
        for where, below, files in real(os.fspath(top), **options):
            below.reverse()
            files.reverse()
            yield where, below, files

    monkeypatch.setattr(os, "walk", shuffled)
    assert index_folder(tree).digest == first.digest


def test_one_file_in_two_class_folders_is_one_group_of_two_labels(fill: Fill) -> None:
    tree = fill("glioma/a.png", "notumor/a.png")
    (tree / "notumor" / "a.png").write_text("glioma/a.png")
    first, second = index_folder(tree)
    assert first.group == second.group
    assert {first.label, second.label} == {Diagnosis.GLIOMA, Diagnosis.NOTUMOR}


def test_names_are_mapped_or_left_out(fill: Fill) -> None:
    tree = fill("astrocytoma/a.png", "metastasis/b.png", "glioma/c.png", "other/d.png")
    names = ClassNames.parse(["astrocytoma=glioma", "metastasis=skip"])
    assert [row.path.name for row in index_folder(tree, names)] == ["a.png", "c.png"]
    assert [path.name for path in unlabelled_folders(tree, names)] == ["other"]


def test_links_that_lead_out_or_nowhere_are_passed_over_and_never_read(fill: Fill, tmp_path: Path) -> None:
    tree = fill("glioma/a.png", "plain/b.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "x.png").write_text("x")
    (tree / "glioma" / "inside.png").symlink_to(tree / "glioma" / "a.png")
    (tree / "plain" / "unused.png").symlink_to(tmp_path / "out" / "x.png")
    assert [row.path.name for row in index_folder(tree)] == ["a.png", "inside.png"]
    assert foreign_links(tree) == ()  # what has no class is of no concern
    before = index_folder(tree).digest
    (tree / "glioma" / "link.png").symlink_to(tmp_path / "out" / "x.png")
    (tree / "glioma" / "chain.png").symlink_to(tree / "plain" / "unused.png")
    (tree / "glioma" / "gone.png").symlink_to(tree / "glioma" / "nothing.png")
    (tree / "glioma" / "ring.png").symlink_to(tree / "glioma" / "ring.png")
    (tree / "notumor").symlink_to(tmp_path / "out", target_is_directory=True)
    (tmp_path / "out" / "x.png").chmod(0)
    assert index_folder(tree).digest == before
    assert [path.name for path in foreign_links(tree)] == [
        "notumor", "chain.png", "gone.png", "link.png", "ring.png",
    ]  # fmt: skip
    assert foreign_links(tree, ClassNames.parse(["glioma=skip"])) == (tree / "notumor",)


def test_a_folder_of_links_alone_is_refused_with_the_reason(fill: Fill, tmp_path: Path) -> None:
    tree = fill("readme.txt")
    (tree / "glioma").mkdir()
    (tree / "glioma" / "a.png").symlink_to(tmp_path / "away.png")
    with pytest.raises(
        InvalidManifest, match=r"1 links that lead out of it or nowhere, the first is .*a\.png; put"
    ):
        index_folder(tree)


def test_a_ring_of_links_ends(fill: Fill) -> None:
    tree = fill("glioma/a.png")
    (tree / "glioma" / "again").symlink_to(tree, target_is_directory=True)
    assert len(index_folder(tree)) == 1


def test_a_folder_that_may_not_be_read_is_named(fill: Fill, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = fill("glioma/a.png", "notumor/b.png")
    real = os.scandir

    def closed(path: str) -> object:  # the tests may run as a user who may read everything
        if str(path).endswith("notumor"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(MissingInput, match="notumor may not be read"):
        index_folder(tree)


def test_a_folder_of_empty_classes_is_refused(fill: Fill) -> None:
    tree = fill("readme.txt")
    (tree / "glioma").mkdir()
    with pytest.raises(InvalidManifest, match="no images in sub-folders named glioma"):
        index_folder(tree)


def test_every_image_is_measured_and_groups_follow_changed_files(fill: Fill) -> None:
    tree = fill("glioma/broken.png")
    for k in range(2):
        Image.fromarray(make_phantom(Diagnosis.GLIOMA, k, 64).pixels[:50]).save(tree / "glioma" / f"{k}.png")
    manifest = index_folder(tree)
    stale = replace(manifest.records[0], sha256="0" * 64, group="0" * 64, slice_id="0" * 64)
    kept = replace(manifest.records[1], group="patient:1", slice_id="figshare:3")
    counts: list[tuple[int, int]] = []
    given = replace(manifest, records=(stale, kept, manifest.records[2]))
    indexed = measure(given, lambda done, total: counts.append((done, total)))
    first, second = indexed.manifest
    assert (first.width, first.height, first.mode) == (64, 50, "L")
    assert first.group == first.slice_id == first.sha256 == manifest.records[0].sha256
    assert (second.group, second.slice_id) == ("patient:1", "figshare:3")
    assert first.pixels_sha256 != second.pixels_sha256
    assert [failure.path.name for failure in indexed.failures] == ["broken.png"]
    assert counts[-1] == (3, 3)
