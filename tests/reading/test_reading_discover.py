"""Folders, archives and many files: everything readable is found, every failure has its own path."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reading_files import SERIES_UID, bundled, dicom_bytes, encode, head_pixels, mr_dataset
from tumorscope.core.errors import (
    EmptyInput,
    MissingInput,
    TumorscopeError,
    UnreadableImage,
    UnsupportedImage,
)
from tumorscope.core.slice import Slice
from tumorscope.reading.discover import discover
from tumorscope.reading.open import open_slices
from tumorscope.reading.source import Source

PNG = encode(Image.fromarray(head_pixels(top=255).astype(np.uint8)), "PNG")


def read_all(sources: list[Source]) -> tuple[list[Slice], dict[str, TumorscopeError]]:
    slices: list[Slice] = []
    failures: dict[str, TumorscopeError] = {}
    for source in sources:
        try:
            slices += source.open()
        except TumorscopeError as error:
            failures[source.path] = error
    return slices, failures


def write_series(folder: Path, order: list[int], uid: str = SERIES_UID) -> None:
    folder.mkdir(exist_ok=True)
    for number, depth in enumerate(order):
        dataset = mr_dataset(
            head_pixels(top=1000 + depth),
            SeriesInstanceUID=uid,
            InstanceNumber=number,
            ImagePositionPatient=[0, 0, depth],
        )
        (folder / f"{uid[-1]}{number:03}").write_bytes(dicom_bytes(dataset))


def test_a_folder_of_everything(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "scan.png").write_bytes(PNG)
    (tmp_path / "a.jpg").write_bytes(PNG)
    (tmp_path / "text.jpg").write_text("this is a text")
    (tmp_path / "empty.dcm").write_bytes(b"")
    (tmp_path / "LICENSE").write_text("this is a text")
    (tmp_path / "table.csv").write_text("a,b")
    (tmp_path / "nothing").write_bytes(b"")
    (tmp_path / ".hidden.png").write_bytes(b"broken")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "x.png").write_bytes(b"broken")
    shutil.copy(bundled("DICOMDIR"), tmp_path / "DICOMDIR")
    slices, failures = read_all(list(discover(tmp_path)))
    assert [one.origin.path for one in slices] == [str(tmp_path / "a.jpg"), str(tmp_path / "b" / "scan.png")]
    assert set(failures) == {str(tmp_path / "text.jpg"), str(tmp_path / "empty.dcm")}
    assert isinstance(failures[str(tmp_path / "text.jpg")], UnreadableImage)
    assert isinstance(failures[str(tmp_path / "empty.dcm")], EmptyInput)


def test_an_archive_of_everything(tmp_path: Path) -> None:
    archive = tmp_path / "scans.zip"
    inner = tmp_path / "inner.zip"
    with zipfile.ZipFile(inner, "w") as file:
        file.writestr("x.png", PNG)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("b/scan.png", PNG)
        file.writestr("../../a.jpg", PNG)
        file.writestr("text.jpg", "this is a text")
        file.writestr("empty.png", b"")
        file.writestr("README.md", "this is a text")
        file.writestr("__MACOSX/b/._scan.png", b"broken")
        file.write(inner, "inner.zip")
        file.write(bundled("DICOMDIR"), "DICOMDIR")
    slices, failures = read_all(list(discover(archive)))
    names = {(one.origin.path or "").partition("!")[2] for one in slices}
    assert names == {"b/scan.png"}, "a hidden path component (..) is passed over"
    assert {path.partition("!")[2] for path in failures} == {"text.jpg", "empty.png", "inner.zip"}
    assert not (tmp_path.parent / "a.jpg").exists()
    inside, _ = read_all(list(discover(tmp_path)))
    assert len(inside) == 2, "archives in a folder are looked into"


def test_an_encrypted_member_and_a_bomb(tmp_path: Path) -> None:
    archive = tmp_path / "scans.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("bomb.png", PNG + bytes(200 << 20))
        file.writestr("fine.png", PNG)
    slices, failures = read_all(list(discover(archive)))
    assert len(slices) == 1
    [failure] = failures.values()
    assert "200 MiB" in str(failure)
    content = bytearray(archive.read_bytes())
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.rindex(signature) + at] |= 1
    archive.write_bytes(content)
    slices, failures = read_all(list(discover(archive)))
    assert not slices
    assert any(isinstance(one, UnsupportedImage) and "encrypted" in str(one) for one in failures.values())


def test_a_broken_archive(tmp_path: Path) -> None:
    archive = tmp_path / "scans.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("scan.png", PNG)
    whole = archive.read_bytes()
    archive.write_bytes(whole[:-30])
    with pytest.raises(UnreadableImage, match="archive is truncated"):
        list(open_slices(archive))
    damaged = bytearray(whole)
    damaged[60:80] = bytes(20)
    archive.write_bytes(damaged)
    with pytest.raises(UnreadableImage, match="corrupted"):
        list(open_slices(archive))


def test_series_are_grouped_and_sorted_along_the_normal(tmp_path: Path) -> None:
    write_series(tmp_path, [30, 10, 20, 0], uid="1.2.826.0.1.42.1")
    write_series(tmp_path, [2, 1, 3], uid="1.2.826.0.1.42.2")
    sources = list(discover(tmp_path))
    slices, failures = read_all(sources)
    assert not failures
    heights = [float(one.pixels.max()) for one in slices]
    assert heights[:4] == sorted(heights[:4])
    assert heights[4:] == sorted(heights[4:])
    keys = [source.series for source in sources]
    assert keys == [keys[0]] * 4 + [keys[4]] * 3
    assert len(set(keys)) == 2
    assert [one.origin.series for one in slices] == keys
    assert "1.2.826" not in "".join(filter(None, keys))
    assert keys == [source.series for source in discover(tmp_path)], "the same folder gives the same keys"


def test_a_series_without_positions_follows_its_instance_numbers(tmp_path: Path) -> None:
    for number in (3, 1, 2):
        dataset = mr_dataset(head_pixels(top=1000 * number), ImagePositionPatient=None, InstanceNumber=number)
        (tmp_path / f"x{3 - number}").write_bytes(dicom_bytes(dataset))
    slices, _ = read_all(list(discover(tmp_path)))
    heights = [int(one.pixels.max()) for one in slices]
    assert heights == sorted(heights)


def test_a_localizer_keeps_its_planes_together(tmp_path: Path) -> None:
    planes = ([1, 0, 0, 0, 1, 0], [1, 0, 0, 0, 0, -1])
    for number, depth in enumerate((5, 1, 3, 2)):
        dataset = mr_dataset(
            head_pixels(),
            ImageOrientationPatient=planes[number % 2],
            ImagePositionPatient=[0, depth, depth],
            InstanceNumber=number,
        )
        (tmp_path / f"x{number}").write_bytes(dicom_bytes(dataset))
    slices, _ = read_all(list(discover(tmp_path)))
    assert [str(one.origin.plane) for one in slices] == ["axial", "axial", "coronal", "coronal"]


def test_one_bad_file_of_a_series_costs_only_itself(tmp_path: Path) -> None:
    write_series(tmp_path, [0, 1, 2, 3])
    files = sorted(tmp_path.iterdir())
    files[1].write_bytes(files[1].read_bytes()[:-100])
    files[2].write_bytes(dicom_bytes(mr_dataset(np.zeros((48, 40), np.uint16))))
    slices, failures = read_all(list(discover(tmp_path)))
    assert len(slices) == 2, "the blank slice of a series is passed over"
    assert list(failures) == [str(files[1])]


def test_a_series_in_an_archive(tmp_path: Path) -> None:
    write_series(tmp_path / "s", [2, 0, 1])
    archive = tmp_path / "s.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for one in sorted((tmp_path / "s").iterdir()):
            file.write(one, one.name)
    sources = list(discover(archive))
    slices, failures = read_all(sources)
    assert not failures
    heights = [int(one.pixels.max()) for one in slices]
    assert heights == sorted(heights)
    assert len({source.series for source in sources}) == 1
    again = pickle.loads(pickle.dumps(sources))
    assert len(read_all(again)[0]) == 3, "sources can be sent to another process"


def test_real_series(real_data: Path) -> None:
    sources = list(discover(real_data / "dicom-t1"))
    slices, failures = read_all(sources)
    assert not failures
    assert len(slices) == 64
    assert len({one.origin.series for one in slices}) == 1
    paths = [one.origin.path or "" for one in slices]
    assert paths in (sorted(paths), sorted(paths, reverse=True))


def test_many_files_of_one_series_are_one_series(real_data: Path) -> None:
    files = sorted((real_data / "dicom-t1").glob("*.dcm"))[:3]
    assert len({source.series for source in discover(reversed(files))}) == 1


def test_named_directly_every_file_gets_an_answer(tmp_path: Path) -> None:
    text = tmp_path / "LICENSE"
    text.write_text("this is a text")
    empty = tmp_path / "nothing"
    empty.write_bytes(b"")
    folder = tmp_path / "folder"
    folder.mkdir()
    archive = tmp_path / "empty.zip"
    zipfile.ZipFile(archive, "w").close()
    good = tmp_path / "good"
    good.write_bytes(PNG)
    missing = tmp_path / "missing.png"
    named: list[str | Path] = [text, empty, folder, archive, missing, good, "nul\0byte"]
    slices, failures = read_all(list(discover(named)))
    assert len(slices) == 1, "nothing else is lost"
    expected = {
        text: UnreadableImage,
        empty: EmptyInput,
        folder: EmptyInput,
        archive: EmptyInput,
        missing: MissingInput,
        "nul\0byte": MissingInput,
    }
    assert {path: type(error) for path, error in failures.items()} == {
        str(p): kind for p, kind in expected.items()
    }
    for error in failures.values():
        assert "\n" not in str(error)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="Windows has no such permissions")
def test_permissions() -> None:
    """As an ordinary user, for root may read everything; outside pytest's folder, which only its owner may enter."""
    is_root = os.geteuid() == 0
    with tempfile.TemporaryDirectory() as made:
        root = Path(made)
        root.chmod(0o755)
        (root / "good.png").write_bytes(PNG)
        (root / "denied.png").write_bytes(PNG)
        (root / "closed").mkdir()
        (root / "closed" / "inside.png").write_bytes(PNG)
        (root / "denied.png").chmod(0)
        (root / "closed").chmod(0)
        if is_root:
            os.seteuid(65534)
        try:
            slices, failures = read_all(list(discover(root)))
            _, inside = read_all(list(discover(root / "closed" / "inside.png")))
        finally:
            if is_root:
                os.seteuid(0)
            (root / "closed").chmod(0o755)
    assert len(slices) == 1
    assert set(failures) == {str(root / "denied.png"), str(root / "closed")}
    for error in (*failures.values(), *inside.values()):
        assert isinstance(error, MissingInput)
        assert "permission denied; make the file readable" in str(error)
    assert len(inside) == 1


def test_opening_a_jpeg_imports_no_medical_library(tmp_path: Path) -> None:
    file = tmp_path / "scan.jpg"
    file.write_bytes(encode(Image.fromarray(head_pixels(top=255).astype(np.uint8)), "JPEG"))
    script = """
import sys
from tumorscope.reading.open import open_slices
assert len(list(open_slices(sys.argv[1]))) == 1
heavy = {"pydicom", "highdicom", "nibabel", "h5py", "imagecodecs", "scipy", "torch", "pydantic", "zipfile"}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(file)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
