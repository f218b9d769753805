"""What ``tumorscope evaluate`` does with data, answers and bundles that are not as they should be."""

from __future__ import annotations

import csv
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bundle_factory import class_image, make_card, make_model
from evaluation_cases import made_table
from tumorscope.cli.main import run
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.evaluation.answer_table import PROBABILITIES
from tumorscope.evaluation.kept_answers import kept_beside
from tumorscope.evaluation.predictions import PREDICTIONS_NAME, write_predictions

COMMAND = "import sys; from tumorscope.cli.main import run; sys.exit(run(sys.argv[1:]))"
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Three images of each class in a folder per class."""
    folder = tmp_path / "images"
    for k, key in enumerate(CLASS_ORDER):
        (folder / key.value).mkdir(parents=True)
        for number in range(3):
            Image.fromarray(class_image(k, side=90 + 2 * number + 8 * k)).save(
                folder / key.value / f"{number}.png"
            )
    return folder


def _external(model: Path, data: Path, *more: str | Path) -> list[str]:
    words = ["evaluate", "--model", model, "--protocol", "external", "--data", data, "--no-progress", *more]
    return [str(word) for word in words]


def _json(capsys: Captured, arguments: list[str], status: int = 0) -> Any:
    assert run([*arguments, "--format", "json"]) == status
    # No NaN and no Infinity, which JSON does not have.
    return json.loads(capsys.readouterr().out, parse_constant=pytest.fail)


def _refused(capsys: Captured, arguments: list[str]) -> str:
    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    return captured.err


class TestLabels:
    def test_a_table_with_labels_outside_the_four_is_refused_with_all_of_them(
        self, bundle_path: Path, images: Path, capsys: Captured
    ) -> None:
        lines = [f"{key.value}/0.png,{name}" for key, name in zip(CLASS_ORDER, "ABCD", strict=True)]
        (images / "manifest.csv").write_text("\n".join(["path,label", *lines[:2], "notumor/0.png,notumor"]))
        message = _refused(capsys, _external(bundle_path, images))
        assert "manifest.csv line 2 and others: labels 'A', 'B' are unknown" in message
        assert "--map-label NAME=CLASS" in message
        found = _json(
            capsys, _external(bundle_path, images, "--map-label", "A=glioma", "--map-label", "b=skip")
        )
        assert found["images_by_class"] == {"glioma": 1, "meningioma": 0, "notumor": 1, "pituitary": 0}
        assert found["command"].endswith("--map-label A=glioma --map-label b=skip")

    def test_a_mapping_that_meets_nothing_is_told(
        self, bundle_path: Path, images: Path, capsys: Captured
    ) -> None:
        assert run(_external(bundle_path, images, "--map-label", "foo=skip")) == 0
        told = capsys.readouterr().err
        assert "--map-label 'foo' was used for no image; the names there are 'glioma', 'meningioma'" in told
        for path in images.glob("*/*.png"):
            path.rename(images / f"{path.parent.name}-{path.name}")
            if not any(path.parent.iterdir()):
                path.parent.rmdir()
        assert run(_external(bundle_path, images, "--map-label", "foo=skip")) == 0
        assert "--map-label 'foo' was used for no image; no label was read" in capsys.readouterr().err

    def test_a_folder_that_stands_for_no_class_is_in_no_figure_and_said_to_be_so(
        self, bundle_path: Path, images: Path, capsys: Captured
    ) -> None:
        (images / "glioma").rename(images / "astrocytoma")
        found = _json(capsys, _external(bundle_path, images))
        assert found["images"] == 9
        assert found["notes"][0].startswith("Images in astrocytoma were left out: no name gives their class.")
        mapped = _json(capsys, _external(bundle_path, images, "--map-label", "astrocytoma=glioma"))
        assert mapped["images_by_class"]["glioma"] == 3
        assert not any("left out" in note for note in mapped["notes"])

    def test_a_class_without_images_is_in_no_average_and_said_to_be_so(
        self, bundle_path: Path, images: Path, tmp_path: Path, capsys: Captured
    ) -> None:
        shutil.rmtree(images / "pituitary")
        report = tmp_path / "report"
        found = _json(
            capsys,
            _external(
                bundle_path,
                images,
                "--report",
                report,
                "--pass",
                "shortcut",
                "--limit",
                "8",
            ),
        )
        figures = found["figures"]
        assert figures["accuracy"]["value"] == figures["macro_f1"]["value"] == 1.0
        assert not {"sensitivity_pituitary", "auroc_pituitary", "ap_pituitary"} & figures.keys()
        assert figures["specificity_pituitary"]["value"] == 1.0
        assert "No images of pituitary: averages are over the other classes." in found["notes"]
        assert (report / "report.html").is_file()

    def test_images_of_one_class_alone_are_measured(
        self, bundle_path: Path, images: Path, capsys: Captured
    ) -> None:
        for key in CLASS_ORDER[1:]:
            shutil.rmtree(images / key.value)
        found = _json(capsys, _external(bundle_path, images))
        assert found["figures"]["balanced_accuracy"] == found["figures"]["accuracy"]
        assert "specificity_glioma" not in found["figures"]


class TestUnlabelled:
    @pytest.fixture
    def flat(self, images: Path, tmp_path: Path) -> Path:
        folder = tmp_path / "flat"
        folder.mkdir()
        for path in images.glob("*/*.png"):
            path.rename(folder / f"{path.parent.name}-{path.name}")
        return folder

    def test_it_is_answered_without_figures_in_one_line(
        self, bundle_path: Path, flat: Path, tmp_path: Path, capsys: Captured
    ) -> None:
        found = _json(capsys, _external(bundle_path, flat, "--report", tmp_path / "report"))
        assert (found["figures"], found["confusion"], found["images"]) == ({}, [], 12)
        assert found["notes"][0].startswith(
            "Predictions only, no figures: no name gives the class of images in"
        )
        assert "--map-label NAME=CLASS" in found["notes"][0]
        assert not any("averages" in note or "intervals" in note for note in found["notes"])
        said = {answer["path"]: answer["diagnosis"] for answer in found["predictions"]}
        assert said == {f"{key.value}-{n}.png": key.value for key in CLASS_ORDER for n in range(3)}
        assert json.loads((tmp_path / "report" / "evaluation.json").read_text()) == found
        page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
        assert "Predictions only, no figures" in page
        for words in ("undefined", "Not measured", "No verdict", "answered wrongly"):
            assert words not in page
        for name, answer in said.items():
            assert re.search(rf">{name}</bdi>.*class-{answer}", page)
        assert page.count('<tr><th scope="row">') == 12

    def test_the_table_says_so_too(self, bundle_path: Path, flat: Path, capsys: Captured) -> None:
        assert run(_external(bundle_path, flat)) == 0
        told = " ".join(capsys.readouterr().out.split())
        assert "predictions only: glioma 3, meningioma 3, notumor 3, pituitary 3" in told

    def test_an_image_that_cannot_be_read_is_listed(
        self, bundle_path: Path, flat: Path, capsys: Captured
    ) -> None:
        (flat / "glioma-0.png").write_bytes(b"\x89PNG\r\n\x1a\n")
        found = _json(capsys, _external(bundle_path, flat), status=1)
        assert [failure["path"] for failure in found["failures"]] == ["glioma-0.png"]
        assert run(_external(bundle_path, flat, "--report", flat.parent / "report")) == 1
        lines = capsys.readouterr().err.splitlines()
        (line,) = (line for line in lines if line.startswith("not answered: "))
        assert line.count("glioma-0.png") == 1
        assert lines[-1].startswith("written to ")
        assert "report.html" in lines[-1]
        assert len(found["predictions"]) == 11
        for path in flat.iterdir():
            path.write_bytes(b"\x89PNG\r\n\x1a\n")
        assert "none of the 12 images" in _refused(capsys, _external(bundle_path, flat))

    def test_what_needs_labels_is_refused(self, bundle_path: Path, flat: Path, capsys: Captured) -> None:
        arguments = _external(bundle_path, flat)
        message = _refused(capsys, [*arguments, "--report", str(flat.parent / "r"), "--pass", "stress"])
        assert "has no labels, and --pass compares" in message
        arguments[arguments.index("external")] = "official"
        assert "holds no images in sub-folders named glioma" in _refused(capsys, arguments)


class TestAnswers:
    def _write(self, path: Path, probabilities: str = "0.7,0.1,0.1,0.1") -> Path:
        lines = [f"{n}.png,{key.value},{probabilities},{n % 2}" for n, key in enumerate(CLASS_ORDER * 3)]
        path.write_text("\n".join([f"path,label,{','.join(PROBABILITIES)},fold", *lines]) + "\n")
        return path

    def test_answers_of_other_software_are_measured(self, tmp_path: Path, capsys: Captured) -> None:
        table = self._write(tmp_path / "other.csv")
        found = _json(capsys, ["evaluate", "--model", str(table), "--protocol", "external"])
        assert (found["model"], found["images"]) == ("other.csv", 12)
        assert found["figures"]["accuracy"]["value"] == 0.25
        assert "could not be checked" in found["notes"][0]
        folds = ["evaluate", "--model", str(table), "--protocol", "patient-wise"]
        assert "loss_calibrated" in _json(capsys, [*folds, "--report", str(tmp_path / "r")])["figures"]
        # No evaluation is left beside a table, as it is in the folder of a run.
        assert sorted(path.name for path in tmp_path.iterdir()) == ["other.csv", "r"]

    def test_what_is_no_answer_is_refused(self, tmp_path: Path, images: Path, capsys: Captured) -> None:
        table = self._write(tmp_path / "other.csv", "0.7,0.1,0.1,0.2")
        external = ["evaluate", "--model", str(table), "--protocol", "external"]
        assert "other.csv line 2: the probabilities are" in _refused(capsys, external)
        self._write(table)
        official = ["evaluate", "--model", str(table), "--protocol", "official", "--data", str(images)]
        assert "table of answers" in _refused(capsys, official)
        asked = [*external, "--data", str(images), "--report", str(tmp_path / "r"), "--pass", "stress"]
        assert "cannot be asked about changed images" in _refused(capsys, asked)

    def test_a_run_with_broken_answers_is_refused(self, tmp_path: Path, capsys: Captured) -> None:
        path = tmp_path / "run" / PREDICTIONS_NAME
        write_predictions(made_table(), path)
        with path.open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        for column, value in (("logit_glioma", "nan"), ("logit_notumor", "-inf"), ("label", "other")):
            broken = [*rows[:5], {**rows[5], column: value}, *rows[6:]]
            with path.open("w", newline="") as stream:
                writer = csv.DictWriter(stream, list(rows[0]))
                writer.writeheader()
                writer.writerows(broken)
            message = _refused(
                capsys, ["evaluate", "--model", str(path.parent), "--protocol", "patient-wise"]
            )
            assert f"{PREDICTIONS_NAME} line 7" in message


def test_a_fold_of_one_patient_is_reported_with_a_note(tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "run" / PREDICTIONS_NAME
    write_predictions(made_table(), path)
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(row for row in rows if row["fold"] != "2" or row["group"] == "group:1")
    arguments = ["evaluate", "--model", str(path.parent), "--protocol", "patient-wise"]
    found = _json(capsys, [*arguments, "--report", str(tmp_path / "report")])
    assert any(note.startswith("Fewer than 2 groups in fold 2") for note in found["notes"])
    assert found["parts"]["calibration"]["method"] in {"none", "temperature", "vector"}


@pytest.mark.parametrize(
    ("version", "remedy"),
    [(0, "export the bundle again"), (7, "update tumorscope"), ('"old"', "export the bundle again")],
)
def test_a_bundle_of_another_schema_says_which_and_what_to_do(
    version: object, remedy: str, images: Path, tmp_path: Path, capsys: Captured
) -> None:
    text = make_card().model_dump_json().replace('"schema_version":1', f'"schema_version":{version}')
    bundle = tmp_path / "other.onnx"
    bundle.write_bytes(make_model(card_text=text).SerializeToString())
    message = _refused(capsys, _external(bundle, images))
    assert f"its card has schema version {str(version).strip(chr(34))}; this tumorscope reads" in message
    assert "schema version 1" in message
    assert remedy in message


class TestInterrupted:
    """A process is really ended while it answers, and the same command is given again."""

    @pytest.fixture
    def many(self, tmp_path: Path) -> Path:
        """A manifest that vouches for its hashes, of 240 images that differ."""
        folder = tmp_path / "many"
        folder.mkdir()
        lines = ["path,label,sha256"]
        for number in range(240):
            k, key = number % 4, CLASS_ORDER[number % 4]
            Image.fromarray(class_image(k, side=90 + number)).save(folder / f"{number}.png")
            lines.append(f"{number}.png,{key.value},{number + 1:08x}{'0' * 56}")
        (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
        return folder

    @pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT] if sys.platform != "win32" else [])
    def test_it_goes_on_and_ends_as_if_nothing_had_happened(
        self, how: signal.Signals, bundle_path: Path, many: Path, tmp_path: Path, capsys: Captured
    ) -> None:
        def arguments(out: str) -> list[str]:
            return _external(bundle_path, many, "--batch-size", "4", "--out", tmp_path / out)

        assert run(arguments("whole.json")) == 0
        kept = kept_beside(tmp_path / "cut.json")
        with subprocess.Popen(
            [sys.executable, "-c", COMMAND, *arguments("cut.json")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            while _lines(kept) < 4 and process.poll() is None:
                time.sleep(0.001)
            process.send_signal(how)
            status = process.wait(timeout=60)
        assert status == (-how if how is signal.SIGKILL else 130)
        assert not (tmp_path / "cut.json").exists()
        answered = [
            int(position) for line in kept.read_text().split("\n")[1:-1] for position in json.loads(line)
        ]
        assert 12 <= len(answered) < 240
        # Were one of these read again, it would now be a failure.
        for position in answered:
            (many / f"{position}.png").write_bytes(b"no image")
        capsys.readouterr()
        assert run(arguments("cut.json")) == 0
        assert (tmp_path / "cut.json").read_bytes() == (tmp_path / "whole.json").read_bytes()
        assert not kept.exists()


def _lines(path: Path) -> int:
    try:
        return path.read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0
