"""The study's set from small sources of the real shapes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from io import BytesIO
from pathlib import Path

import numpy as np
import polars
import pytest
from PIL import Image

from source_files import (
    br35h_files,
    figshare_files,
    picture,
    pixels,
    sartaj_files,
    write_files,
)
from tumorscope.core.errors import InvalidConfiguration, InvalidManifest, MissingInput
from tumorscope.core.labels import Diagnosis
from tumorscope.dataset.index import measure
from tumorscope.dataset.manifest import ImageRecord, Manifest
from tumorscope.dataset.manifest_file import read_manifest
from tumorscope.dataset.sources.catalogue import SourceName
from tumorscope.dataset.sources.exact_copies import CopyRule
from tumorscope.dataset.sources.fetch import fetch
from tumorscope.dataset.sources.merge import Merged, merge

Folders = dict[SourceName, Path]


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """The three sources as fetching leaves them; SARTAJ holds two copies, one of them of another class."""
    base = tmp_path_factory.mktemp("sources")
    sartaj = sartaj_files()
    sartaj["Testing/no_tumor/copy.jpg"] = br35h_files()["no/no0.jpg"]
    sartaj["Testing/pituitary_tumor/wrong.jpg"] = sartaj["Training/meningioma_tumor/image(1).jpg"]
    files = {
        SourceName.FIGSHARE: figshare_files(),
        SourceName.SARTAJ: sartaj,
        SourceName.BR35H: br35h_files(),
    }
    folders = {}
    for name, content in files.items():
        folders[name] = base / name.value
        fetch(name, folders[name], origin=write_files(base / f"{name.value}-in", content))
    return folders


@pytest.fixture
def kept(fetched: Folders, tmp_path: Path) -> Merged:
    return merge(fetched, tmp_path / "out")


def test_each_class_comes_from_its_sources(kept: Merged) -> None:
    counts = Counter((row.label.value, row.source) for row in kept.manifest)
    assert counts == {
        ("glioma", "figshare"): 3,
        ("meningioma", "figshare"): 3,
        ("meningioma", "sartaj"): 4,
        ("notumor", "br35h"): 3,
        ("notumor", "sartaj"): 5,
        ("pituitary", "figshare"): 2,
        ("pituitary", "sartaj"): 5,
    }
    assert read_manifest(kept.path) == kept.manifest
    assert measure(kept.manifest).manifest.records == kept.manifest.records


def test_figshare_slices_become_pictures_between_their_extremes(kept: Merged) -> None:
    row = next(row for row in kept.manifest if row.slice_id == "figshare:2")
    assert row.path.name == "figshare-0002.png"
    assert row.path.parent.name == "glioma"
    with Image.open(row.path) as image:
        assert image.mode == "L"
        gray = np.asarray(image).astype(float)
    expected = pixels(2) / pixels(2).max() * 255  # the slice is pixels(2) * 16, from 0 to its maximum
    np.testing.assert_allclose(gray, expected, atol=0.5001)
    assert (row.patient, row.group, row.mode) == ("PB1905", "patient:PB1905", "L")
    assert row.box is not None
    assert row.dataset == "figshare-1512427@3064"


def test_other_images_are_copied_byte_for_byte(kept: Merged, fetched: Folders) -> None:
    table = polars.read_csv(kept.path.parent / "provenance.csv")
    assert len(table) == len(kept.manifest)
    for path, source, original, sha256 in table.iter_rows():
        before = fetched[SourceName(source)] / original
        after = kept.path.parent / path
        assert before.is_file()
        if source != "figshare":
            assert after.read_bytes() == before.read_bytes()
            assert read_row(kept.manifest, after).sha256 == sha256


def read_row(manifest: Manifest, path: Path) -> ImageRecord:
    return next(row for row in manifest if row.path == path)


def test_no_name_carries_a_patient(kept: Merged) -> None:
    names = " ".join(str(path.relative_to(kept.path.parent)) for path in kept.path.parent.rglob("*"))
    assert "1905" not in names
    assert "1905" not in (kept.path.parent / "merge.json").read_text()
    assert "1905" not in (kept.path.parent / "provenance.csv").read_text()


def test_kept_copies_are_one_group(kept: Merged) -> None:
    pairs: dict[str | None, list[ImageRecord]] = {}
    for row in kept.manifest:
        pairs.setdefault(row.pixels_sha256, []).append(row)
    copies = [rows for rows in pairs.values() if len(rows) > 1]
    assert len(copies) == 2
    for rows in copies:
        assert len({row.group for row in rows}) == 1
        assert len({row.slice_id for row in rows}) == 1
    assert (kept.report.exact_copies, kept.report.two_labels) == (2, 2)
    assert all(row.fold is None and row.official_split is None for row in kept.manifest)


def test_removed_copies(fetched: Folders, tmp_path: Path) -> None:
    merged = merge(fetched, tmp_path / "out", copies="remove")
    assert len({row.pixels_sha256 for row in merged.manifest}) == len(merged.manifest) == 25 - 3
    files = sorted(path for path in (tmp_path / "out").rglob("*") if path.suffix in (".png", ".jpg"))
    assert files == sorted(row.path for row in merged.manifest)
    counts = {(row.label.value, row.source): 0 for row in merged.manifest}
    for row in merged.manifest:
        counts[row.label.value, row.source] += 1
    assert counts["notumor", "sartaj"] == 5, "the copy that comes first in the plan stays"
    assert counts["notumor", "br35h"] == 2
    assert counts["meningioma", "sartaj"] == 3, "nobody knows which of two labels is right"
    assert counts["pituitary", "sartaj"] == 4
    reasons = {entry.reason: entry.images for entry in merged.report.left_out}
    assert reasons["an exact copy is kept"] == 1
    assert (
        sum(e.images for e in merged.report.left_out if e.reason == "its exact copy has another class") == 2
    )


@pytest.mark.parametrize("copies", ["keep", "remove"])
def test_near_copies_stay_in_one_group_and_are_counted(
    fetched: Folders, kept: Merged, tmp_path: Path, copies: CopyRule
) -> None:
    assert kept.report.near_copies.pairs == 0, "different pictures are no copies"
    sartaj = tmp_path / "sartaj"
    shutil.copytree(fetched[SourceName.SARTAJ] / "images", sartaj)
    pituitary = next(
        row for row in kept.manifest if row.label is Diagnosis.PITUITARY and row.source == "figshare"
    )
    with Image.open(pituitary.path) as image:
        twin = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize((80, 90))
        image.resize((90, 100)).save(sartaj / "Training/meningioma_tumor/wrong-twin.jpg")
        twin.save(sartaj / "Training/pituitary_tumor/twin.jpg", quality=70)
    merged = merge({**fetched, SourceName.SARTAJ: sartaj}, tmp_path / "more", copies=copies)
    (group,) = {row.group for row in merged.manifest if row.slice_id == pituitary.slice_id}
    added = [row for row in merged.manifest if row.group == group and row.source == "sartaj"]
    assert sorted(row.label.value for row in added) == ["meningioma", "pituitary"]
    near = merged.report.near_copies
    assert (near.pairs, near.images, near.mirrored, near.two_labels, near.joined) == (3, 3, 2, 2, 3)
    text = "\n".join(merged.report.lines())
    assert "near copies: 3 pairs of 3 images (2 mirrored, 0 turned), kept, in one group" in text
    assert "near copies of two classes: 2 pairs" in text
    assert json.loads((tmp_path / "more" / "merge.json").read_text())["near_copies"]["pairs"] == 3


def test_the_report_tells_the_difference_to_the_published_set(kept: Merged) -> None:
    note = json.loads((kept.path.parent / "merge.json").read_text())
    assert note["complete"]
    assert note["published"] == "brain-tumor-mri-dataset@7023"
    published = {entry["label"]: entry["published"] for entry in note["classes"]}
    assert published == {"glioma": 1621, "meningioma": 1645, "notumor": 2000, "pituitary": 1757}
    text = "\n".join(kept.report.lines())
    assert "glioma: 3 (figshare 3); published 1,621, difference -1,618" in text
    assert "left out: 4 of sartaj glioma: the study found this folder mislabelled" in text
    assert "near copies: " in text
    assert len(note["citations"]) == 3


def test_unpacked_sets_without_a_manifest_do_as_well(fetched: Folders, tmp_path: Path, kept: Merged) -> None:
    bare = {name: folder / "images" for name, folder in fetched.items()}
    merged = merge(bare, tmp_path / "bare")
    assert [row.sha256 for row in merged.manifest] == [row.sha256 for row in kept.manifest]
    assert [row.group for row in merged.manifest] == [row.group for row in kept.manifest]


def test_the_same_call_again_does_nothing(fetched: Folders, kept: Merged) -> None:
    before = {path: path.stat().st_mtime_ns for path in kept.path.parent.rglob("*")}
    again = merge(fetched, kept.path.parent)
    assert again.already
    assert again.manifest == kept.manifest
    assert again.report == kept.report
    assert {path: path.stat().st_mtime_ns for path in kept.path.parent.rglob("*")} == before


def test_other_settings_need_another_folder(fetched: Folders, kept: Merged) -> None:
    with pytest.raises(InvalidConfiguration, match="other settings"):
        merge(fetched, kept.path.parent, copies="remove")


def test_a_folder_in_use_is_refused(fetched: Folders, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(InvalidConfiguration, match="not an empty folder"):
        merge(fetched, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_swapped_and_absent_sources_are_told(fetched: Folders, tmp_path: Path) -> None:
    swapped = {**fetched, SourceName.SARTAJ: fetched[SourceName.BR35H]}
    with pytest.raises(InvalidManifest, match="holds images of br35h, not of sartaj"):
        merge(swapped, tmp_path / "out")
    with pytest.raises(MissingInput, match="data fetch br35h"):
        merge({**fetched, SourceName.BR35H: tmp_path / "absent"}, tmp_path / "out")
    only_glioma = write_files(tmp_path / "g", {"glioma_tumor/1.jpg": picture(1)})
    with pytest.raises(InvalidManifest, match="no image of meningioma, notumor, pituitary"):
        merge({**fetched, SourceName.SARTAJ: only_glioma}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_changed_source_is_named_and_left_out(fetched: Folders, tmp_path: Path) -> None:
    changed = tmp_path / "br35h"
    shutil.copytree(fetched[SourceName.BR35H], changed)
    (changed / "images" / "no" / "no1.jpg").write_bytes(picture(77))
    (changed / "images" / "no" / "no2.jpg").write_bytes(b"")
    merged = merge({**fetched, SourceName.BR35H: changed}, tmp_path / "out")
    assert sorted(failure.path.name for failure in merged.failures) == ["no1.jpg", "no2.jpg"]
    assert merged.report.unreadable == 2
    assert sum(row.source == "br35h" for row in merged.manifest) == 1


SLOWLY = """
import sys, time
from pathlib import Path
from tumorscope.dataset.sources import merge as module
from tumorscope.dataset.sources.catalogue import SourceName
content = module._content
def slow(plan):
    time.sleep(0.05)
    return content(plan)
module._content = slow
folders = {name: Path(sys.argv[1]) / name.value for name in SourceName if name.value != "kaggle"}
module.merge(folders, Path(sys.argv[2]))
"""


@pytest.mark.skipif(os.name == "nt", reason="processes are killed with a signal")
def test_killed_in_the_middle_and_gone_on_with(fetched: Folders, tmp_path: Path, kept: Merged) -> None:
    out = tmp_path / "killed"
    base = fetched[SourceName.FIGSHARE].parent
    running = subprocess.Popen([sys.executable, "-c", SLOWLY, str(base), str(out)])
    deadline = time.monotonic() + 60
    while len(list(out.glob("*/*.png"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    there = [path for path in out.glob("*/*.png") if not path.name.startswith(".")]
    assert 3 <= len(there) < 25
    assert not (out / "manifest.parquet").exists()
    for path in there:
        with Image.open(BytesIO(path.read_bytes())) as image:
            image.load()
    (out / "glioma" / ".figshare-0002.png.x1").write_bytes(b"half")
    merged = merge(fetched, out)
    assert [row.sha256 for row in merged.manifest] == [row.sha256 for row in kept.manifest]
    left = [path for path in out.rglob("*") if path.is_file() and path.name.startswith(".")]
    assert left == []


def test_glioma_is_from_figshare_only(kept: Merged) -> None:
    assert {row.source for row in kept.manifest if row.label is Diagnosis.GLIOMA} == {"figshare"}
