"""Which version of the Kaggle set is recognised, and which mixtures are refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tumorscope.core.errors import InvalidManifest
from tumorscope.core.labels import CLASS_ORDER, Diagnosis
from tumorscope.dataset.manifest import ImageRecord, Manifest, OfficialSplit
from tumorscope.dataset.manifest_file import read_manifest
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


def fill(training: int, testing: int, below: str = "") -> Iterator[ImageRecord]:
    for side, count in ((OfficialSplit.TRAINING, training), (OfficialSplit.TESTING, testing)):
        for number in range(count):
            path = f"{below}{side}/glioma/made-up-{number}.jpg"
            yield row(path, f"{abs(hash(path)):064x}")


def of(*rows: ImageRecord) -> Manifest:
    return Manifest(rows, ROOT)


def test_the_first_version_whole_and_in_part() -> None:
    held = landmarks()
    sides = [sum(r.official_split is side for r in held) for side in OfficialSplit]
    whole = stamp(of(*held, *fill(5712 - sides[0], 1311 - sides[1])))
    assert whole.version is FIRST
    assert whole.missing == 0
    assert whole.summary == "recognised as brain-tumor-mri-dataset@7023, complete"
    assert {r.dataset for r in whole.manifest} == {FIRST.stamp}
    part = stamp(of(*held[:5], *fill(40, 9)))
    assert part.version is FIRST
    assert part.missing == 7023 - 54


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


def test_a_few_landmarks_taken_over_name_no_version() -> None:
    assert recognise(of(*landmarks()[:2], *fill(10, 2))) is None


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
    with pytest.raises(InvalidManifest, match=r"11,312 Training|mixed in"):
        stamp(of(*landmarks(), *fill(11_300, 2_900)))


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
        == "recognised as brain-tumor-mri-dataset@7023, incomplete: 5,314 of 7,023 images are here"
    )
