"""Which version of the Kaggle set is recognised, and which mixtures are refused."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tumorscope.core.errors import InvalidManifest
from tumorscope.core.labels import CLASS_ORDER, Diagnosis
from tumorscope.dataset.manifest import ImageRecord, Manifest, OfficialSplit
from tumorscope.dataset.manifest_file import read_manifest
from tumorscope.dataset.sources import known_files
from tumorscope.dataset.sources.known_files import KNOWN_IMAGES, PREFIX_BYTES, is_known
from tumorscope.dataset.sources.versions import VERSIONS, recognise, stamp

FIRST, SECOND = VERSIONS
ROOT = Path("/data")


def row(path: str, sha256: str, **known: object) -> ImageRecord:
    side = next((side for side in OfficialSplit if f"{side}/" in path), None)
    label = next(label for label in CLASS_ORDER if label in path)
    made = ImageRecord(ROOT / path, Diagnosis(label), sha256, sha256, sha256, official_split=side)
    return replace(made, **known)  # type: ignore[arg-type]


def landmarks(below: str = "") -> list[ImageRecord]:
    return [row(f"{below}{path}", sha256) for path, sha256 in FIRST.landmarks.items()]


def known(training: int, testing: int, below: str = "") -> list[ImageRecord]:
    """Files that begin like known ones, under other names than they have in the set."""
    table = (Path(known_files.__file__).parent / "kaggle-7023.bin").read_bytes().hex()
    digits = 2 * PREFIX_BYTES
    sides = [OfficialSplit.TRAINING] * training + [OfficialSplit.TESTING] * testing
    return [
        row(f"{below}{side}/glioma/known-{n}.jpg", table[n * digits : (n + 1) * digits].ljust(64, "0"))
        for n, side in enumerate(sides)
    ]


def fill(training: int, testing: int, below: str = "") -> Iterator[ImageRecord]:
    for side, count in ((OfficialSplit.TRAINING, training), (OfficialSplit.TESTING, testing)):
        for number in range(count):
            path = f"{below}{side}/glioma/made-up-{number}.jpg"
            yield row(path, f"{abs(hash(path)):064x}")


def of(*rows: ImageRecord) -> Manifest:
    return Manifest(rows, ROOT)


def test_the_first_version_whole_and_in_part() -> None:
    whole = stamp(of(*known(4200, 800), *fill(1512, 511)))
    assert whole.version is FIRST
    assert (whole.is_complete, whole.taken_over) == (True, 0)
    assert whole.summary == "recognised as brain-tumor-mri-dataset@7023, complete"
    assert {r.dataset for r in whole.manifest} == {FIRST.stamp}
    part = stamp(of(*known(40, 1), *fill(5, 8)))
    assert part.version is FIRST
    assert not part.is_complete


def test_of_a_part_only_known_files_are_stamped_and_each_content_counts_once() -> None:
    held = known(40, 1)
    copy = replace(held[0], path=ROOT / "Training/glioma/copy.jpg")
    part = stamp(of(*held, copy, *fill(5, 8)))
    assert (part.different, part.copies) == (41, 1)
    assert [r.dataset for r in part.manifest] == [FIRST.stamp] * 42 + [None] * 13
    assert part.summary == (
        "recognised as brain-tumor-mri-dataset@7023, incomplete: 41 different files of its 7,023 and 1 byte copy "
        "of them are here, beside 13 other files"
    )
    # Looked at again, as an audit of an indexed folder does, it says the same.
    assert stamp(part.manifest).summary == part.summary


def test_the_second_version_by_its_counts() -> None:
    made = stamp(of(*fill(5600, 1600)))
    assert made.version is SECOND
    assert {r.dataset for r in made.manifest} == {"brain-tumor-mri-dataset@7200"}
    assert recognise(of(*fill(5600, 1599))) is None


def test_counts_alone_are_not_the_first_version() -> None:
    made = stamp(of(*fill(5712, 1311)))
    assert made.version is None
    assert {r.dataset for r in made.manifest} == {None}
    assert "no known version" in made.summary


def test_a_few_files_taken_over_are_told_and_name_no_version() -> None:
    assert recognise(of(*known(2, 0))) is None
    made = stamp(of(*known(20, 0), *fill(30, 2)))
    assert made.version is None
    assert {r.dataset for r in made.manifest} == {None}
    assert made.summary.startswith("20 of 52 files are those of brain-tumor-mri-dataset@7023, but")
    # So few of so many may be chance or a copy or two, and are not worth a word.
    assert stamp(of(*known(2, 0), *fill(10, 2))).taken_over == 0


def test_another_file_under_a_landmark_s_name_is_another_set() -> None:
    held = landmarks()
    assert recognise(of(*held[:-1], replace(held[-1], sha256="0" * 64))) is None


def test_files_under_other_names_are_recognised_by_their_content() -> None:
    moved = [
        replace(r, path=ROOT / f"Training/glioma/{n}.jpg", official_split=OfficialSplit.TRAINING)
        for n, r in enumerate(landmarks())
    ]
    assert recognise(of(*moved)) is FIRST
    flat = [replace(r, path=ROOT / f"glioma/{n}.jpg", official_split=None) for n, r in enumerate(landmarks())]
    assert recognise(of(*flat)) is FIRST


def test_two_versions_side_by_side_are_refused() -> None:
    with pytest.raises(InvalidManifest, match=r"two versions.*@7023.*@7200"):
        stamp(of(*landmarks("old/"), *fill(5600, 1600, "new/")))


def test_a_version_mixed_with_other_images_is_refused() -> None:
    with pytest.raises(InvalidManifest, match=r"11,300 Training.*mixed in"):
        stamp(of(*known(2500, 157), *fill(8_800, 2_700)))


def test_stamps_that_contradict_are_refused() -> None:
    rows = [replace(r, dataset=v.stamp) for r, v in zip(fill(2, 0), VERSIONS, strict=True)]
    with pytest.raises(InvalidManifest, match="two versions"):
        recognise(of(*rows))


def test_stamps_are_believed_and_other_sets_keep_theirs() -> None:
    stamped = [replace(r, dataset=FIRST.stamp) for r in fill(3, 1)]
    own = row("hospital/glioma/1.png", "1" * 64)
    other = row("other/glioma/2.png", "2" * 64, dataset="br35h@1500")
    made = stamp(of(*stamped, own, other))
    assert made.version is FIRST
    assert [r.dataset for r in made.manifest] == [FIRST.stamp] * 4 + [None, "br35h@1500"]
    beside = stamp(of(*landmarks("kaggle/"), own, other))
    assert [r.dataset for r in beside.manifest][-2:] == [None, "br35h@1500"]
    assert beside.manifest.records[0].dataset == FIRST.stamp


def test_the_part_that_is_here(real_data: Path) -> None:
    made = stamp(read_manifest(real_data / "brain-tumor-mri" / "manifest.csv"))
    assert made.version is FIRST
    assert (
        made.summary
        == "recognised as brain-tumor-mri-dataset@7023, incomplete: 5,087 different files of its 7,023 and 227 byte "
        "copies of them are here"
    )


def test_the_table_holds_the_files_that_are_here_and_no_other(real_data: Path) -> None:
    with (real_data / "brain-tumor-mri" / "manifest.csv").open(newline="", encoding="utf-8") as stream:
        hashes = [row["sha256"] for row in csv.DictReader(stream)]
    assert len(hashes) == sum(map(is_known, hashes)) == KNOWN_IMAGES
    prefixes = {bytes.fromhex(sha256)[:PREFIX_BYTES] for sha256 in hashes}
    table = Path(known_files.__file__).parent / "kaggle-7023.bin"
    assert table.read_bytes() == b"".join(sorted(prefixes))


def test_any_twelve_images_of_it_are_recognised(real_data: Path) -> None:
    rows = read_manifest(real_data / "brain-tumor-mri" / "manifest.csv").records[7::443]
    assert len(rows) == 12
    assert not {r.sha256 for r in rows} & set(FIRST.landmarks.values())
    assert recognise(of(*(replace(r, path=ROOT / r.path.name) for r in rows))) is FIRST
