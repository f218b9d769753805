"""What an audit says of the public data set that it looks at."""

from __future__ import annotations

from pathlib import Path

import pytest

from tumorscope.core.labels import Diagnosis
from tumorscope.dataset.audit.document import Verdict
from tumorscope.dataset.audit.files import version_check
from tumorscope.dataset.manifest import ImageRecord, Manifest
from tumorscope.dataset.sources import known_files
from tumorscope.dataset.sources.known_files import PREFIX_BYTES

ROOT = Path("/data")
OWN = [f"{7 << 250 | n:064x}" for n in range(5)]
_TABLE = (Path(known_files.__file__).parent / "kaggle-7023.bin").read_bytes()
KNOWN = [_TABLE[n * PREFIX_BYTES :][:PREFIX_BYTES].hex().ljust(64, "0") for n in range(4)]


def manifest(hashes: list[str], dataset: str | None = None) -> Manifest:
    rows = (
        ImageRecord(ROOT / f"glioma/{n}.png", Diagnosis.GLIOMA, sha256, sha256, sha256, dataset=dataset)
        for n, sha256 in enumerate(hashes)
    )
    return Manifest(tuple(rows), ROOT)


@pytest.mark.parametrize(
    ("data", "verdict", "told", "stamps"),
    [
        (manifest(OWN), Verdict.NOT_RUN, "no version to check", ()),
        (manifest(OWN, "br35h@1500"), Verdict.GOOD, "this is br35h@1500", ("br35h@1500",)),
        (
            manifest(OWN + KNOWN),
            Verdict.NOTICE,
            "4 of 9 files are those of brain-tumor-mri-dataset@7023",
            (),
        ),
        (
            manifest(OWN[:1] + KNOWN),
            Verdict.NOTICE,
            "incomplete: 4 different files of its 7,023 are here, beside 1 other file.",
            ("brain-tumor-mri-dataset@7023",),
        ),
    ],
    ids=["own", "stamped", "taken over", "part"],
)
def test_only_what_was_recognised_is_good(
    data: Manifest, verdict: Verdict, told: str, stamps: tuple[str, ...]
) -> None:
    check, found = version_check(data)
    assert check.verdict is verdict
    assert told in check.sentence
    assert found == stamps
