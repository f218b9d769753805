"""``tumorscope evaluate`` as a user runs it, on a run's folder and on a real small bundle."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from bundle_factory import TEMPERATURE, class_image, make_card, make_model
from evaluation_cases import made_table
from tumorscope.cli.evaluate import evaluate
from tumorscope.cli.main import run
from tumorscope.core.errors import (
    InvalidConfiguration,
    InvalidManifest,
    LeakySplit,
    MissingInput,
    TrainedOnError,
)
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.core.prediction import NOTICE
from tumorscope.evaluation.metrics import losses
from tumorscope.evaluation.predictions import PREDICTIONS_NAME, write_predictions
from tumorscope.evaluation.protocol import patient_wise
from tumorscope.synthesis.stresses import STRESSES

app = typer.Typer()
app.command()(evaluate)


def _run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, [str(word) for word in arguments])


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """A run's folder with out-of-fold answers."""
    folder = tmp_path / "first run"
    write_predictions(made_table(1), folder / PREDICTIONS_NAME)
    return folder


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Three images of each class in a folder per class; one of them is shown as another class."""
    folder = tmp_path / "images"
    for k, key in enumerate(CLASS_ORDER):
        (folder / key.value).mkdir(parents=True)
        for number in range(3):
            shown = 1 if (k, number) == (0, 2) else k
            Image.fromarray(class_image(shown, side=90 + 2 * number + 8 * k)).save(
                folder / key.value / f"{number}.png"
            )
    return folder


def test_a_run_is_measured_patient_wise(run_folder: Path) -> None:
    result = _run("--model", run_folder, "--protocol", "patient-wise", "--format", "json")
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    assert printed == json.loads((run_folder / "evaluation.json").read_text())
    expected = patient_wise(made_table(1), "")
    assert printed["schema"] == "tumorscope/evaluation/1"
    assert printed["protocol"] == "patient-wise"
    assert printed["model"] == "first run"
    assert (printed["images"], printed["slices"]) == (expected.images, 120)
    assert (printed["groups"], printed["patients"]) == (40, 14)
    assert printed["figures"] == {name: figure.model_dump() for name, figure in expected.figures.items()}
    assert printed["notice"] == NOTICE
    assert sum(printed["images_by_class"].values()) == printed["images"]


def test_the_command_in_the_file_makes_the_same_file(run_folder: Path) -> None:
    _run("--model", run_folder, "--protocol", "patient-wise")
    first = (run_folder / "evaluation.json").read_bytes()
    words = shlex.split(json.loads(first)["command"])
    assert words[:2] == ["tumorscope", "evaluate"]
    (run_folder / "evaluation.json").unlink()
    assert _run(*words[2:]).exit_code == 0
    assert (run_folder / "evaluation.json").read_bytes() == first


def test_the_table_shows_every_figure_under_its_protocol(run_folder: Path) -> None:
    result = _run("--model", run_folder, "--protocol", "patient-wise")
    assert result.exit_code == 0
    text = result.stdout
    figures = patient_wise(made_table(1), "").figures
    for name in (
        "accuracy",
        "macro_f1",
        "loss",
        "loss_calibrated",
        "sensitivity_glioma",
        "specificity_notumor",
    ):
        assert f"{figures[name].value:.3f}" in text
        assert f"{figures[name].low:.3f} to {figures[name].high:.3f}" in text
    assert "120 slices" in text
    assert "14 of them real patients" in " ".join(text.split())
    for title in ("Figures, patient-wise", "By class, patient-wise", "Confusion in slices, patient-wise"):
        assert title in text
    assert NOTICE in " ".join(text.split())


@pytest.mark.parametrize("out", ["report.json", "folder"])
def test_the_file_goes_where_it_is_sent(run_folder: Path, tmp_path: Path, out: str) -> None:
    result = _run("--model", run_folder, "--protocol", "patient-wise", "--out", tmp_path / "new" / out)
    assert result.exit_code == 0
    written = tmp_path / "new" / (out if out.endswith(".json") else f"{out}/evaluation.json")
    assert json.loads(written.read_text())["groups"] == 40
    assert not (run_folder / "evaluation.json").exists()


def test_a_bundle_is_measured_on_images_from_elsewhere(
    bundle_path: Path, images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.json"
    result = _run(
        *("--model", bundle_path, "--protocol", "external", "--data", images),
        *("--out", out, "--format", "json", "--batch-size", "5"),
    )
    assert result.exit_code == 0, result.output
    found = json.loads(out.read_text())
    assert found["protocol"] == "external"
    assert found["model"] == "quadrants 1.0.0"
    assert (found["images"], found["groups"], found["patients"]) == (12, 12, 0)
    assert found["figures"]["accuracy"]["value"] == pytest.approx(11 / 12)
    assert found["figures"]["sensitivity_glioma"]["value"] == pytest.approx(2 / 3)
    assert found["confusion"][0] == [2, 1, 0, 0]
    assert any("Only 12 groups" in note for note in found["notes"])
    # A training image that was saved again is not recognised, and nothing claims that it would be.
    assert any("saved again are not recognised" in note for note in found["notes"])
    assert any(
        "Of 12 of 12 images only equal files are known to be copies" in note for note in found["notes"]
    )
    assert "none of which" not in found["protocol_meaning"]


def test_the_confusion_of_a_terminal_has_one_format(run_folder: Path) -> None:
    text = _run("--model", run_folder, "--protocol", "patient-wise").stdout
    rows = re.findall(
        rf"^│ (?:{'|'.join(key.value for key in CLASS_ORDER)}) +│(.*)│$",
        text[text.index("Confusion") :],
        re.M,
    )
    cells = [cell.strip() for row in rows for cell in row.split("│")]
    assert len(cells) == 16
    assert len({"." in cell for cell in cells}) == 1


def test_the_losses_are_of_the_bundles_raw_logits_and_its_temperature(
    bundle_path: Path, images: Path
) -> None:
    from tumorscope.inference.bundle import read_bundle
    from tumorscope.inference.session import Session
    from tumorscope.preprocess import preprocess

    result = _run(
        *("--model", bundle_path, "--protocol", "external", "--data", images),
        *("--format", "json"),
    )
    figures = json.loads(result.stdout)["figures"]
    session = Session(read_bundle(bundle_path))
    paths = sorted(images.glob("*/*.png"))
    labels = np.array([[key.value for key in CLASS_ORDER].index(path.parent.name) for path in paths])
    batch = np.stack([preprocess(np.asarray(Image.open(path)), 64) for path in paths])
    logits = session.run(batch, ("logits",))[0]
    assert figures["loss"]["value"] == pytest.approx(losses(logits, labels).mean(), rel=1e-5)
    assert figures["loss_calibrated"]["value"] == pytest.approx(
        losses(logits, labels, TEMPERATURE).mean(), rel=1e-5
    )


def test_copies_of_one_file_count_once(bundle_path: Path, images: Path) -> None:
    wrong = images / "glioma" / "2.png"
    for number in range(5):
        (images / "glioma" / f"copy{number}.png").write_bytes(wrong.read_bytes())
    result = _run("--model", bundle_path, "--protocol", "external", "--data", images, "--format", "json")
    found = json.loads(result.stdout)
    assert (found["images"], found["slices"]) == (17, 12)
    assert found["figures"]["accuracy"]["value"] == pytest.approx(11 / 12)


def test_images_of_the_training_are_refused(images: Path, tmp_path: Path) -> None:
    seen = [images / "glioma" / "0.png", images / "pituitary" / "1.png"]
    prefixes = tuple(sorted(hashlib.sha256(path.read_bytes()).hexdigest()[:8] for path in seen))
    data = make_card().data.model_copy(update={"image_sha256_prefixes": prefixes})
    bundle = tmp_path / "seen.onnx"
    bundle.write_bytes(make_model(make_card(data=data)).SerializeToString())
    out = tmp_path / "out.json"
    result = _run("--model", bundle, "--protocol", "external", "--data", images, "--out", out)
    assert isinstance(result.exception, TrainedOnError)
    message = str(result.exception)
    assert "2 of 12 images" in message
    assert "glioma/0.png" in message
    assert "pituitary/1.png" in message
    assert "\n" not in message
    assert not out.exists()
    assert result.stdout == ""


def test_an_image_that_cannot_be_read_is_listed_and_the_rest_measured(
    bundle_path: Path, images: Path
) -> None:
    (images / "notumor" / "broken.png").write_bytes((images / "notumor" / "0.png").read_bytes()[:60])
    result = _run("--model", bundle_path, "--protocol", "external", "--data", images, "--format", "json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert found["images"] == 12
    assert [failure["path"] for failure in found["failures"]] == ["notumor/broken.png"]
    assert found["failures"][0]["error"]["code"] == "unreadable-image"
    assert "notumor/broken.png" in result.stderr


def test_nothing_readable_is_an_error(bundle_path: Path, tmp_path: Path) -> None:
    (tmp_path / "images" / "glioma").mkdir(parents=True)
    (tmp_path / "images" / "glioma" / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    result = _run("--model", bundle_path, "--protocol", "external", "--data", tmp_path / "images")
    assert isinstance(result.exception, InvalidManifest)
    assert "none of the 1 images" in str(result.exception)


def test_wrong_combinations_are_refused_with_the_right_one(
    bundle_path: Path, run_folder: Path, images: Path, tmp_path: Path
) -> None:
    patient_wise_, external_ = ("--protocol", "patient-wise"), ("--protocol", "external")
    cases: list[tuple[tuple[str | Path, ...], type[Exception], str]] = [
        (("--model", bundle_path, *patient_wise_), InvalidConfiguration, "--protocol external --data"),
        (patient_wise_, InvalidConfiguration, "give its folder as --model"),
        (
            ("--model", run_folder, *patient_wise_, "--pass", "stress"),
            InvalidConfiguration,
            "--data and --report",
        ),
        (
            ("--model", run_folder, *patient_wise_, "--report", tmp_path / "r", "--out", tmp_path / "o"),
            InvalidConfiguration,
            "leave --out away",
        ),
        (("--model", run_folder, *external_, "--data", images), InvalidConfiguration, ".onnx file"),
        (("--model", bundle_path, *external_), InvalidConfiguration, "--data MANIFEST or FOLDER"),
        (("--model", tmp_path / "nowhere", *patient_wise_), MissingInput, "does not exist"),
        (("--model", images, *patient_wise_), MissingInput, "train --folds"),
        (("--model", bundle_path, *external_, "--data", tmp_path / "no"), MissingInput, "does not exist"),
    ]
    for arguments, kind, message in cases:
        result = _run(*arguments)
        assert isinstance(result.exception, kind), arguments
        assert message in str(result.exception)
        assert "\n" not in str(result.exception)


def test_answers_without_folds_are_not_patient_wise(tmp_path: Path) -> None:
    write_predictions(replace(made_table(1), folds=None), tmp_path / PREDICTIONS_NAME)
    result = _run("--model", tmp_path, "--protocol", "patient-wise")
    assert isinstance(result.exception, InvalidManifest)
    assert not (tmp_path / "evaluation.json").exists()


class TestLeaks:
    @pytest.fixture
    def leaky_run(self, tmp_path: Path) -> Path:
        write_predictions(replace(made_table(1), leaks={"patient": 3}), tmp_path / "run" / PREDICTIONS_NAME)
        return tmp_path / "run"

    @pytest.fixture
    def parted(self, images: Path) -> Path:
        """The twelve images, of each class one to train, one to test and one excluded."""
        lines = ["path,label,group,part"]
        for key in CLASS_ORDER:
            lines += [
                f"{key.value}/{n}.png,{key.value},{key.value}-{n},{part}"
                for n, part in enumerate(("train", "test", "excluded"))
            ]
        (images / "manifest.csv").write_text("\n".join(lines) + "\n")
        return images / "manifest.csv"

    def test_a_leaky_run_is_refused_unless_allowed_and_then_no_figure_goes_without_it(
        self, leaky_run: Path
    ) -> None:
        refused = _run("--model", leaky_run, "--protocol", "patient-wise")
        assert isinstance(refused.exception, LeakySplit)
        assert "3 patients lie in two folds" in str(refused.exception)
        assert "\n" not in str(refused.exception)
        assert not (leaky_run / "evaluation.json").exists()
        result = _run("--model", leaky_run, "--protocol", "patient-wise", "--allow-leaks")
        assert result.exit_code == 0, result.output
        text = " ".join(result.stdout.split())
        for title in ("Figures", "By class", "Confusion in slices"):
            assert f"{title}, patient-wise, leaky split" in text
        assert "Note: The split leaks: 3 patients on two sides of it." in text
        written = json.loads((leaky_run / "evaluation.json").read_text())
        assert written["leaks"] == {"patient": 3}
        assert written["command"].endswith("--protocol patient-wise --allow-leaks")

    def test_only_the_part_test_is_measured(self, bundle_path: Path, parted: Path) -> None:
        result = _run("--model", bundle_path, "--protocol", "external", "--data", parted, "--format", "json")
        assert result.exit_code == 0, result.output
        found = json.loads(result.stdout)
        assert (found["images"], found["leaks"]) == (4, {})
        assert found["notes"][0] == "Only the 4 images of the part test were used; 8 others were left out."
        assert found["notes"][1].startswith("The part test has fewer than 10 groups of glioma, meningioma,")

    def test_a_patient_in_both_parts_is_refused_unless_allowed(self, bundle_path: Path, parted: Path) -> None:
        parted.write_text(parted.read_text().replace("glioma-1", "glioma-0"))
        arguments = ("--model", bundle_path, "--protocol", "external", "--data", parted, "--format", "json")
        refused = _run(*arguments)
        assert isinstance(refused.exception, LeakySplit)
        assert "1 group lies in two parts, train and test" in str(refused.exception)
        found = json.loads(_run(*arguments, "--allow-leaks").stdout)
        assert found["leaks"] == {"group": 1}
        assert "--allow-leaks" in found["command"]
        # An excluded row is on neither side.
        parted.write_text(parted.read_text().replace("glioma-0,test", "glioma-2,test"))
        assert json.loads(_run(*arguments).stdout)["leaks"] == {}

    def test_parts_without_a_test_are_refused(self, bundle_path: Path, parted: Path) -> None:
        parted.write_text(parted.read_text().replace(",test", ",train"))
        result = _run("--model", bundle_path, "--protocol", "external", "--data", parted)
        assert isinstance(result.exception, InvalidManifest)
        assert "none of the 12 rows is of the part test" in str(result.exception)


def test_phantoms_go_through_the_whole_verb(bundle_path: Path, tmp_path: Path) -> None:
    from tumorscope.synthesis.phantom import write_phantoms

    for _ in write_phantoms(tmp_path / "phantoms", 40, size=64):
        pass
    result = _run(
        *("--model", bundle_path, "--protocol", "external", "--data", tmp_path / "phantoms"),
        *("--format", "json", "--no-progress"),
    )
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["images_by_class"] == dict.fromkeys([key.value for key in CLASS_ORDER], 10)
    assert found["groups"] == 40
    assert found["patients"] == 0  # theirs do not exist
    assert found["notes"][0] == "Synthetic images: no result about real scans."
    assert set(found["figures"]) >= {"accuracy", "loss", "macro_f1"}


def test_the_command_line_ends_as_it_should(
    run_folder: Path, bundle_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["evaluate", "--model", str(run_folder), "--protocol", "patient-wise"]) == 0
    assert "Figures, patient-wise" in capsys.readouterr().out
    assert run(["evaluate", "--model", str(bundle_path), "--protocol", "patient-wise"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.strip().splitlines()) == 1
    assert "--protocol external" in captured.err
    assert run(["evaluate", "--model", str(run_folder), "--protocol", "image-wise"]) == 2
    assert "'patient-wise', 'external'" in capsys.readouterr().err
    assert run(["evaluate", "--help"]) == 0
    assert "tumorscope evaluate --model runs/first --protocol patient-wise" in capsys.readouterr().out


class TestOfficialSplit:
    @pytest.fixture
    def published(self, images: Path) -> Path:
        """The twelve images, two of each class for Training and one for Testing; one group lies in both."""
        lines = ["path,label,group,official_split"]
        for key in CLASS_ORDER:
            lines += [
                f"{key.value}/{n}.png,{key.value},{'shared' if n and key.value == 'glioma' else f'{key.value}-{n}'},"
                f"{'Testing' if n == 2 else 'Training'}"
                for n in range(3)
            ]
        (images / "manifest.csv").write_text("\n".join(lines) + "\n")
        return images / "manifest.csv"

    def test_the_published_split_is_measured_with_its_leak(self, bundle_path: Path, published: Path) -> None:
        result = _run(
            "--model", bundle_path, "--protocol", "official", "--data", published, "--format", "json"
        )
        assert result.exit_code == 0, result.output
        found = json.loads(result.stdout)
        assert (found["protocol"], found["images"], found["leaks"]) == ("official", 4, {"group": 1})
        assert any("leaks" in note for note in found["notes"])
        assert "accuracy" in found["figures"]

    def test_too_few_leak_free_images_give_counts_and_no_figure(
        self, bundle_path: Path, published: Path
    ) -> None:
        arguments = ("--model", bundle_path, "--protocol", "leak-free", "--data", published)
        result = _run(*arguments)
        assert result.exit_code == 0, result.output
        assert "not estimable: glioma 0, meningioma 1, notumor 1, pituitary 1" in result.stdout
        found = json.loads(_run(*arguments, "--format", "json").stdout)
        assert (found["figures"], found["confusion"], found["images"]) == ({}, [], 3)
        assert any("with an image to learn from" in note for note in found["notes"])
        assert not any("used to train" in note for note in found["notes"])

    def test_too_few_leak_free_images_of_the_training_are_said_to_be_so(
        self, published: Path, tmp_path: Path
    ) -> None:
        testing = published.parent / "notumor" / "2.png"
        prefix = hashlib.sha256(testing.read_bytes()).hexdigest()[:8]
        data = make_card().data.model_copy(update={"image_sha256_prefixes": (prefix,)})
        bundle = tmp_path / "seen.onnx"
        bundle.write_bytes(make_model(make_card(data=data)).SerializeToString())
        arguments = ("--model", bundle, "--data", published, "--format", "json")
        found = json.loads(_run(*arguments, "--protocol", "leak-free").stdout)
        assert any("1 of these 3 images were used to train quadrants" in note for note in found["notes"])
        result = _run(*arguments, "--protocol", "official")
        assert isinstance(result.exception, TrainedOnError)

    def test_a_file_on_both_sides_is_a_leak_of_the_split_and_not_of_the_model(
        self, published: Path, tmp_path: Path
    ) -> None:
        images = published.parent
        content = (images / "notumor" / "0.png").read_bytes()
        (images / "notumor" / "2.png").write_bytes(content)  # Testing, and now Training too
        prefix = hashlib.sha256(content).hexdigest()[:8]
        data = make_card().data.model_copy(update={"image_sha256_prefixes": (prefix,)})
        bundle = tmp_path / "seen.onnx"
        bundle.write_bytes(make_model(make_card(data=data)).SerializeToString())
        arguments = ("--model", bundle, "--data", published, "--format", "json")
        result = _run(*arguments, "--protocol", "official")
        assert result.exit_code == 0, result.output
        found = json.loads(result.stdout)
        assert (found["images"], found["leaks"]["file"]) == (4, 1)
        assert any(note.startswith("1 of the test images are, byte for byte,") for note in found["notes"])
        external = _run(*arguments, "--protocol", "external")
        assert isinstance(external.exception, TrainedOnError)


class TestReport:
    def test_a_bundle_is_reported_with_every_pass_and_goes_on_after_an_interruption(
        self, bundle_path: Path, images: Path, tmp_path: Path
    ) -> None:
        report = tmp_path / "report"
        arguments: list[str | Path] = ["--model", bundle_path, "--protocol", "external", "--data", images]
        arguments += ["--report", report, "--limit", "8", "--format", "json"]
        for name in ("stress", "shortcut"):
            arguments += ["--pass", name]
        result = _run(*arguments)
        assert result.exit_code == 0, result.output
        written = json.loads((report / "evaluation.json").read_text())
        assert written == json.loads(result.stdout)
        assert written["command"].endswith("--pass stress --pass shortcut --limit 8")
        parts = written["parts"]
        assert {ladder["kind"] for ladder in parts["stress"]} == set(STRESSES)
        assert 0 <= parts["shortcut"]["brain_masked"]["value"] <= 1
        assert (parts["calibration"]["constants"], parts["calibration"]["method"]) == ("model", "temperature")
        assert {level["constants"] for level in parts["coverage"]} == {"model"}
        assert [level["level"] for level in parts["coverage"]] == [0.9, 0.95]
        assert any("the model's own, fixed when it was made" in note for note in written["notes"])
        page_text = (report / "report.html").read_text(encoding="utf-8")
        assert "Not measured: how well the probabilities are calibrated" not in page_text
        assert "Not measured: whether prediction sets keep their promise" not in page_text
        page = (report / "report.html").read_text(encoding="utf-8")
        assert "external" in page
        for name in ("model-card.md", "claim-2024.md", "tripod-ai.md"):
            assert (report / name).read_text(encoding="utf-8").startswith("#")
        kept = (report / "stress-ladders.json").read_bytes()
        assert _run(*arguments).exit_code == 0
        assert (report / "stress-ladders.json").read_bytes() == kept

    def test_heat_maps_without_boxes_cost_no_other_part(
        self, bundle_path: Path, images: Path, tmp_path: Path
    ) -> None:
        result = _run(
            *("--model", bundle_path, "--protocol", "external", "--data", images, "--report", tmp_path / "r"),
            *("--limit", "8", "--pass", "explanation", "--pass", "shortcut", "--format", "json"),
        )
        assert result.exit_code == 0, result.output
        found = json.loads(result.stdout)
        assert found["parts"]["explanation"] is None
        assert found["parts"]["shortcut"]["support"]["brain_masked"]["images"] == 8
        assert any(
            "heat-maps were not checked: none of the images has a tumour box" in note
            for note in found["notes"]
        )
        page = (tmp_path / "r" / "report.html").read_text(encoding="utf-8")
        assert "Too few to judge" in page
        assert "8 images of 8 groups" in page

    def test_a_run_without_its_images_is_reported_and_says_what_is_missing(
        self, run_folder: Path, tmp_path: Path
    ) -> None:
        result = _run("--model", run_folder, "--protocol", "patient-wise", "--report", tmp_path / "report")
        assert result.exit_code == 0, result.output
        written = json.loads((tmp_path / "report" / "evaluation.json").read_text())
        assert written["parts"]["calibration"]["method"] in ("none", "temperature", "vector")
        assert [level["level"] for level in written["parts"]["coverage"]] == [0.8, 0.9, 0.95, 0.99]
        assert any("No images were given" in note for note in written["notes"])
        assert (tmp_path / "report" / "report.html").is_file()
