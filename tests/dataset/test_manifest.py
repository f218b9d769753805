"""Rows of a data set, from a CSV or Parquet file or a folder per class, and back."""

from __future__ import annotations

import csv
import hashlib
import re
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tumorscope.core.errors import InvalidManifest, MissingInput
from tumorscope.core.labels import Diagnosis
from tumorscope.dataset.class_names import ClassNames
from tumorscope.dataset.manifest import Box, ImageRecord, Manifest, OfficialSplit, Part
from tumorscope.dataset.manifest_file import COLUMNS, SCHEMA, read_manifest, write_manifest
from tumorscope.dataset.table import read_table

PAGE = Path(__file__).parents[2] / "docs" / "manifest.md"


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
            ("", r"manifest\.csv lacks the columns 'path' and 'label'; its columns are none"),
            (
                "path,class\n0.png,glioma\n",
                r"lacks the column 'label'; its columns are 'path', 'class'; call",
            ),
            (
                "image,diagnosis\n0.png,glioma\n",
                r"lacks the columns 'path' and 'label'; its columns are 'image', 'diagnosis'; call that of the image "
                r"files path and that of the classes label",
            ),
            (
                "path;label\n0.png;glioma\n",
                r"its first line, 'path;label', is separated by ';'; save the table with commas",
            ),
            ("path\tlabel\n0.png\tglioma\n", r"is separated by a tab; save the table with commas"),
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
                r"2 of 3 images named in manifest\.csv do not exist, the first is gone\.png in line 3;",
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
        with pytest.raises(InvalidManifest, match=r"table\.csv is neither a CSV file in UTF-8 nor Parquet"):
            read_manifest(path)

    def test_a_path_that_does_not_exist_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(MissingInput, match=r"nowhere does not exist; give a manifest"):
            read_manifest(tmp_path / "nowhere")

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (
                "path,label\n0.png,glioma\n\n./0.png,glioma\n",
                r"line 4: path '\./0\.png' is named before, at .* line 2",
            ),
            (
                'path,label,note\n0.png,glioma,"two\nlines"\n1.png,tumor,\n',
                r"line 4: label 'tumor' is unknown",
            ),
            ("path,label\n0.png,glioma,7\n", r"line 2 has 3 cells, the first line 2; put quotes"),
            (
                "path,label,patient,patient_id\n0.png,glioma,1,2\n",
                r"'patient' or 'patient_id' more than once",
            ),
            ("path,label,label\n0.png,glioma,notumor\n", r"the column 'label' more than once"),
            ("path,label\n,glioma\n", r"line 2: path is empty"),
            ("path,label\nsub,glioma\n", r"1 of 1 images .* do not exist, the first is sub"),
            ("path,label,mirrored\n0.png,glioma,yes\n", r"mirrored is 'yes'; accepted are 1, 0, true, false"),
            ("path,label,part\n0.png,glioma,val\n", r"part is 'val'; accepted are train, test, excluded"),
            ("path,label,official_split\n0.png,glioma,dev\n", r"accepted are Training, Testing"),
            ("path,label,source_label\n0.png,glioma,cat\n", r"source_label is 'cat'; accepted are glioma,"),
            ("path,label,box_cx\n0.png,glioma,0.5\n", r"four fractions from 0 to 1 are needed, or none"),
            ("path,label,box_cx,box_cy,box_w,box_h\n0.png,glioma,0,0,nan,1\n", r"four fractions"),
            ("path,label,box_cx,box_cy,box_w,box_h\n0.png,glioma,0,0,1,1.01\n", r"four fractions"),
            (
                "path,label,schema\n0.png,glioma,tumorscope/manifest/9\n",
                r"'tumorscope/manifest/9'; this version reads",
            ),
            ("path,label,cheng_slice\n0.png,glioma,x\n", r"cheng_slice is 'x'; a whole number"),
            (
                f"path,label\n{'n' * 5000}.png,glioma\n",
                r"1 of 1 images .* do not exist, the first is n{30}\.\.\.n{26}\.png in line 2;",
            ),
            (f"path,label,fold\n0.png,glioma,{'9' * 5000}\n", r"fold is '9{30}\.\.\.9{30}'; a whole number"),
            (
                f"path,label,note\n0.png,glioma,{'x' * 200_000}\n",
                r"line 2 is no line of a CSV file: field larger",
            ),
        ],
    )
    def test_further_mistakes_are_named_in_one_line(self, images: Path, text: str, message: str) -> None:
        (images / "sub").mkdir()
        with pytest.raises(InvalidManifest, match=message) as caught:
            read_manifest(_write(images, text))
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 300

    @pytest.mark.parametrize(
        "path",
        [
            "../x.png", "a/../../x.png", "..\\x.png", "a\\..\\..\\x.png", "/etc/hostname", "\\x.png", "C:x.png",
            "c:\\x.png", "C:/x.png", "\\\\host\\share\\x.png", "//host/share/x.png", " ../x.png", "x\0.png",
        ],
    )  # fmt: skip
    def test_a_path_may_not_leave_its_folder(self, images: Path, path: str) -> None:
        (images.parent / "x.png").write_bytes(b"x")
        with pytest.raises(InvalidManifest, match=r"line 2: path .* leaves the folder of the manifest"):
            read_manifest(_write(images, f"path,label\n{path},glioma\n"))

    def test_a_link_may_not_leave_its_folder(self, images: Path) -> None:
        outside = images.parent / f"{images.name}-outside"  # its name begins like that of the folder
        outside.mkdir()
        (outside / "x.png").write_bytes(b"x")
        (images / "file.png").symlink_to(outside / "x.png")
        (images / "folder").symlink_to(outside, target_is_directory=True)
        (images / "chain.png").symlink_to(images / "file.png")
        (images / "inside.png").symlink_to(images / "0.png")
        for path in ("file.png", "folder/x.png", "chain.png"):
            with pytest.raises(InvalidManifest, match="is a link that leaves the folder"):
                read_manifest(_write(images, f"path,label\n{path},glioma\n"))
        assert len(read_manifest(_write(images, "path,label\ninside.png,glioma\n"))) == 1

    def test_backslashes_lead_into_folders(self, images: Path) -> None:
        (images / "sub").mkdir()
        (images / "0.png").rename(images / "sub" / "0.png")
        (row,) = read_manifest(_write(images, "path,label\nsub\\0.png,glioma\n"))
        assert row.path == images / "sub" / "0.png"

    def test_labels_are_mapped_or_left_out(self, images: Path) -> None:
        path = _write(images, "path,label\n0.png,Astrocytoma\n1.png,metastasis\n2.png,no tumour\n")
        names = ClassNames.parse(["astrocytoma=glioma", "Metastasis=skip"])
        assert [row.label.value for row in read_manifest(path, names)] == ["glioma", "notumor"]
        with pytest.raises(InvalidManifest, match="has no rows that are not left out"):
            read_manifest(
                _write(images, "path,label\n1.png,metastasis\n"), ClassNames.parse(["metastasis=skip"])
            )


class TestParquet:
    def test_what_other_tools_write_is_read(self, images: Path) -> None:
        frame = polars.DataFrame(
            {
                "path": ["0.png", "1.png"],
                "label": polars.Series(["glioma", "notumor"], dtype=polars.Categorical),
                "fold": polars.Series([1.0, float("nan")], dtype=polars.Float32),
                "mirrored": [1.0, None],
                "patient": polars.Series([7, None], dtype=polars.Int16),
                "width": polars.Series([512, 256], dtype=polars.UInt16),
                "box_cx": polars.Series([0.5, None], dtype=polars.Float32),
                "box_cy": [0.25, None],
                "box_w": [1, 0],
                "box_h": [1, 0],
                "tags": [["a"], ["b"]],
                "__index_level_0__": [3, 4],
            }
        ).with_columns(polars.when(polars.col("path") == "0.png").then(polars.col("box_w")).alias("box_w"))
        frame = frame.with_columns(
            polars.when(polars.col("path") == "0.png").then(polars.col("box_h")).alias("box_h")
        )
        frame.write_parquet(images / "m.parquet")
        first, second = read_manifest(images / "m.parquet")
        assert (first.label, first.fold, first.mirrored, first.patient) == (Diagnosis.GLIOMA, 1, True, "7")
        assert (first.width, first.box) == (512, Box(0.5, 0.25, 1.0, 1.0))
        assert (second.fold, second.mirrored, second.patient, second.box) == (None, None, None, None)

    def test_columns_have_their_types(self, images: Path) -> None:
        manifest = read_manifest(_write(images, "path,label,fold,mirrored\n0.png,glioma,3,1\n"))
        write_manifest(manifest, images / "m.parquet")
        schema = polars.read_parquet(images / "m.parquet").schema
        kinds = {str: polars.String, int: polars.Int64, float: polars.Float64, bool: polars.Boolean}
        assert dict(schema) == {name: kinds[kind] for name, kind in COLUMNS.items()}

    def test_rows_are_named_in_messages(self, images: Path) -> None:
        polars.DataFrame({"path": ["0.png", "1.png"], "label": ["glioma", "x"]}).write_parquet(
            images / "m.parquet"
        )
        with pytest.raises(InvalidManifest, match=r"m\.parquet row 2: label 'x' is unknown"):
            read_manifest(images / "m.parquet")

    def test_a_folder_with_both_is_its_parquet(self, images: Path) -> None:
        polars.DataFrame({"path": ["1.png"], "label": ["glioma"]}).write_parquet(images / "manifest.parquet")
        _write(images, "path,label\n0.png,glioma\n")
        assert [row.path.name for row in read_manifest(images)] == ["1.png"]


def _texts(alphabet: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.text(alphabet, min_size=1, max_size=12).filter(lambda text: text == text.strip())


_ANY = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
_NAMES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1, max_size=20
).filter(
    lambda name: name not in (".", "..") and name.strip() and ":" not in name and ".." not in name.split("\\")
    and not name.strip().startswith("\\") and len(name.encode()) < 200
)  # fmt: skip
_HASHES = st.binary(min_size=32, max_size=32).map(bytes.hex)
_FRACTIONS = st.floats(0, 1)


@st.composite
def _records(draw: st.DrawFn) -> ImageRecord:
    optional = {
        "fold": st.integers(-5, 10**12),
        "patient": _texts(_ANY),
        "dataset": _texts(_ANY),
        "official_split": st.sampled_from(OfficialSplit),
        "part": st.sampled_from(Part),
        "style": _texts(_ANY),
        "mirrored": st.booleans(),
        "source_label": st.sampled_from(Diagnosis),
        "box": st.builds(Box, _FRACTIONS, _FRACTIONS, _FRACTIONS, _FRACTIONS),
        "width": st.integers(1, 10**6),
        "height": st.integers(1, 10**6),
        "mode": _texts(_ANY),
        "pixels_sha256": _HASHES,
    }
    row = ImageRecord(
        Path(draw(_NAMES)),
        draw(st.sampled_from(Diagnosis)),
        group=draw(_texts(_ANY)),
        slice_id=draw(_texts(_ANY)),
        sha256=draw(_HASHES),
        source=draw(_texts(_ANY)),
    )
    known: Any = {name: draw(st.none() | choice) for name, choice in optional.items()}
    return replace(row, **known)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(_records(), min_size=1, max_size=4, unique_by=lambda row: row.path),
    suffix=st.sampled_from([".csv", ".parquet"]),
    places=st.lists(st.sampled_from(["below", "elsewhere", "other"]), min_size=4, max_size=4),
)
def test_what_is_written_reads_back_the_same(rows: list[ImageRecord], suffix: str, places: list[str]) -> None:
    """Images below the manifest's folder, below the root that lies elsewhere, and outside both."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        homes = {
            "below": folder / "here" / "in",
            "elsewhere": folder / "root" / "a",
            "other": folder / "third",
        }
        for home in homes.values():
            home.mkdir(parents=True)
        placed = tuple(
            replace(row, path=homes[place] / row.path) for row, place in zip(rows, places, strict=False)
        )
        for row in placed:
            row.path.touch()
        manifest = Manifest(placed, folder / "root")
        write_manifest(manifest, folder / "here" / f"m{suffix}")
        again = read_manifest(folder / "here" / f"m{suffix}")
        assert again.records == placed
        if set(places[: len(rows)]) == {"elsewhere"}:
            assert again.root == manifest.root
        assert again.digest == manifest.digest


def test_a_manifest_is_valid_wherever_its_folder_goes(
    images: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("home") / "set"
    manifest = read_manifest(_write(images, "path,label\n0.png,glioma\n"))
    write_manifest(manifest, images / "manifest.csv")
    images.rename(home)
    (row,) = read_manifest(home)
    assert row.path == home / "0.png"
    assert str(images) not in (home / "manifest.csv").read_text(encoding="utf-8")


class TestRoot:
    """How a manifest names the folder of images that lie elsewhere."""

    @pytest.mark.parametrize(
        ("place", "root"),
        [("set/images", "../images"), ("set", ".."), ("set/images/a/b", "../images/a/b"), ("set/out/in", "")],
    )
    @pytest.mark.parametrize("name", ["m.csv", "m.parquet"])
    def test_neighbours_may_be_moved_together(self, tmp_path: Path, place: str, root: str, name: str) -> None:
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "0.png").write_bytes(b"x")
        before = read_manifest(_write(tmp_path / place, "path,label\n0.png,glioma\n"))
        out = tmp_path / "set" / "out" / name
        write_manifest(before, out)
        assert read_table(out).rows[0][list(COLUMNS).index("root")] == root
        (tmp_path / "set").rename(tmp_path / "moved")
        (row,) = read_manifest(tmp_path / "moved" / "out" / name)
        assert row.path == tmp_path / "moved" / Path(place).relative_to("set") / "0.png"

    def test_what_lies_far_off_is_named_absolutely(self, tmp_path: Path) -> None:
        (tmp_path / "images").mkdir()
        (tmp_path / "images" / "0.png").write_bytes(b"x")
        before = read_manifest(_write(tmp_path / "images", "path,label\n0.png,glioma\n"))
        out = tmp_path / "a" / "b" / "m.csv"
        write_manifest(before, out)
        assert read_table(out).rows[0][list(COLUMNS).index("root")] == str(tmp_path / "images")
        assert read_manifest(out).records == before.records

    def test_a_link_does_not_make_it_another_folder(self, tmp_path: Path) -> None:
        """The folder above one that is reached by a link is not the one that its name suggests."""
        for folder in ("here/images", "there/out", "there/images"):
            (tmp_path / folder).mkdir(parents=True)
        (tmp_path / "here" / "images" / "0.png").write_bytes(b"mine")
        (tmp_path / "there" / "images" / "0.png").write_bytes(b"another")
        (tmp_path / "here" / "out").symlink_to(tmp_path / "there" / "out", target_is_directory=True)
        before = read_manifest(_write(tmp_path / "here" / "images", "path,label\n0.png,glioma\n"))
        write_manifest(before, tmp_path / "here" / "out" / "m.csv")
        for out in ("here/out/m.csv", "there/out/m.csv"):
            (row,) = read_manifest(tmp_path / out)
            assert row.path.read_bytes() == b"mine"
        # A root that somebody wrote is where the disk says it is.
        text = "path,label,root\n0.png,glioma,../images\n"
        (row,) = read_manifest(_write(tmp_path / "here" / "out", text))
        assert row.path.read_bytes() == b"another"


def test_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    row = ImageRecord(tmp_path / "a\udcff.png", Diagnosis.GLIOMA, group="g", slice_id="s", sha256="0" * 64)
    for name in ("m.csv", "m.parquet"):
        with pytest.raises(InvalidManifest, match="no valid Unicode text; rename the file"):
            write_manifest(Manifest((row,), tmp_path), tmp_path / name)
        assert not (tmp_path / name).exists()
    with pytest.raises(InvalidManifest, match=r"m\.xlsx names no table"):
        write_manifest(Manifest((row,), tmp_path), tmp_path / "m.xlsx")


class TestPage:
    def test_its_table_lists_the_columns_with_their_types(self) -> None:
        text = PAGE.read_text(encoding="utf-8")
        listed = re.findall(r"^\| `(\w+)` \| (\w+) \| .*\S.* \|$", text, flags=re.MULTILINE)
        words = {str: "text", int: "integer", float: "float", bool: "boolean"}
        assert listed == [(name, words[kind]) for name, kind in COLUMNS.items()]
        assert f"`{SCHEMA}`" in text


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
            "Testing/notumor/a.png",
            "Training/glioma/a.png",
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


@pytest.mark.parametrize("name", ["manifest.csv", "manifest.parquet"])
def test_the_real_manifest_is_read_whole_and_round_trips(real_data: Path, tmp_path: Path, name: str) -> None:
    manifest = read_manifest(real_data / "brain-tumor-mri")
    with (real_data / "brain-tumor-mri" / "manifest.csv").open(encoding="utf-8") as stream:
        for row, cells in zip(manifest, csv.DictReader(stream), strict=True):
            assert (row.official_split, row.source) == (cells["official_split"], cells["source"])
            assert (row.patient or "", row.source_label or "") == (cells["patient_id"], cells["cheng_label"])
            assert row.mirrored == {"1": True, "0": False, "": None}[cells["mirrored_copy"]]
            box = [cells[key] for key in ("box_cx", "box_cy", "box_w", "box_h")]
            assert row.box == (Box(*map(float, box)) if any(box) else None)
            assert (str(row.width), str(row.height), row.mode) == (
                cells["width"],
                cells["height"],
                cells["mode"],
            )
    write_manifest(manifest, tmp_path / name)
    again = read_manifest(tmp_path / name)
    assert again.records == manifest.records
    assert again.root == manifest.root


def test_the_hashes_of_the_real_manifest_are_those_of_its_files(real_data: Path) -> None:
    for row in read_manifest(real_data / "brain-tumor-mri").records[::200]:
        assert _hash(row.path.read_bytes()) == row.sha256
