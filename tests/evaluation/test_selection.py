"""Which images each protocol tests on, and what it says of the choice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tumorscope.core.errors import InvalidManifest, LeakySplit
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.dataset.manifest import ImageRecord, Manifest, OfficialSplit, Part
from tumorscope.dataset.manifest_file import read_manifest
from tumorscope.evaluation.protocol import Protocol
from tumorscope.evaluation.selection import images_to_test

TRAINING, TESTING = OfficialSplit.TRAINING, OfficialSplit.TESTING


def _rows(count: int, split: OfficialSplit, prefix: str) -> list[ImageRecord]:
    """``count`` groups of each class, an image each."""
    return [
        ImageRecord(
            Path(f"/data/{prefix}-{label}-{number}.png"),
            label,
            group=f"{prefix}-{label}-{number}",
            slice_id=f"{prefix}-{label}-{number}",
            sha256=f"{hash((prefix, label, number)) & (1 << 256) - 1:064x}",
            official_split=split,
        )
        for label in CLASS_ORDER
        for number in range(count)
    ]


def _manifest(*rows: list[ImageRecord]) -> Manifest:
    return Manifest(tuple(row for part in rows for row in part), Path("/data"))


def test_official_takes_the_testing_images_and_stamps_what_leaks() -> None:
    testing = _rows(3, TESTING, "b")
    training = _rows(3, TRAINING, "a")
    testing[0] = replace(testing[0], group=training[0].group, patient="p")
    training[0] = replace(training[0], patient="p")
    chosen = images_to_test(_manifest(training, testing), Protocol.OFFICIAL)
    assert chosen.manifest.records == tuple(testing)
    assert chosen.leaks == {"patient": 1, "group": 1}
    assert chosen.estimable
    assert "not stamped" in chosen.notes[0]


def test_official_names_the_version() -> None:
    rows = [replace(row, dataset="brain-tumor-mri-dataset@7023") for row in _rows(2, TESTING, "b")]
    assert images_to_test(_manifest(rows), Protocol.OFFICIAL).notes == (
        "Data set: brain-tumor-mri-dataset@7023.",
    )


def test_leak_free_leaves_out_what_is_tied_to_training_through_others() -> None:
    training, testing = _rows(2, TRAINING, "a"), _rows(12, TESTING, "b")
    # The second test image is tied to training through the first.
    testing[0] = replace(testing[0], group=training[0].group, slice_id="shared")
    testing[1] = replace(testing[1], slice_id="shared")
    chosen = images_to_test(_manifest(training, testing), Protocol.LEAK_FREE)
    assert chosen.manifest.records == tuple(testing[2:])
    assert chosen.estimable  # ten groups of the class are left
    assert "46 of 48" in chosen.notes[1]
    assert "'tumorscope data split --leak-free' compares the pictures too" in chosen.notes[1]
    # One that was split has its parts, and compared them.
    parts = [replace(row, part=Part.TEST) for row in chosen.manifest]
    split = images_to_test(_manifest(training, parts), Protocol.LEAK_FREE)
    assert "compares the pictures" not in split.notes[1]


def test_leak_free_of_too_few_groups_is_not_estimable() -> None:
    chosen = images_to_test(_manifest(_rows(2, TRAINING, "a"), _rows(9, TESTING, "b")), Protocol.LEAK_FREE)
    assert not chosen.estimable
    assert chosen.notes[-1] == (
        "Not estimable: fewer than 10 groups of glioma, meningioma, notumor, pituitary."
    )


def test_external_takes_the_part_test_where_there_are_parts() -> None:
    rows = _rows(2, TESTING, "b")
    assert len(images_to_test(_manifest(rows), Protocol.EXTERNAL).manifest) == 8
    parts = [replace(row, part=Part.TEST if at % 2 else Part.TRAIN) for at, row in enumerate(rows)]
    assert len(images_to_test(_manifest(parts), Protocol.EXTERNAL).manifest) == 4
    leaky = [replace(row, group="one") for row in parts]
    with pytest.raises(LeakySplit):
        images_to_test(_manifest(leaky), Protocol.EXTERNAL)
    assert images_to_test(_manifest(leaky), Protocol.EXTERNAL, allow_leaks=True).leaks == {"group": 1}


@pytest.mark.parametrize("protocol", [Protocol.OFFICIAL, Protocol.LEAK_FREE])
def test_a_set_without_an_official_split_is_refused(protocol: Protocol) -> None:
    rows = [replace(row, official_split=None) for row in _rows(1, TESTING, "b")]
    with pytest.raises(InvalidManifest, match="official_split"):
        images_to_test(_manifest(rows), protocol)


def test_patient_wise_is_no_protocol_for_a_bundle() -> None:
    with pytest.raises(InvalidManifest, match="run's folder"):
        images_to_test(_manifest(_rows(1, TESTING, "b")), Protocol.PATIENT_WISE)


def test_the_official_split_of_the_real_set_leaks_and_its_leak_free_part_is_not_estimable(
    real_data: Path,
) -> None:
    manifest = read_manifest(real_data / "brain-tumor-mri")
    official = images_to_test(manifest, Protocol.OFFICIAL)
    assert len(official.manifest) == 1023
    assert official.leaks is not None
    assert official.leaks["patient"] == 148
    leak_free = images_to_test(manifest, Protocol.LEAK_FREE)
    assert (len(leak_free.manifest), leak_free.estimable) == (5, False)
