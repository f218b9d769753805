"""The audit of whole data sets: planted faults are found, and nothing else is."""

from __future__ import annotations

import csv
import json
import shutil
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from audit_folders import encoded, plain_folder, planted_folder, save
from numpy.typing import NDArray
from PIL import Image

from tumorscope.core.labels import CLASS_ORDER, Diagnosis
from tumorscope.dataset.audit import look
from tumorscope.dataset.audit.appearance import FEATURES
from tumorscope.dataset.audit.document import Audit, Check, Verdict
from tumorscope.dataset.audit.model import Asked, HeldOut
from tumorscope.dataset.audit.novelty import novelty_check
from tumorscope.dataset.audit.run import audit
from tumorscope.dataset.load import load_input
from tumorscope.dataset.manifest import ImageRecord, Manifest
from tumorscope.dataset.manifest_file import read_manifest
from tumorscope.inference.classifier import load
from tumorscope.synthesis.phantom import make_phantom

SCHEMA: dict[str, Any] = json.loads((files("tumorscope.core") / "schemas" / "audit-1.json").read_text())


def checked(found: Audit) -> dict[str, Check]:
    return {check.key: check for check in found.checks}


def as_json(found: Audit) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(found.model_dump_json(by_alias=True))
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    return document


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    root = planted_folder(tmp_path_factory.mktemp("planted") / "images")
    return audit(read_manifest(root), data="images", command="tumorscope data audit images --report out")


def test_the_schema_is_that_of_the_document() -> None:
    made = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:tumorscope:audit:1",
        **Audit.model_json_schema(by_alias=True, mode="serialization"),
    }
    assert made == SCHEMA, "a change of the document is a new version of its schema"
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_the_document_holds_to_the_schema_and_the_schema_is_strict(planted: Audit) -> None:
    document = as_json(planted)
    validator = jsonschema.Draft202012Validator(SCHEMA)
    for bad in (
        document | {"extra": 1},
        {key: value for key, value in document.items() if key != "schema"},
        document | {"schema": "tumorscope/audit/2"},
        document | {"pairs": [document["pairs"][0] | {"kind": "similar"}]},
        document | {"leaks": [{"split": "official", "by": "patient", "sides": {}, "example": 1}]},
    ):
        assert not validator.is_valid(bad)


def test_exact_copies_are_found_across_the_split_and_across_classes(planted: Audit) -> None:
    exact = {(pair.first, pair.second): pair for pair in planted.pairs if pair.kind == "exact"}
    assert set(exact) == {
        ("Testing/glioma/copy.png", "Training/glioma/0.png"),
        ("Training/meningioma/copy.png", "Training/pituitary/1.png"),
    }
    split, classes = exact.values()
    assert (split.across_split, split.score, split.same_group) == (True, 1.0, False)
    assert (classes.across_split, classes.first_label, classes.second_label) == (
        False,
        Diagnosis.MENINGIOMA,
        Diagnosis.PITUITARY,
    )
    check = checked(planted)["exact-copies"]
    assert (check.verdict, check.count) == (Verdict.PROBLEM, 2)
    assert "1 across the official split and 1 across classes" in check.sentence


def test_two_labels_on_one_picture_are_a_conflict(planted: Audit) -> None:
    (conflict,) = planted.conflicts
    assert conflict.paths == ("Training/meningioma/copy.png", "Training/pituitary/1.png")
    assert conflict.labels == (Diagnosis.MENINGIOMA, Diagnosis.PITUITARY)
    assert conflict.found_by == "copies"
    assert checked(planted)["label-conflicts"].verdict is Verdict.PROBLEM


def test_unreadable_files_are_listed_without_the_folders_above_them(planted: Audit) -> None:
    assert [entry.path for entry in planted.unreadable] == [
        "Training/notumor/black.png",
        "Training/notumor/cut.jpg",
    ]
    assert [entry.code for entry in planted.unreadable] == ["unsupported-image", "unreadable-image"]
    assert "is blank: all 4096 pixels" in planted.unreadable[0].message
    for entry in planted.unreadable:
        assert entry.path in entry.message
        assert "/tmp" not in entry.message
        assert "pytest" not in entry.message
    classes = checked(planted)["empty-classes"].sentence
    assert classes == (
        "Every class has images: glioma 7, meningioma 7, notumor 6 and pituitary 6; 2 files that cannot be read not "
        "counted."
    )
    check = checked(planted)["unreadable"]
    assert (check.verdict, check.count) == (Verdict.PROBLEM, 2)
    assert planted.images == 28
    assert sum(planted.tables[0].rows[k][-1] for k in range(2)) == 26  # type: ignore[misc]


def test_what_cannot_be_told_is_not_run_and_says_what_it_needs(planted: Audit) -> None:
    checks = checked(planted)
    for key, word in (
        ("patients-apart", "patients"),
        ("label-errors", "--model"),
        ("not-brain-mri", "--model"),
    ):
        assert checks[key].verdict is Verdict.NOT_RUN
        assert checks[key].count is None
        assert word in checks[key].sentence


def test_nothing_is_found_where_nothing_was_planted(tmp_path: Path) -> None:
    found = audit(read_manifest(plain_folder(tmp_path / "images")), data="images")
    assert not any((found.pairs, found.conflicts, found.leaks, found.unreadable))
    checks = checked(found)
    for key in (
        "exact-copies",
        "near-copies",
        "label-conflicts",
        "unreadable",
        "empty-classes",
    ):
        assert checks[key].verdict is Verdict.GOOD, checks[key]
        assert checks[key].count == 0
    # A split cannot divide groups of one file each: that it does not is no merit.
    assert checks["groups-apart"].verdict is Verdict.NOT_RUN
    assert "names no groups" in checks["groups-apart"].sentence
    as_json(found)


def test_the_same_input_gives_the_same_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = planted_folder(tmp_path / "images")
    first = audit(read_manifest(root), data="images").model_dump_json()
    shutil.copytree(root, tmp_path / "elsewhere")
    monkeypatch.setattr(look, "BLOCK", 5)  # blocks bound memory, nothing else
    again = audit(read_manifest(tmp_path / "elsewhere"), data="images").model_dump_json()
    # A folder names itself as the source of its images; all else is the same anywhere.
    assert again.replace('"elsewhere"', '"images"') == first


def test_an_empty_class_is_a_problem(tmp_path: Path) -> None:
    root = plain_folder(tmp_path / "images", each=3)
    for folder in root.glob("*/pituitary"):
        shutil.rmtree(folder)
    check = checked(audit(read_manifest(root), data="images"))["empty-classes"]
    assert (check.verdict, check.count) == (Verdict.PROBLEM, 1)
    assert "No image of pituitary" in check.sentence


@pytest.mark.parametrize("images", [1, 2])
def test_a_folder_of_hardly_an_image_calls_nothing_good_that_was_not_compared(
    tmp_path: Path, images: int
) -> None:
    for label in CLASS_ORDER[:images]:
        save(tmp_path / label.value / "a.png", encoded(make_phantom(label, 5, 64).pixels))
    checks = checked(audit(read_manifest(tmp_path), data="images"))
    compared = [checks[key] for key in ("exact-copies", "near-copies", "label-conflicts")]
    if images == 1:
        assert {(check.verdict, check.count) for check in compared} == {(Verdict.NOT_RUN, None)}
        assert all("Fewer than two images" in check.sentence for check in compared)
    else:
        assert {(check.verdict, check.count) for check in compared} == {(Verdict.GOOD, 0)}
    assert "20 different slices" in checks["shortcuts"].sentence
    assert checks["shortcuts"].verdict is Verdict.NOT_RUN


def test_a_group_of_four_classes_is_told_to_have_more_than_one(tmp_path: Path) -> None:
    root = plain_folder(tmp_path / "images")
    table = root / "manifest.csv"
    rows = [
        f"{path.relative_to(root).as_posix()},{path.parent.name},all"
        for path in sorted(root.glob("*/*/*.png"))
    ]
    table.write_text("\n".join(["path,label,group", *rows]), encoding="utf-8")
    checks = checked(audit(read_manifest(table), data="images"))
    assert checks["label-conflicts"].sentence == "Found: 1 group with more than one class."
    # There are images enough, but each class has one group only.
    assert checks["shortcuts"].verdict is Verdict.NOT_RUN
    assert "two groups of each class" in checks["shortcuts"].sentence


def test_a_data_set_of_broken_files_is_answered(tmp_path: Path) -> None:
    for label in CLASS_ORDER:
        save(tmp_path / "images" / label.value / "a.png", b"no image")
    found = audit(read_manifest(tmp_path / "images"), data="images")
    assert len(found.unreadable) == 4
    assert found.shortcut is None
    assert checked(found)["shortcuts"].verdict is Verdict.NOT_RUN
    as_json(found)


class TestTable:
    """What a manifest says beyond the files."""

    @pytest.fixture
    def manifest(self, tmp_path: Path) -> Path:
        rows = []
        for number in range(8):
            label = CLASS_ORDER[number % 4]
            save(tmp_path / f"{number}.png", encoded(make_phantom(label, number, 64).pixels))
            rows.append(
                {
                    "path": f"{number}.png",
                    "label": label.value,
                    "official_split": "Testing" if number >= 4 else "Training",
                    "patient": f"SECRET{number % 4}" if number % 4 < 2 else "",
                    # 2 and 6 are one cluster of unknown patient; 3 and 7 are on their own.
                    "group": "cluster:9"
                    if number in (2, 6)
                    else (f"cluster:{number}" if number % 4 == 3 else ""),
                    "fold": 1 + number // 2 % 2,
                    "source_label": "glioma" if number == 3 else "",
                }
            )
        path = tmp_path / "manifest.csv"
        with path.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return path

    def test_patients_and_groups_on_both_sides_are_counted_once_and_not_named(self, manifest: Path) -> None:
        found = audit(read_manifest(manifest), data="manifest.csv")
        assert [(leak.split, leak.by, leak.example, leak.sides) for leak in found.leaks] == [
            ("official", "group", "2.png", {"Testing": 1, "Training": 1}),
            ("official", "patient", "0.png", {"Testing": 1, "Training": 1}),
            ("official", "patient", "1.png", {"Testing": 1, "Training": 1}),
        ]
        checks = checked(found)
        assert (checks["patients-apart"].verdict, checks["patients-apart"].count) == (Verdict.PROBLEM, 2)
        assert (checks["groups-apart"].verdict, checks["groups-apart"].count) == (Verdict.PROBLEM, 1)
        assert "the official split divides 2 and the folds divide none" in checks["patients-apart"].sentence
        assert (found.patients, found.groups) == (2, 5)
        assert "SECRET" not in found.model_dump_json()
        assert "cluster:" not in found.model_dump_json()

    def test_the_source_can_contradict_a_label(self, manifest: Path) -> None:
        (conflict,) = audit(read_manifest(manifest), data="manifest.csv").conflicts
        assert (conflict.paths, conflict.found_by) == (("3.png",), "source")
        assert conflict.labels == (Diagnosis.PITUITARY, Diagnosis.GLIOMA)

    def test_a_group_of_two_classes_is_told_by_one_image_of_each(self, manifest: Path) -> None:
        manifest.write_text(
            manifest.read_text().replace("cluster:9", "patient:X").replace("cluster:3", "patient:X")
        )
        found = audit(read_manifest(manifest), data="manifest.csv").conflicts
        assert [(conflict.paths, conflict.found_by) for conflict in found] == [
            (("2.png", "3.png"), "group"),
            (("3.png",), "source"),
        ]


class TestModel:
    """Answers of a model, given as functions and tables."""

    @staticmethod
    def asked(truth: NDArray[np.int64], seen: tuple[str, ...] = ()) -> Asked:
        """A bundle that knows the truth of images in their order, and finds the last one strange."""
        position = 0

        def answer(images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
            nonlocal position
            assert images.shape[1:] == (32, 32)
            rows = np.arange(position, position + len(images))
            position += len(images)
            shares = np.full((len(images), 4), 0.02, dtype=np.float32)
            shares[np.arange(len(images)), truth[rows]] = 0.94
            return shares, np.where(rows == len(truth) - 1, 9.0, 1.0).astype(np.float32)

        return Asked("made 1.0", 32, answer, novelty_limit=5.0, false_rejection=0.02, trained_on=seen)

    @pytest.mark.parametrize(
        ("images", "strange", "verdict"),
        [
            (20, 1, Verdict.NOTICE),  # a third of all honest sets of 20 have one
            (20, 3, Verdict.PROBLEM),
            (1000, 40, Verdict.NOTICE),
            (1000, 41, Verdict.PROBLEM),
            (1000, 0, Verdict.GOOD),
        ],
    )
    def test_few_strange_images_of_few_are_no_problem(
        self, images: int, strange: int, verdict: Verdict
    ) -> None:
        row = ImageRecord(Path("/data/glioma/a.png"), Diagnosis.GLIOMA, "0" * 64, "0" * 64, "0" * 64)
        novelty = np.where(np.arange(images) < strange, 9.0, 1.0)
        asked = self.asked(np.zeros(images, dtype=np.int64))
        check, found = novelty_check(Manifest((row,) * images, Path("/data")), asked, novelty)
        assert (check.verdict, check.count, len(found)) == (verdict, strange, strange)

    def test_a_wrong_label_and_a_strange_image_are_found(self, tmp_path: Path) -> None:
        manifest = read_manifest(plain_folder(tmp_path / "images"))
        truth = manifest.labels()
        truth[5] = (truth[5] + 1) % 4  # the label of one image is not what the model sees
        found = audit(manifest, data="images", model=self.asked(truth))
        (suspect,) = found.suspected_labels
        assert suspect.path == manifest.display_path(manifest.records[5])
        assert suspect.suggested is CLASS_ORDER[truth[5]]
        assert suspect.quality == pytest.approx(0.02, abs=1e-4)
        (strange,) = found.unlike_brain
        assert strange.path == manifest.display_path(manifest.records[-1])
        assert (strange.novelty, strange.limit) == (9.0, 5.0)
        checks = checked(found)
        assert "learnt wrong labels by heart" not in checks["label-errors"].sentence
        assert found.model == "made 1.0"
        as_json(found)

    @pytest.mark.parametrize("block", [4, 4096])
    def test_of_equal_pixels_the_model_is_asked_once(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
    ) -> None:
        monkeypatch.setattr(look, "BLOCK", block)
        folder = plain_folder(tmp_path / "images")
        rows = read_manifest(folder).records
        for row, other in ((rows[0], rows[-1]), (rows[9], rows[0]), (rows[9], rows[9])):
            with Image.open(row.path) as image:
                image.save(other.path.with_name(f"again-{row.path.stem}.bmp"))
        manifest = read_manifest(folder)
        shown: list[NDArray[np.uint8]] = []

        def answer(images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
            shown.extend(images)
            mean = images.mean(axis=(1, 2), dtype=np.float32)
            return np.repeat(mean[:, None] / 1020, 4, axis=1), mean

        model = Asked("means", 32, answer, novelty_limit=500.0, false_rejection=0.02, trained_on=())
        seen = look.see(manifest, model)
        assert len(manifest) == len(rows) + 3
        assert len(shown) == len(rows)
        expected = [load_input(row.path, 32).mean(dtype=np.float32) for row in seen.manifest]
        assert seen.novelty is not None
        assert seen.answers is not None
        np.testing.assert_allclose(seen.novelty, expected, rtol=1e-6)
        np.testing.assert_allclose(seen.answers.probabilities[:, 2] * 1020, expected, rtol=1e-6)

    @pytest.mark.parametrize(("wrong", "verdict"), [(1, Verdict.NOTICE), (4, Verdict.PROBLEM)])
    def test_suspects_are_a_problem_where_chance_hardly_gives_so_many(
        self, tmp_path: Path, wrong: int, verdict: Verdict
    ) -> None:
        manifest = read_manifest(plain_folder(tmp_path / "images", 5))
        truth = manifest.labels()
        truth[:wrong] = (truth[:wrong] + 1) % 4
        check = checked(audit(manifest, data="images", model=self.asked(truth)))["label-errors"]
        assert (check.verdict, check.count) == (verdict, wrong)

    def test_a_model_made_from_the_images_is_no_clean_bill(self, tmp_path: Path) -> None:
        manifest = read_manifest(plain_folder(tmp_path / "images"))
        seen = tuple(row.sha256[:8] for row in manifest.records[:10])
        check = checked(audit(manifest, data="images", model=self.asked(manifest.labels(), seen)))[
            "label-errors"
        ]
        assert (check.verdict, check.count) == (Verdict.NOTICE, 0)
        assert "made from 10 of these images and may have learnt wrong labels by heart" in check.sentence

    def test_out_of_fold_answers_are_matched_by_content_and_go_before_the_bundle(
        self, tmp_path: Path
    ) -> None:
        manifest = read_manifest(plain_folder(tmp_path / "images"))
        shares = np.full((len(manifest), 4), 0.05)
        shares[np.arange(len(manifest)), manifest.labels()] = 0.85
        shares[3] = np.roll(shares[3], 1)  # no other fold believes its label
        answered = dict(zip([row.sha256 for row in manifest], shares, strict=True))
        del answered[manifest.records[7].sha256]
        found = audit(
            manifest, data="images", model=self.asked(manifest.labels()), held_out=HeldOut("first", answered)
        )
        (suspect,) = found.suspected_labels
        assert (suspect.path, suspect.suggested) == (
            manifest.display_path(manifest.records[3]),
            CLASS_ORDER[(manifest.labels()[3] + 1) % 4],
        )
        assert "1 have no answer there" in checked(found)["label-errors"].sentence
        assert len(found.unlike_brain) == 1
        assert found.model == "first, made 1.0"


@pytest.fixture(scope="module")
def real(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Audit:
    """Every 20th real image and 12 pictures of other things, asked of the shipped bundle."""
    source = real_data / "brain-tumor-mri"
    root = tmp_path_factory.mktemp("real")
    with (source / "manifest.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))[::20]
    for kind in ("cxr", "hand", "knee-mr"):
        for path in sorted((real_data / "not-brain-mri" / kind).iterdir())[:4]:
            target = save(root / "others" / f"{kind}-{path.name}", path.read_bytes())
            rows.append({"path": target.relative_to(root).as_posix(), "label": "notumor"})
    for row in rows[:-12]:
        save(root / row["path"], (source / row["path"]).read_bytes())
    with (root / "manifest.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    classifier = load()

    def answer(images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        probabilities, novelty = classifier.session.run(images, ("probabilities", "novelty"))
        return probabilities, novelty

    card = classifier.card
    limit = card.thresholds.novelty_limit
    model = Asked("shipped", card.input_size, answer, limit, 0.02, card.data.image_sha256_prefixes)
    return audit(read_manifest(root), data="part", model=model)


def test_real_images_of_other_things_are_found(real: Audit) -> None:
    # The limit of the shipped bundle finds many knees, some chests and hardly a hand: docs/audit.md says so.
    others = {entry.path for entry in real.unlike_brain if entry.path.startswith("others/")}
    assert sum("knee" in path for path in others) >= 2
    brains = len(real.unlike_brain) - len(others)
    assert len(others) / 12 > 5 * brains / (real.images - 12)
    assert checked(real)["not-brain-mri"].verdict is not Verdict.GOOD


def test_real_images_give_their_class_away_without_the_brain(real: Audit) -> None:
    figures = real.shortcut
    assert figures is not None
    assert figures.low <= figures.accuracy <= figures.high
    assert figures.accuracy > 0.7
    assert figures.chance < 0.45
    assert checked(real)["shortcuts"].verdict is Verdict.PROBLEM
    assert real.datasets in ((), ("brain-tumor-mri-dataset@7023",))
    document = as_json(real)
    assert "MR0" not in json.dumps(document), "no patient is named"


def test_the_page_on_audits_names_every_check_and_field(planted: Audit) -> None:
    text = (Path(__file__).parents[3] / "docs" / "audit.md").read_text(encoding="utf-8")
    table = text.partition("## The checks")[2].partition("\n## ")[0]
    rows = [line.split("`")[1] for line in table.splitlines() if line.startswith("| `")]
    assert rows == [check.key for check in planted.checks]
    fields = text.partition("## `audit.json`")[2]
    assert all(f"`{name}`" in fields for name in SCHEMA["properties"])
    assert f"{len(FEATURES)} features" in text
