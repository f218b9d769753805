"""Near copies in the audit of a whole folder: planted ones are found with their kind, and said of labels and groups."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from audit_folders import encoded, save
from PIL import Image

from tumorscope.core.labels import CLASS_ORDER, Diagnosis
from tumorscope.dataset.audit.document import Audit, Check, Pair, Verdict
from tumorscope.dataset.audit.run import audit
from tumorscope.dataset.copies.of_manifest import copies_of
from tumorscope.dataset.copies.pair import CopyKind
from tumorscope.dataset.copies.pair import Orientation as Way
from tumorscope.dataset.manifest import Manifest
from tumorscope.dataset.manifest_file import read_manifest
from tumorscope.reporting.audit_page import audit_page
from tumorscope.synthesis.phantom import make_phantom

SIDE = 160
Turn = Image.Transpose


def of(make: Callable[[Image.Image], Image.Image], **options: int) -> Callable[[Image.Image], bytes]:
    """The bytes of a changed picture: JPEG where options are given, PNG otherwise."""

    def content(image: Image.Image) -> bytes:
        return encoded(np.asarray(make(image)), "JPEG" if options else "PNG", **options)

    return content


CHANGES: dict[str, tuple[Callable[[Image.Image], bytes], CopyKind, Way]] = {
    "jpeg": (of(lambda image: image, quality=60), CopyKind.NEAR, Way.SAME),
    "larger": (of(lambda image: image.resize((2 * SIDE, 2 * SIDE))), CopyKind.NEAR, Way.SAME),
    "smaller": (of(lambda image: image.resize((SIDE // 2, SIDE // 2))), CopyKind.NEAR, Way.SAME),
    "cropped": (of(lambda image: image.crop((10, 8, SIDE - 6, SIDE - 10))), CopyKind.NEAR, Way.SAME),
    "darker": (
        of(lambda image: image.point([round(value * 0.6) for value in range(256)])),
        CopyKind.NEAR,
        Way.SAME,
    ),
    "mirrored": (of(lambda image: image.transpose(Turn.FLIP_LEFT_RIGHT)), CopyKind.MIRRORED, Way.MIRRORED),
    "mirrored-jpeg": (
        of(lambda image: image.transpose(Turn.FLIP_LEFT_RIGHT).resize((120, 120)), quality=60),
        CopyKind.MIRRORED,
        Way.MIRRORED,
    ),
    "quarter": (of(lambda image: image.transpose(Turn.ROTATE_90)), CopyKind.ROTATED, Way.ROTATED_90),
    "upside-down": (of(lambda image: image.transpose(Turn.ROTATE_180)), CopyKind.ROTATED, Way.ROTATED_180),
    "flipped": (of(lambda image: image.transpose(Turn.FLIP_TOP_BOTTOM)), CopyKind.ROTATED, Way.FLIPPED),
}


def original(number: int) -> Image.Image:
    """A person of its own for each number."""
    label = CLASS_ORDER[number % 4]
    return Image.fromarray(make_phantom(label, 5000 + number, SIDE).pixels)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty persons, and one changed copy of each of the first ten in the same class of the other split."""
    root = tmp_path_factory.mktemp("near") / "images"
    for number in range(20):
        image = original(number)
        label = CLASS_ORDER[number % 4].value
        save(root / "Training" / label / f"{number:02d}.png", of(lambda image: image)(image))
    for number, (name, (change, _, _)) in enumerate(CHANGES.items()):
        label = CLASS_ORDER[number % 4].value
        save(root / "Testing" / label / f"{number:02d}-{name}.img", change(original(number)))
    return root


def checked(found: Audit) -> dict[str, Check]:
    return {check.key: check for check in found.checks}


def test_each_change_is_found_with_its_kind_and_nothing_else_is(folder: Path) -> None:
    found = audit(read_manifest(folder), data="images")
    assert not found.unreadable
    told = {Path(pair.first).stem: pair for pair in found.pairs}
    assert len(told) == len(found.pairs) == len(CHANGES)
    for number, (name, (_, kind, way)) in enumerate(CHANGES.items()):
        pair = told[f"{number:02d}-{name}"]
        assert Path(pair.second).name == f"{number:02d}.png"
        assert pair.kind is kind, name
        # The copy comes first by its path: what is told leads from it to the original.
        back = {Way.ROTATED_90: Way.ROTATED_270}.get(way, way)
        assert pair.orientation is back, name
        assert 0.9 <= pair.score <= 1.0
        assert pair.across_split
        assert not pair.same_group
    check = checked(found)["near-copies"]
    assert (check.verdict, check.count) == (Verdict.PROBLEM, 10)
    assert "(5 the same way round, 2 mirrored, 3 turned or flipped)" in check.sentence
    assert "of the pairs 10 across the official split" in check.sentence
    assert "groups" not in check.sentence, "a folder brings no groups that could be wrong"
    assert checked(found)["exact-copies"].count == 0
    assert not found.conflicts


def test_a_near_copy_in_another_class_is_a_conflict(folder: Path) -> None:
    manifest = read_manifest(folder)
    rows = [
        replace(row, label=Diagnosis.PITUITARY) if row.path.stem == "00-jpeg" else row for row in manifest
    ]
    found = audit(Manifest(tuple(rows), manifest.root), data="images")
    (conflict,) = found.conflicts
    assert conflict.paths == ("Testing/glioma/00-jpeg.img", "Training/glioma/00.png")
    assert conflict.labels == (Diagnosis.PITUITARY, Diagnosis.GLIOMA)
    assert conflict.found_by == "copies"
    assert "1 across classes" in checked(found)["near-copies"].sentence
    assert checked(found)["label-conflicts"].verdict is Verdict.PROBLEM


def test_groups_that_do_not_keep_copies_together_are_a_problem(folder: Path) -> None:
    manifest = read_manifest(folder)
    # One split for all, and groups of the manifest's own: only the first copy shares its picture's.
    rows = [
        replace(
            row, official_split=None, group=f"person-{'00' if row.path.stem[:2] == '00' else row.path.stem}"
        )
        for row in manifest
    ]
    check = checked(audit(Manifest(tuple(rows), manifest.root), data="images"))["near-copies"]
    assert check.verdict is Verdict.PROBLEM
    assert "none across a split or across classes" in check.sentence
    assert "the manifest's groups do not keep 9 pairs together, so a split by them leaks" in check.sentence
    kept = [replace(row, group=f"person-{row.path.stem[:2]}") for row in rows]
    check = checked(audit(Manifest(tuple(kept), manifest.root), data="images"))["near-copies"]
    assert check.verdict is Verdict.NOTICE
    assert "groups" not in check.sentence


def test_copies_of_a_manifest_leave_out_what_cannot_be_read(folder: Path, tmp_path: Path) -> None:
    manifest = read_manifest(folder)
    broken = save(tmp_path / "broken.png", b"\x89PNG\r\n\x1a\n")
    rows = [replace(manifest.records[0], path=broken), *manifest]
    steps: list[tuple[int, int]] = []
    found = copies_of(Manifest(tuple(rows), manifest.root), lambda done, total: steps.append((done, total)))
    assert [failure.row for failure in found.failures] == [0]
    assert len(found.pairs) == len(CHANGES)
    for pair in found.pairs:
        assert rows[pair.first].path.stem[:2] == rows[pair.second].path.stem[:2]
    assert steps[-1][0] == steps[-1][1]


def test_one_picture_does_not_flood_the_page(tmp_path: Path) -> None:
    def pair(first: str, second: str, score: float) -> Pair:
        return Pair(
            first=first,
            second=second,
            kind=CopyKind.NEAR,
            orientation=Way.SAME,
            score=score,
            first_label=Diagnosis.GLIOMA,
            second_label=Diagnosis.GLIOMA,
            same_group=True,
            across_split=first != "z0",
            across_folds=False,
            across_parts=False,
        )

    crowd = [pair(f"a{one}", f"a{other}", 0.99) for one in range(5) for other in range(one)]
    pairs = (*crowd, pair("b0", "b1", 0.91), pair("z0", "z1", 0.9))
    found = audit(Manifest((), tmp_path), data="none").model_copy(update={"pairs": pairs})
    asked: list[str] = []
    audit_page(found, asked.append)
    # Two pairs of the crowd, then even a harmless pair of another picture, then the rest of the crowd.
    assert asked == ["a1", "a0", "b0", "b1", "a2", "z0", "z1", "a3", "a4"]


def test_real_mirrored_twins_are_found(real_data: Path, tmp_path: Path) -> None:
    source = real_data / "brain-tumor-mri"
    with (source / "manifest.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["label"] == "glioma"]
    by_group: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        by_group.setdefault(row["group"], []).append(row)
    chosen = [members[0] for members in by_group.values()][:12]
    for number, row in enumerate(chosen):
        with Image.open(source / row["path"]) as image:
            gray = image.convert("L")
        save(tmp_path / "glioma" / f"{number:02d}.png", of(lambda image: image)(gray))
        twin = gray.transpose(Turn.FLIP_LEFT_RIGHT)
        save(tmp_path / "glioma" / f"{number:02d}-twin.jpg", of(lambda image: image, quality=60)(twin))
    found = audit(read_manifest(tmp_path), data="twins")
    assert [(pair.first[:9], pair.second[:9], pair.kind.value) for pair in found.pairs] == [
        (f"glioma/{number:02d}", f"glioma/{number:02d}", "mirrored") for number in range(12)
    ]
    page = audit_page(found, lambda _path: None)
    assert "Mirrored copies" in page
    assert json.loads(found.model_dump_json())["pairs"][0]["orientation"] == "mirrored"
