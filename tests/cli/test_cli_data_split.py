"""``tumorscope data split`` as a user runs it, with its certificate."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from tumorscope.cli.main import run
from tumorscope.core.errors import InvalidManifest
from tumorscope.dataset.certificate import SplitCertificate, certificate_path
from tumorscope.dataset.certify import certify
from tumorscope.dataset.copies.of_manifest import Copies
from tumorscope.dataset.copies.pair import CopyKind, CopyPair, Orientation
from tumorscope.dataset.facts import file_hash
from tumorscope.dataset.leaks import find_leaks, fold_sides, part_sides
from tumorscope.dataset.manifest import Manifest, OfficialSplit, Part
from tumorscope.dataset.manifest_file import read_manifest, write_manifest
from tumorscope.dataset.resplit import SplitRequest, resplit
from tumorscope.dataset.scan import Failure
from tumorscope.synthesis.phantom import write_phantoms


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """96 made-up images whose persons are known as groups only, every fourth of them in the official test set."""
    folder = tmp_path_factory.mktemp("split") / "phantoms"
    list(write_phantoms(folder, 96, size=48))
    rows = [
        replace(row, patient=None, official_split=_official(int(row.group.rpartition("-")[2])))
        for row in read_manifest(folder)
    ]
    write_manifest(Manifest(tuple(rows), folder), folder / "manifest.csv")
    return folder


def _official(person: int) -> OfficialSplit:
    # Classes take turns, so that this is every fourth person of each.
    return OfficialSplit.TESTING if (person - 1) // 4 % 4 == 3 else OfficialSplit.TRAINING


def _split(*words: str | Path) -> int:
    return run(["data", "split", *(str(word) for word in words)])


def _certificate(manifest: Path) -> SplitCertificate:
    return SplitCertificate.model_validate_json(certificate_path(manifest).read_text())


def test_folds_and_a_held_out_part_with_their_certificate(
    phantoms: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "split.csv"
    assert _split(phantoms, "--folds", "3", "--hold-out", "0.25", "--seed", "7", "--out", out) == 0
    printed = capsys.readouterr()
    before, after = read_manifest(phantoms), read_manifest(out)
    assert [row.path.resolve() for row in after] == [row.path.resolve() for row in before]
    assert find_leaks(after, fold_sides(after)) == find_leaks(after, part_sides(after)) == ()
    assert {row.fold for row in after if row.part is Part.TRAIN} == {1, 2, 3}
    assert {row.fold for row in after if row.part is Part.TEST} == {None}
    assert sum(row.part is Part.TEST for row in after) / len(after) == pytest.approx(0.25, abs=0.05)

    assert sorted(path.name for path in out.parent.iterdir()) == ["split.certificate.json", "split.csv"]
    found = _certificate(out)
    assert json.loads(certificate_path(out).read_text())["schema"] == "tumorscope/split-certificate/1"
    assert (found.seed, found.folds, found.hold_out, found.leak_free) == (7, 3, 0.25, False)
    assert found.manifest_sha256_before == before.digest
    assert found.manifest_sha256_after == after.digest
    assert found.file_sha256 == hashlib.sha256(out.read_bytes()).hexdigest()
    assert found.images == 96
    assert [(check.key.value, check.across_folds, check.across_parts) for check in found.checked] == [
        (key, 0, 0) for key in ("patient", "group", "slice", "file", "pixels")
    ]
    assert {check.key.value: check.images for check in found.checked}["file"] == 96
    for side in found.sides:
        own = [row for row in after if side.side in (row.part, str(row.fold)) and side.split]
        assert side.images == len(own) == sum(side.images_by_class.values())
        assert side.images_by_class == {
            name: Counter(row.label.value for row in own)[name] for name in side.images_by_class
        }
        assert side.groups == len({row.group for row in own})
    assert [side.side for side in found.sides] == ["1", "2", "3", "train", "test"]
    assert {uneven.split: uneven.wanted for uneven in found.most_uneven} == {"fold": 1 / 3, "part": 0.25}

    assert "on two sides: group 0, slice 0, file 0, pixels 0; patients: not known" in printed.out
    assert "known of" not in printed.out  # every picture was read, so the hash of its pixels is known
    assert {check.key.value: check.images for check in found.checked}["pixels"] == 96
    assert all(row.pixels_sha256 for row in after)
    assert "farthest from even: " not in printed.out
    assert f"written to {out}, certificate to {certificate_path(out)}" in printed.out
    assert "the manifest's own folds" not in printed.err


def test_an_even_split_names_nothing_as_farthest_from_even(
    phantoms: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "split.csv"
    plain = Manifest(
        tuple(replace(row, group=row.sha256, slice_id=row.sha256) for row in read_manifest(phantoms)),
        phantoms,
    )
    write_manifest(plain, phantoms / "plain.csv")
    assert _split(phantoms / "plain.csv", "--folds", "4", "--trust-groups", "--out", out) == 0
    assert [uneven.share for uneven in _certificate(out).most_uneven] == [0.25]
    assert "farthest from even" not in capsys.readouterr().out
    assert _split(phantoms / "plain.csv", "--folds", "5", "--trust-groups", "--out", out) == 0
    assert "farthest from even: " in capsys.readouterr().out


def test_the_command_of_the_certificate_makes_the_same_files_and_the_order_of_rows_does_not_matter(
    phantoms: Path, tmp_path: Path
) -> None:
    out = tmp_path / "split.csv"
    assert _split(phantoms, "--folds", "4", "--seed", "3", "--trust-groups", "--out", out) == 0
    first = out.read_bytes(), certificate_path(out).read_bytes()
    words = shlex.split(_certificate(out).command)
    assert words[:3] == ["tumorscope", "data", "split"]
    assert run(words[1:]) == 0
    assert (out.read_bytes(), certificate_path(out).read_bytes()) == first

    manifest = read_manifest(phantoms)
    turned = phantoms / "turned.csv"
    write_manifest(manifest.subset(range(len(manifest) - 1, -1, -1)), turned)
    again = tmp_path / "again.csv"
    assert _split(turned, "--folds", "4", "--seed", "3", "--trust-groups", "--out", again) == 0
    folds = {row.sha256: row.fold for row in read_manifest(out)}
    assert {row.sha256: row.fold for row in read_manifest(again)} == folds


def test_trusted_groups_are_said_to_be_trusted(
    phantoms: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "split.csv"
    assert _split(phantoms, "--folds", "4", "--trust-groups", "--out", out) == 0
    assert "near copies were not searched: only the manifest's keys were checked" in capsys.readouterr().out
    copies = _certificate(out).near_copies
    assert (copies.searched, copies.pairs, copies.across_folds) == (False, None, None)
    assert "--trust-groups" in _certificate(out).command


def test_a_mirrored_copy_in_another_group_is_kept_together_with_its_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "phantoms"
    list(write_phantoms(folder, 48, size=64))
    rows = list(read_manifest(folder))
    planted = {}
    for position in (0, 13, 26):
        with Image.open(rows[position].path) as image:
            twin = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        path = rows[position].path.with_name(f"twin-{position}.jpg")
        twin.save(path, "JPEG", quality=60)
        planted[path.name] = position
        rows.append(
            replace(
                rows[position],
                path=path,
                patient=None,
                group=f"other-{position}",
                slice_id=f"other-{position}",
                sha256=file_hash(path),
                pixels_sha256=None,
                part=None,
                fold=None,
            )
        )
    broken = rows[5].path.with_name("broken.png")
    broken.write_bytes(rows[5].path.read_bytes()[:200])
    rows.append(replace(rows[5], path=broken, sha256=file_hash(broken), pixels_sha256=None))
    write_manifest(Manifest(tuple(rows), folder), folder / "manifest.csv")
    out = tmp_path / "split.csv"
    assert _split(folder, "--folds", "3", "--hold-out", "0.3", "--no-progress", "--out", out) == 1
    printed = capsys.readouterr()
    (line,) = printed.err.splitlines()
    assert line.startswith(f"left out: {broken}: ")
    assert "1 image was left out" in printed.out
    after = list(read_manifest(out))
    assert [row.path.resolve() for row in after] == [row.path.resolve() for row in rows[:-1]]
    for row in after[48:51]:
        source = after[planted[row.path.name]]
        assert (row.group, row.fold, row.part) == (source.group, source.fold, source.part)
    assert len({after[position].group for position in planted.values()}) == 3
    assert (_certificate(out).images, _certificate(out).left_out) == (51, 1)
    assert _certificate(out).manifest_sha256_before == read_manifest(folder).digest
    found = _certificate(out).near_copies
    assert (found.searched, found.images, found.across_folds, found.across_parts) == (True, 51, 0, 0)
    assert found.pairs_in_different_groups == 3
    assert "3 of them in two groups of the manifest, now joined; 0 on two sides" in printed.out


class TestAnotherFile:
    """Rows whose file is not the one that the manifest was made of."""

    def test_it_is_left_out_like_one_that_cannot_be_read(
        self, phantoms: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        rows = list(read_manifest(phantoms))
        rows[2] = replace(rows[2], sha256="a" * 64)
        rows[5] = replace(rows[5], pixels_sha256="b" * 64)
        table = phantoms / "stale.csv"
        write_manifest(Manifest(tuple(rows), phantoms), table)
        out = tmp_path / "split.csv"
        assert _split(table, "--folds", "3", "--no-progress", "--out", out) == 1
        file, pixels = capsys.readouterr().err.splitlines()[:2]
        assert file.startswith(
            f"left out: {rows[2].path}: the image is another than the manifest says (sha256 aaaaaaaa..."
        )
        assert "(pixels_sha256 bbbbbbbb..." in pixels
        assert "make the manifest again with 'tumorscope data index'" in pixels
        written = {row.path.name for row in read_manifest(out)}
        assert written == {row.path.name for row in rows} - {rows[2].path.name, rows[5].path.name}
        assert (_certificate(out).images, _certificate(out).left_out) == (94, 2)

    def test_where_nothing_is_opened_nothing_is_left_out(self, phantoms: Path, tmp_path: Path) -> None:
        rows = list(read_manifest(phantoms))
        rows[2] = replace(rows[2], sha256="a" * 64)
        table = phantoms / "trusted.csv"
        write_manifest(Manifest(tuple(rows), phantoms), table)
        out = tmp_path / "split.csv"
        assert _split(table, "--folds", "3", "--trust-groups", "--out", out) == 0
        assert (_certificate(out).images, _certificate(out).left_out) == (96, 0)

    def test_nothing_is_written_where_nothing_is_left(
        self, phantoms: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        rows = [replace(row, sha256=f"{k:064x}") for k, row in enumerate(read_manifest(phantoms))]
        table = phantoms / "all-stale.csv"
        write_manifest(Manifest(tuple(rows), phantoms), table)
        assert _split(table, "--folds", "3", "--no-progress", "--out", tmp_path / "x.csv") == 2
        assert "none of the 96 images can be used; nothing was written" in capsys.readouterr().err
        assert list(tmp_path.iterdir()) == []


def test_pairs_are_counted_among_the_images_that_were_compared(phantoms: Path) -> None:
    manifest = read_manifest(phantoms)
    pair = CopyPair(3, 7, CopyKind.NEAR, Orientation.SAME, 0.99)
    failed = tuple(Failure(row, manifest.records[row].path, InvalidManifest("x")) for row in (0, 5))
    kept, pairs = Copies((pair,), failed).compared(manifest)
    assert len(kept) == 94
    assert [(one.first, one.second) for one in pairs] == [(2, 5)]
    assert [kept.records[2], kept.records[5]] == [manifest.records[3], manifest.records[7]]


def test_names_are_mapped_and_the_command_says_so(
    phantoms: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = phantoms / "named.csv"
    write_manifest(read_manifest(phantoms), table)
    text = table.read_text()
    table.write_text(text.replace(",glioma,", ",Astro cytoma,").replace(",notumor,", ",normal,"))
    out = tmp_path / "split.csv"
    mapping = ("--map-label", "astro cytoma=glioma", "--map-label", "normal=skip")
    assert _split(table, *mapping, "--folds", "3", "--trust-groups", "--out", out) == 0
    assert capsys.readouterr().err.splitlines()[-1] == "note: there is no image of notumor"
    counts = Counter(row.label.value for row in read_manifest(out))
    assert counts == {"glioma": 24, "meningioma": 24, "pituitary": 24}
    first = out.read_bytes()
    out.unlink()
    assert run(shlex.split(_certificate(out).command)[1:]) == 0
    assert out.read_bytes() == first


def test_folds_that_are_not_there_are_not_said_to_be_kept(
    phantoms: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = phantoms / "without.csv"
    rows = tuple(replace(row, fold=None) for row in read_manifest(phantoms))
    write_manifest(Manifest(rows, phantoms), table)
    out = tmp_path / "split.csv"
    for parts in (("--leak-free",), ("--hold-out", "0.25")):
        assert _split(table, *parts, "--keep-folds", "--trust-groups", "--out", out) == 0
        assert capsys.readouterr().err == (
            "note: the manifest has no folds that --keep-folds could keep; --folds K makes some\n"
        )
        assert not _certificate(out).folds_kept
    assert _split(phantoms, "--leak-free", "--keep-folds", "--trust-groups", "--out", out) == 0
    assert "no folds" not in capsys.readouterr().err
    assert _certificate(out).folds_kept


def test_near_copies_are_counted_in_the_certificate(phantoms: Path) -> None:
    manifest = read_manifest(phantoms)
    by_group = {row.group: position for position, row in enumerate(manifest)}
    first, second, third = sorted(position for position in by_group.values())[:3]
    pairs = [
        CopyPair(first, second, CopyKind.MIRRORED, Orientation.MIRRORED, 0.99),
        CopyPair(second, third, CopyKind.NEAR, Orientation.SAME, 0.98),
    ]
    request = SplitRequest(folds=4)
    after = resplit(manifest, request, pairs)
    file = phantoms / "manifest.csv"
    found = certify(manifest, after, request, Copies(tuple(pairs), ()), file=file, command="x", version="0")
    assert found.groups_before - found.groups_after == 2
    assert found.near_copies.model_dump() == {
        "searched": True,
        "images": 96,
        "pairs": 2,
        "pairs_in_different_groups": 2,
        "across_folds": 0,
        "across_parts": 0,
    }
    # The certificate measures what it is given: folds that do divide the copies are not called clean.
    divided = after.with_folds([1 if position == second else 2 for position in range(len(after))])
    blamed = certify(
        manifest, divided, request, Copies(tuple(pairs), ()), file=file, command="x", version="0"
    )
    assert blamed.near_copies.across_folds == 2
    assert {check.key.value: check.across_folds for check in blamed.checked}["group"] == 1


class TestLeakFree:
    def test_few_groups_are_not_estimable(
        self, phantoms: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = tmp_path / "free.csv"
        assert _split(phantoms, "--leak-free", "--trust-groups", "--out", out) == 0
        printed = capsys.readouterr()
        test = [row for row in read_manifest(out) if row.part is Part.TEST]
        assert test
        assert all(row.official_split is OfficialSplit.TESTING for row in test)
        assert "not estimable (fewer than 10 groups of glioma, meningioma, notumor, pituitary)" in printed.out
        estimability = _certificate(out).test_part
        assert estimability is not None
        assert not estimability.estimable
        assert "the manifest's own folds were dropped; --keep-folds keeps them" in printed.err

    def test_a_test_image_with_a_copy_in_training_is_excluded(self, phantoms: Path, tmp_path: Path) -> None:
        manifest = read_manifest(phantoms)
        test = next(i for i, row in enumerate(manifest) if row.official_split is OfficialSplit.TESTING)
        learnt = next(row for row in manifest if row.official_split is OfficialSplit.TRAINING)
        rows = list(manifest)
        rows[test] = replace(rows[test], pixels_sha256="a" * 64)
        rows[rows.index(learnt)] = replace(learnt, pixels_sha256="a" * 64)
        tied = phantoms / "tied.csv"
        write_manifest(Manifest(tuple(rows), phantoms), tied)
        out = tmp_path / "free.csv"
        assert _split(tied, "--leak-free", "--trust-groups", "--out", out) == 0
        parts = {row.sha256: row.part for row in read_manifest(out)}
        person = {row.sha256 for row in manifest if row.group == rows[test].group}
        assert {parts[digest] for digest in person} == {Part.EXCLUDED}
        assert Counter(parts.values())[Part.EXCLUDED] == len(person)

    def test_five_of_1023_on_the_real_data(
        self, real_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = tmp_path / "free.parquet"
        source = real_data / "brain-tumor-mri"
        assert _split(source, "--leak-free", "--keep-folds", "--trust-groups", "--out", out) == 0
        text = capsys.readouterr().out
        assert "part test: 5 images in 4 groups: glioma 0 (0), meningioma 4 (3), notumor 1 (1)" in text
        assert "part excluded: 1,018 images" in text
        assert "not estimable" in text
        before, after = read_manifest(source), read_manifest(out)
        # The data set is the same one: no group had to be joined, and the folds were kept.
        assert after.digest == before.digest
        assert _certificate(out).groups_with_two_labels == 2


class TestRefusals:
    @pytest.mark.parametrize(
        ("words", "message"),
        [
            ((), "nothing to split by; give --folds K, --hold-out FRACTION or --leak-free"),
            (("--folds", "3", "--keep-folds"), "--folds makes folds and --keep-folds keeps them"),
            (("--leak-free", "--hold-out", "0.2"), "both make the parts"),
            (
                ("--hold-out", "0.7"),
                "a share of 0.7 was asked to be held out; it must be above 0 and at most 0.5",
            ),
            (("--folds", "1"), "1 folds were asked for; at least 2 are needed"),
            (("--folds", "500"), "500 folds need at least 500; give more patients or fewer folds"),
        ],
    )
    def test_a_mistake_is_one_line_and_writes_nothing(
        self,
        phantoms: Path,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        words: tuple[str, ...],
        message: str,
    ) -> None:
        assert _split(phantoms, *words, "--trust-groups", "--out", tmp_path / "x.csv") == 2
        captured = capsys.readouterr()
        assert message in captured.err
        assert captured.err.count("\n") == 1
        assert captured.out == ""
        assert list(tmp_path.iterdir()) == []

    def test_folds_that_leak_are_not_kept(
        self, phantoms: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        manifest = read_manifest(phantoms)
        folds = [row.fold or 0 for row in manifest]
        folds[0] = folds[0] % 4 + 1
        leaky = phantoms / "leaky.csv"
        write_manifest(manifest.with_folds(folds), leaky)
        out = tmp_path / "x.csv"
        assert _split(leaky, "--hold-out", "0.25", "--keep-folds", "--trust-groups", "--out", out) == 2
        assert "own folds cannot be kept: on two sides are 1 group; make them anew" in capsys.readouterr().err
        assert not out.exists()

    def test_a_name_that_is_no_table(self, phantoms: Path, tmp_path: Path) -> None:
        assert _split(phantoms, "--folds", "3", "--out", tmp_path / "x.txt") == 2
