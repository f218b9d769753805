"""Fetching each source: from Figshare's API, from kagglehub's cache, from zips and folders on the disk."""

from __future__ import annotations

import hashlib
import importlib
import json
import shutil
import socket
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from web_server import Served, serving

from source_files import (
    GLIOMA,
    MENINGIOMA,
    br35h_files,
    cached_by_kagglehub,
    figshare_files,
    folds_mat,
    picture,
    sartaj_files,
    slice_mat,
    write_files,
    zipped,
)
from tumorscope.core.errors import DownloadFailed, InvalidConfiguration, InvalidManifest, MissingInput
from tumorscope.core.labels import Diagnosis
from tumorscope.dataset.index import measure
from tumorscope.dataset.manifest import OfficialSplit
from tumorscope.dataset.manifest_file import read_manifest
from tumorscope.dataset.sources import catalogue
from tumorscope.dataset.sources import fetch as fetch_module
from tumorscope.dataset.sources import unpack as unpack_module
from tumorscope.dataset.sources.catalogue import SOURCES, SourceName
from tumorscope.dataset.sources.fetch import Fetched, fetch
from tumorscope.dataset.sources.figshare import figshare_rows

KAGGLE_TREE = {
    f"{side}/{label}/{name}{label}.jpg": picture(seed)
    for seed, (side, label, name) in enumerate(
        (side, label, name)
        for side in ("Training", "Testing")
        for label in ("glioma", "meningioma", "notumor", "pituitary")
        for name in "ab"
    )
}

DOWNLOAD = "v1/datasets.DatasetApiService/DownloadDataset"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of kagglehub."""
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Refuse every connection; what was tried is listed."""
    tried: list[object] = []

    def refuse(*arguments: object, **options: object) -> None:
        tried.append(arguments)
        raise socket.gaierror(-2, "Name or service not known")

    for name in ("getaddrinfo", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    return tried


class TestFigshare:
    @pytest.fixture
    def served(self) -> Iterator[Served]:
        with serving(figshare_files()) as running:
            running.article(1512427)
            yield running

    def fetch(self, served: Served, out: Path) -> Fetched:
        return fetch(SourceName.FIGSHARE, out, api=served.url, pause=lambda _seconds: None)

    def test_slices_patients_boxes_and_folds(self, served: Served, tmp_path: Path) -> None:
        fetched = self.fetch(served, tmp_path / "out")
        rows = read_manifest(tmp_path / "out").records
        assert rows == fetched.manifest.records
        assert [row.slice_id for row in rows] == [f"figshare:{n}" for n in range(1, 9)]
        assert [row.fold for row in rows] == [1, 2, 3, 4, 5, 1, 2, 3]
        first = rows[0]
        assert (first.label, first.patient, first.group) == (
            Diagnosis.MENINGIOMA,
            "PA1905",
            "patient:PA1905",
        )
        assert (first.width, first.height, first.mode, first.source) == (36, 40, "int16", "figshare")
        assert first.box is not None
        np.testing.assert_allclose(first.box, (12 / 36, 15 / 40, 12 / 36, 10 / 40))
        assert first.dataset == "figshare-1512427@3064"
        assert any("incomplete: 8 of the 3,064" in note for note in fetched.notes)
        assert any("article version 8" in note for note in fetched.notes)
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
            "fetch.json",
            "images",
            "manifest.parquet",
        ]

    def test_facts_are_those_of_indexing(self, served: Served, tmp_path: Path) -> None:
        manifest = self.fetch(served, tmp_path / "out").manifest
        assert measure(manifest).manifest == manifest

    def test_an_interrupted_download_goes_on(self, served: Served, tmp_path: Path) -> None:
        second = len(figshare_files()["brainTumorDataPublic_767-1532.zip"])
        listing = len(served.files["articles/1512427"])
        first = len(figshare_files()["brainTumorDataPublic_1-766.zip"])
        served.drop_after = [listing, first, second // 2] + [0] * 6
        with pytest.raises(DownloadFailed, match="broke off"):
            self.fetch(served, tmp_path / "out")
        assert not (tmp_path / "out" / "manifest.parquet").exists()
        served.asked.clear()
        assert len(self.fetch(served, tmp_path / "out").manifest) == 8
        assert ("/files/brainTumorDataPublic_767-1532.zip", f"bytes={second // 2}-") in served.asked
        assert "/files/brainTumorDataPublic_1-766.zip" not in [path for path, _ in served.asked]
        served.asked.clear()
        again = self.fetch(served, tmp_path / "out")
        assert again.already
        assert len(again.manifest) == 8
        assert served.asked == []

    def test_a_checksum_of_the_host_that_is_wrong(self, served: Served, tmp_path: Path) -> None:
        served.files = {k: v for k, v in served.files.items() if not k.startswith("articles")}
        served.article(1512427, computed_md5="0" * 32)
        with pytest.raises(DownloadFailed, match=r"1-766\.zip does not have the published.*deleted"):
            self.fetch(served, tmp_path / "out")
        assert not list((tmp_path / "out" / "downloads").glob("*"))

    @pytest.mark.parametrize("answer", [b"<html>", b"[]", b'{"files": [{"name": "other.zip"}]}', None])
    def test_without_the_host_s_list_the_known_checksums_hold(
        self, served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes | None
    ) -> None:
        if answer is None:
            del served.files["articles/1512427"]
        else:
            served.files["articles/1512427"] = answer
        known = SOURCES[SourceName.FIGSHARE]
        here = tuple(
            replace(
                file,
                url=f"{served.url}/files/{file.name}",
                size=len(served.files[file.name]),
                md5=hashlib.md5(served.files[file.name]).hexdigest(),
            )
            for file in known.files
        )
        monkeypatch.setattr(
            fetch_module, "SOURCES", {**SOURCES, SourceName.FIGSHARE: replace(known, files=here)}
        )
        fetched = self.fetch(served, tmp_path / "out")
        assert len(fetched.manifest) == 8
        assert "known sizes and checksums hold" in fetched.notes[0] or "known files" in fetched.notes[0]

    def test_patients_in_two_folds_leave_the_column_empty(self, tmp_path: Path) -> None:
        files = figshare_files("AACDEFGH")
        fetched = fetch(SourceName.FIGSHARE, tmp_path / "out", origin=write_files(tmp_path / "in", files))
        assert {row.fold for row in fetched.manifest} == {None}
        [note] = [note for note in fetched.notes if "folds" in note]
        assert note.startswith("1 of 7 patients are in two")
        assert "PA" not in note

    @pytest.mark.parametrize("form", ["zips", "one zip", "nested", "slices", "zip of zips in a folder"])
    def test_every_form_on_the_disk(self, tmp_path: Path, form: str) -> None:
        files = figshare_files()
        loose = dict(files)
        for name in list(loose):
            if name.endswith(".zip"):
                path = tmp_path / "one.zip"
                path.write_bytes(loose.pop(name))
                with zipfile.ZipFile(path) as archive:
                    loose |= {f"deep/{member}": archive.read(member) for member in archive.namelist()}
        origin = tmp_path / "in"
        origin.mkdir()
        if form == "zips":
            write_files(origin, files)
        elif form == "slices":
            write_files(origin, loose)
        elif form == "zip of zips in a folder":
            write_files(origin, {"1512427.zip": zipped(files)})
        else:
            origin = tmp_path / "1512427.zip"
            origin.write_bytes(zipped(loose if form == "one zip" else files))
        fetched = fetch(SourceName.FIGSHARE, tmp_path / "out", origin=origin)
        assert [row.slice_id for row in fetched.manifest] == [f"figshare:{n}" for n in range(1, 9)]
        assert fetched.manifest.records[7].fold == 3

    def test_a_damaged_slice_is_named_and_left_out(self, tmp_path: Path) -> None:
        files = {"1.mat": slice_mat(GLIOMA, "P1", 1), "2.mat": slice_mat(MENINGIOMA, "P2", 2)[:900]}
        fetched = fetch(SourceName.FIGSHARE, tmp_path / "out", origin=write_files(tmp_path / "in", files))
        assert [row.slice_id for row in fetched.manifest] == ["figshare:1"]
        [failure] = fetched.failures
        assert failure.path.name == "2.mat"
        assert fetched.manifest.records[0].fold is None

    @pytest.mark.parametrize(
        ("folds", "said"),
        [
            (folds_mat([1]), "folds of 1 slices"),
            (folds_mat([1, 9]), "other numbers"),
            (b"no", "no MATLAB"),
            (slice_mat(GLIOMA, "P1", 1), "no list of folds"),
        ],
    )
    def test_folds_that_do_not_fit(self, tmp_path: Path, folds: bytes, said: str) -> None:
        files = {f"{n}.mat": slice_mat(GLIOMA, f"P{n}", n) for n in (1, 2)} | {"cvind.mat": folds}
        with pytest.raises(InvalidManifest, match=said):
            figshare_rows(write_files(tmp_path, files))

    def test_an_empty_mask_gives_no_box(self, tmp_path: Path) -> None:
        read = figshare_rows(write_files(tmp_path, {"1.mat": slice_mat(GLIOMA, "P1", 1, box=None)}))
        assert read.manifest.records[0].box is None
        assert read.notes == ("1 slices have an empty tumour mask, and so no box",)

    def test_without_a_network(self, tmp_path: Path, no_network: list[object]) -> None:
        with pytest.raises(DownloadFailed, match=r"cannot be reached.*browser.*--from") as caught:
            fetch(SourceName.FIGSHARE, tmp_path / "out")
        assert "\n" not in str(caught.value)
        assert no_network


class TestKaggle:
    def test_a_version_in_the_cache_needs_no_network(
        self, tmp_path: Path, cache: Path, no_network: list[object], capfd: pytest.CaptureFixture[str]
    ) -> None:
        cached_by_kagglehub(cache, "masoudnickparvar/brain-tumor-mri-dataset", 1, KAGGLE_TREE)
        fetched = fetch(SourceName.KAGGLE, tmp_path / "out")
        assert len(fetched.manifest) == 16
        assert Counter(row.official_split for row in fetched.manifest) == dict.fromkeys(OfficialSplit, 8)
        assert no_network == []
        captured = capfd.readouterr()
        assert (captured.out, captured.err) == ("", "")
        shutil.rmtree(cache)
        assert read_manifest(tmp_path / "out") == fetched.manifest

    def test_another_version_in_the_cache_is_not_taken_for_it(
        self, tmp_path: Path, cache: Path, no_network: list[object]
    ) -> None:
        cached_by_kagglehub(cache, "masoudnickparvar/brain-tumor-mri-dataset", 2, KAGGLE_TREE)
        with pytest.raises(DownloadFailed, match="version 1 of masoudnickparvar"):
            fetch(SourceName.KAGGLE, tmp_path / "out")
        assert len(fetch(SourceName.KAGGLE, tmp_path / "two", release=2).manifest) == 16

    def test_a_half_finished_version_in_the_cache_is_not_taken(
        self, tmp_path: Path, cache: Path, no_network: list[object]
    ) -> None:
        base = cached_by_kagglehub(cache, "masoudnickparvar/brain-tumor-mri-dataset", 1, KAGGLE_TREE)
        (base / "1.complete").unlink()
        with pytest.raises(DownloadFailed, match=r"no connection|gaierror|not in the cache") as caught:
            fetch(SourceName.KAGGLE, tmp_path / "out")
        assert "--from" in str(caught.value)
        assert "\n" not in str(caught.value)
        assert no_network

    @pytest.fixture
    def kaggle(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
        """A server on this machine where kagglehub looks for Kaggle."""
        kaggle_env = importlib.import_module("kagglesdk.kaggle_env")  # it brings no types
        monkeypatch.delenv("KAGGLE_API_ENVIRONMENT", raising=False)
        with serving({DOWNLOAD: zipped(br35h_files())}) as running:
            monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, running.url)
            yield running

    def test_kagglehub_downloads_what_is_not_in_the_cache(self, tmp_path: Path, kaggle: Served) -> None:
        assert len(fetch(SourceName.BR35H, tmp_path / "out").manifest) == 3
        assert [path for path, _ in kaggle.asked] == [f"/{DOWNLOAD}"]
        assert len(fetch(SourceName.BR35H, tmp_path / "again").manifest) == 3
        assert len(kaggle.asked) == 1, "the second time it is in the cache"

    def test_a_disconnect_is_one_line_and_the_next_call_goes_on(self, tmp_path: Path, kaggle: Served) -> None:
        kaggle.drop_after = [1000]
        with pytest.raises(DownloadFailed, match=r"could not be downloaded \(.*--from") as caught:
            fetch(SourceName.BR35H, tmp_path / "out")
        assert "\n" not in str(caught.value)
        assert len(fetch(SourceName.BR35H, tmp_path / "out").manifest) == 3
        # kagglehub writes whole MiB, so of this small file it goes on at the first byte.
        assert kaggle.asked[-1][1] == "bytes=0-"

    def test_a_refusal_of_kaggle_is_one_line(self, tmp_path: Path, kaggle: Served) -> None:
        kaggle.status = [403]
        with pytest.raises(DownloadFailed, match=r"the server answered 403.*browser"):
            fetch(SourceName.BR35H, tmp_path / "out")

    def test_sartaj_and_br35h_from_the_cache(
        self, tmp_path: Path, cache: Path, no_network: list[object]
    ) -> None:
        cached_by_kagglehub(cache, "sartajbhuvaji/brain-tumor-classification-mri", 3, sartaj_files())
        cached_by_kagglehub(cache, "ahmedhamada0/brain-tumor-detection", 12, br35h_files())
        sartaj = fetch(SourceName.SARTAJ, tmp_path / "sartaj")
        assert Counter(row.label for row in sartaj.manifest) == dict.fromkeys(Diagnosis, 4)
        assert {row.dataset for row in sartaj.manifest} == {"brain-tumor-classification-mri@3264"}
        br35h = fetch(SourceName.BR35H, tmp_path / "br35h")
        assert [row.label for row in br35h.manifest] == [Diagnosis.NOTUMOR] * 3
        assert any(
            "4 images were left out, in Br35H-Mask-RCNN (1), pred (1), yes (2)" in note
            for note in br35h.notes
        )
        assert no_network == []

    def test_a_zip_on_the_disk(self, tmp_path: Path, no_network: list[object]) -> None:
        (tmp_path / "archive.zip").write_bytes(zipped(sartaj_files()))
        fetched = fetch(SourceName.SARTAJ, tmp_path / "out", origin=tmp_path / "archive.zip")
        assert len(fetched.manifest) == 16
        note = json.loads((tmp_path / "out" / "fetch.json").read_text())
        assert note["complete"]
        assert note["images"] == 16
        assert note["citation"] == SOURCES[SourceName.SARTAJ].citation

    def test_more_images_than_published_are_not_stamped(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        small = replace(SOURCES[SourceName.BR35H], counts={Diagnosis.NOTUMOR: 2})
        monkeypatch.setattr(fetch_module, "SOURCES", {**SOURCES, SourceName.BR35H: small})
        fetched = fetch(
            SourceName.BR35H, tmp_path / "out", origin=write_files(tmp_path / "in", br35h_files())
        )
        assert {row.dataset for row in fetched.manifest} == {None}
        assert any("more images than br35h@2" in note for note in fetched.notes)


class TestPlaces:
    def test_a_folder_in_use_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "mine.txt").write_text("keep")
        with pytest.raises(InvalidConfiguration, match="not an empty folder"):
            fetch(SourceName.SARTAJ, tmp_path / "out", origin=tmp_path)
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]

    def test_a_folder_of_another_source_is_refused(self, tmp_path: Path) -> None:
        origin = write_files(tmp_path / "in", sartaj_files())
        fetch(SourceName.SARTAJ, tmp_path / "out", origin=origin)
        with pytest.raises(InvalidConfiguration, match="other settings"):
            fetch(SourceName.BR35H, tmp_path / "out", origin=origin)

    def test_another_release_needs_another_folder(self, tmp_path: Path, cache: Path) -> None:
        cached_by_kagglehub(cache, "masoudnickparvar/brain-tumor-mri-dataset", 1, KAGGLE_TREE)
        fetch(SourceName.KAGGLE, tmp_path / "out")
        assert fetch(SourceName.KAGGLE, tmp_path / "out", release=1).already
        with pytest.raises(InvalidConfiguration, match="other settings"):
            fetch(SourceName.KAGGLE, tmp_path / "out", release=2)

    def test_what_is_on_the_disk_has_no_release(self, tmp_path: Path) -> None:
        origin = write_files(tmp_path / "in", KAGGLE_TREE)
        fetch(SourceName.KAGGLE, tmp_path / "out", origin=origin)
        assert json.loads((tmp_path / "out" / "fetch.json").read_text())["release"] is None
        assert fetch(SourceName.KAGGLE, tmp_path / "out").already

    def test_after_a_mistake_the_same_folder_can_be_filled(self, tmp_path: Path) -> None:
        wrong = write_files(tmp_path / "wrong", {"readme.txt": b"nothing"})
        for origin, error in ((wrong, InvalidManifest), (tmp_path / "absent", MissingInput)):
            with pytest.raises(error):
                fetch(SourceName.SARTAJ, tmp_path / "out", origin=origin)
        write_files(tmp_path / "out" / ".images.x1", {"no/half.jpg": b"half"})
        right = write_files(tmp_path / "right", sartaj_files())
        assert len(fetch(SourceName.SARTAJ, tmp_path / "out", origin=right).manifest) == 16
        assert not (tmp_path / "out" / ".images.x1").exists()


class TestUnpacking:
    @pytest.mark.parametrize(
        "name", ["../no/x.jpg", "/no/x.jpg", "C:\\no\\x.jpg", "no\\..\\..\\x.jpg", "a/../../no/x.jpg"]
    )
    def test_names_that_lead_out_are_refused(self, tmp_path: Path, name: str) -> None:
        path = tmp_path / "in.zip"
        path.write_bytes(zipped({"no/a.jpg": picture(1), name: picture(2)}))
        with pytest.raises(InvalidManifest, match="leads out of the folder; nothing"):
            fetch(SourceName.BR35H, tmp_path / "out", origin=path)
        assert not list(tmp_path.rglob("*.jpg"))

    def test_a_link_in_a_zip_is_never_made(self, tmp_path: Path) -> None:
        secret = tmp_path / "secret.jpg"
        secret.write_bytes(picture(9))
        path = tmp_path / "in.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("no/a.jpg", picture(1))
            link = zipfile.ZipInfo("no/b.jpg")
            link.external_attr = 0o120777 << 16
            archive.writestr(link, str(secret))
        fetched = fetch(SourceName.BR35H, tmp_path / "out", origin=path)
        assert len(fetched.manifest) == 1
        assert [failure.path.name for failure in fetched.failures] == ["b.jpg"]
        assert not any(found.is_symlink() for found in (tmp_path / "out").rglob("*"))

    def test_a_link_out_of_a_folder_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "secret.jpg").write_bytes(picture(9))
        origin = write_files(tmp_path / "in", {"no/a.jpg": picture(1)})
        (origin / "no" / "b.jpg").symlink_to(tmp_path / "secret.jpg")
        with pytest.raises(InvalidManifest, match="link that leaves"):
            fetch(SourceName.BR35H, tmp_path / "out", origin=origin)

    def test_a_bomb_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "in.zip"
        path.write_bytes(zipped({"no/a.jpg": bytes(80 << 20)}))
        with pytest.raises(ValueError, match="claims 80 MiB"):
            fetch(SourceName.BR35H, tmp_path / "out", origin=path)

    def test_the_whole_has_a_limit(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(unpack_module, "MOST_BYTES", 2000)
        path = tmp_path / "in.zip"
        path.write_bytes(zipped(br35h_files()))
        with pytest.raises(InvalidManifest, match="holds more than"):
            fetch(SourceName.BR35H, tmp_path / "out", origin=path)
        assert not (tmp_path / "out" / "images").exists()

    def test_no_zip_and_a_damaged_zip(self, tmp_path: Path) -> None:
        path = tmp_path / "in.zip"
        path.write_bytes(b"<html>please log in</html>")
        with pytest.raises(InvalidManifest, match="no zip archive"):
            fetch(SourceName.BR35H, tmp_path / "out", origin=path)
        path.write_bytes(zipped(br35h_files())[:900])
        with pytest.raises(ValueError, match="truncated or corrupted"):
            fetch(SourceName.BR35H, tmp_path / "out", origin=path)

    def test_one_slice_given_twice(self, tmp_path: Path) -> None:
        files = {"a/1.mat": slice_mat(GLIOMA, "P1", 1), "b/1.mat": slice_mat(GLIOMA, "P1", 1)}
        with pytest.raises(InvalidManifest, match="twice"):
            fetch(SourceName.FIGSHARE, tmp_path / "out", origin=write_files(tmp_path / "in", files))


def test_the_catalogue_is_consistent() -> None:
    figshare = SOURCES[SourceName.FIGSHARE]
    assert figshare.images == 3064
    # Public descriptions give 838.77 MB for the article as one zip; its README has 3,303 bytes.
    assert (sum(file.size or 0 for file in figshare.files) + 3303) / 1024**2 == pytest.approx(
        838.77, abs=0.02
    )
    assert SOURCES[SourceName.KAGGLE].images == 7023
    assert SOURCES[SourceName.SARTAJ].images == 3264
    for source in catalogue.SOURCES.values():
        assert source.page.startswith("https://")
        assert all(len(file.md5 or "") == 32 for file in source.files)
