"""Rows of a data set, from a CSV or a folder per class."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from pathlib import Path

import pytest

from tumorscope.core.errors import InvalidManifest, MissingInput
from tumorscope.core.labels import Diagnosis
from tumorscope.dataset.manifest_file import read_manifest


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Four files that differ and a fifth equal to the first; a manifest only hashes them."""
    for k in range(4):
        (tmp_path / f"{k}.png").write_bytes(bytes([k]) * 10)
    (tmp_path / "copy.png").write_bytes(bytes([0]) * 10)
    return tmp_path


def _write(folder: Path, text: str, name: str = "manifest.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class TestCsv:
    def test_path_and_label_are_enough(self, images: Path) -> None:
        manifest = read_manifest(
            _write(images, "path,label\n0.png,glioma\ncopy.png,GLIOMA \n1.png,notumor\n")
        )
        first, copy, other = manifest
        digest = _hash(bytes(10))
        assert (first.path, first.label, first.sha256) == (images / "0.png", Diagnosis.GLIOMA, digest)
        assert (first.group, first.slice_id, first.fold, first.patient) == (digest, digest, None, None)
        assert first.source == "unknown"
        assert copy.group == first.group != other.group
        assert manifest.weights().tolist() == [0.5, 0.5, 1.0]
        assert manifest.labels().tolist() == [0, 0, 2]
        assert manifest.root == images

    @pytest.mark.parametrize("start", ["", "\ufeff"])
    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_what_spreadsheets_write_is_read(self, images: Path, start: str, end: str) -> None:
        text = start + end.join(["label,extra,path", "glioma,,0.png", 'pituitary,"a, b",1.png', ""])
        assert [row.label.value for row in read_manifest(_write(images, text))] == ["glioma", "pituitary"]

    def test_a_folder_with_a_manifest_is_that_manifest(self, images: Path) -> None:
        path = _write(images, "path,label\n0.png,glioma\n")
        assert read_manifest(images) == read_manifest(path) == read_manifest(str(path))

    def test_all_columns_that_count_are_read(self, images: Path) -> None:
        text = "path,label,group,fold,patient_id,source\n0.png,glioma,patient:7,3,7,figshare\n"
        (row,) = read_manifest(_write(images, text))
        assert (row.group, row.fold, row.patient, row.source) == ("patient:7", 3, "7", "figshare")

    def test_a_slice_is_known_by_its_trace_then_its_cluster_then_its_content(self, images: Path) -> None:
        text = (
            "path,label,group,slice_id,cheng_slice\n"
            "0.png,glioma,patient:1,s1,12\n"
            "1.png,glioma,patient:1,,12\n"
            "2.png,glioma,cluster:5,,\n"
            "3.png,glioma,patient:1,,\n"
        )
        ids = [row.slice_id for row in read_manifest(_write(images, text))]
        assert ids == ["s1", "figshare:12", "cluster:5", _hash(bytes([3]) * 10)]

    def test_a_given_hash_is_taken_over(self, images: Path) -> None:
        given = "AB" * 32
        (row,) = read_manifest(_write(images, f"path,label,sha256\n0.png,glioma,{given}\n"))
        assert row.sha256 == given.lower()

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", r"manifest\.csv lacks the column 'path'"),
            ("path,class\n0.png,glioma\n", r"lacks the column 'label'; needed are: path, label"),
            ("path,label\n", r"manifest\.csv has no rows"),
            (
                "path,label\n0.png,glioma\n1.png,tumor\n",
                r"line 3: label 'tumor' is unknown; labels are glioma,",
            ),
            ("path,label\n0.png\n", r"line 2: label '' is unknown"),
            ("path,label,fold\n0.png,glioma,first\n", r"line 2: fold is 'first'; a whole number"),
            ("path,label,fold\n0.png,glioma,1.5\n", r"line 2: fold is '1\.5'"),
            ("path,label,sha256\n0.png,glioma,abc\n", r"line 2: sha256 is 'abc'; 64 hexadecimal digits"),
            (
                "path,label\n0.png,glioma\ngone.png,glioma\nlost.png,glioma\n",
                r"2 of 3 images named in manifest\.csv do not exist, the first is gone\.png",
            ),
        ],
    )
    def test_what_is_wrong_is_named_in_one_line(self, images: Path, text: str, message: str) -> None:
        with pytest.raises(InvalidManifest, match=message) as caught:
            read_manifest(_write(images, text))
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        "content", ["path,label\n0.png,glioma\n".encode("utf-16"), b"\x89PNG\r\n\x1a\n\xff"]
    )
    def test_what_is_not_utf8_is_refused(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "table.csv"
        path.write_bytes(content)
        with pytest.raises(InvalidManifest, match=r"table\.csv is not a CSV file in UTF-8"):
            read_manifest(path)

    def test_a_path_that_does_not_exist_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(MissingInput, match=r"nowhere does not exist; give a manifest"):
            read_manifest(tmp_path / "nowhere")


class TestFolder:
    def test_classes_are_found_at_any_depth(self, tmp_path: Path) -> None:
        for place in ("Training/glioma", "Testing/glioma", "Testing/notumor", "deep/er/pituitary"):
            folder = tmp_path / place
            folder.mkdir(parents=True)
            (folder / "a.png").write_bytes(place.encode())
            (folder / ".hidden").write_bytes(b"x")
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "b.png").write_bytes(b"x")
        manifest = read_manifest(tmp_path)
        assert [manifest.display_path(row) for row in manifest] == [
            "Testing/glioma/a.png",
            "Training/glioma/a.png",
            "Testing/notumor/a.png",
            "deep/er/pituitary/a.png",
        ]
        assert {row.source for row in manifest} == {tmp_path.name}

    def test_exact_copies_share_a_group_across_folders(self, tmp_path: Path) -> None:
        for place in ("Training/glioma", "Testing/glioma"):
            (tmp_path / place).mkdir(parents=True)
            (tmp_path / place / "a.png").write_bytes(b"same")
        first, second = read_manifest(tmp_path)
        assert (first.group, first.slice_id) == (second.group, second.slice_id)

    def test_a_folder_without_classes_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "glioma").mkdir()
        with pytest.raises(InvalidManifest, match=r"no images in sub-folders named glioma, meningioma"):
            read_manifest(tmp_path)


class TestDigest:
    TEXT = "path,label,group,slice_id,fold\n0.png,glioma,g,s,1\n1.png,notumor,h,t,2\n"

    @pytest.mark.parametrize(
        ("old", "new"),
        [("1.png", "2.png"), ("notumor", "glioma"), (",h,", ",g,"), (",t,", ",s,"), (",2\n", ",1\n")],
    )
    def test_it_changes_with_content_class_group_slice_and_fold(
        self, images: Path, old: str, new: str
    ) -> None:
        before = read_manifest(_write(images, self.TEXT)).digest
        after = read_manifest(_write(images, self.TEXT.replace(old, new))).digest
        assert before != after

    def test_it_does_not_change_with_names_and_places(self, images: Path) -> None:
        before = read_manifest(_write(images, self.TEXT)).digest
        (images / "moved").mkdir()
        (images / "0.png").rename(images / "moved" / "zero.png")
        text = self.TEXT.replace("0.png", "moved/zero.png")
        assert read_manifest(_write(images, text, "other.csv")).digest == before
        assert len(before) == 64

    def test_it_changes_with_the_order(self, images: Path) -> None:
        manifest = read_manifest(_write(images, self.TEXT))
        assert manifest.subset([1, 0]).digest != manifest.digest
        assert manifest.subset([0, 1]).digest == manifest.digest
        assert manifest.with_folds([1, 2]).digest == manifest.digest
        assert manifest.with_folds([1, 3]).digest != manifest.digest


def test_the_real_data_set_is_what_it_is_said_to_be(real_data: Path) -> None:
    manifest = read_manifest(real_data / "brain-tumor-mri")
    assert len(manifest) == 5314
    assert Counter(row.label.value for row in manifest) == {
        "glioma": 1112,
        "meningioma": 1276,
        "notumor": 1533,
        "pituitary": 1393,
    }
    assert len({row.group for row in manifest}) == 576
    assert len({row.group for row in manifest if row.patient}) == 164
    assert len({row.slice_id for row in manifest}) == 2674
    assert manifest.weights().sum() == pytest.approx(2674)
    assert {row.fold for row in manifest} == {1, 2, 3, 4}
    with (real_data / "brain-tumor-mri" / "manifest.csv").open(encoding="utf-8") as stream:
        mirrored = [row["mirrored_copy"] for row in csv.DictReader(stream)]
    sides: dict[str, set[str]] = {}
    for row, side in zip(manifest, mirrored, strict=True):
        sides.setdefault(row.slice_id, set()).add(side)
    assert sum(found == {"0", "1"} for found in sides.values()) == 1277  # a mirror image is the same slice


def test_the_hashes_of_the_real_manifest_are_those_of_its_files(real_data: Path) -> None:
    for row in read_manifest(real_data / "brain-tumor-mri").records[::200]:
        assert _hash(row.path.read_bytes()) == row.sha256
