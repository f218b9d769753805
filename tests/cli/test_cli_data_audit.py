"""``tumorscope data audit`` as a user runs it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bundle_factory import class_image, head_image
from tumorscope import __version__
from tumorscope.cli.main import run
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.core.prediction import NOTICE
from tumorscope.dataset.manifest_file import read_manifest
from tumorscope.evaluation.predictions import PREDICTIONS_NAME, tabulate, write_predictions
from tumorscope.inference.classifier import load

Capture = pytest.CaptureFixture[str]

BLOCKED = """
import socket, sys
def refuse(*_, **__):
    raise AssertionError("the network was asked for")
socket.socket.connect = socket.socket.connect_ex = socket.socket.sendto = refuse
socket.getaddrinfo = socket.create_connection = refuse
from tumorscope.cli.main import run
status = run(sys.argv[1:])
assert "torch" not in sys.modules
sys.exit(status)
"""


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Six images of each class that the small bundle knows; all differ."""
    folder = tmp_path / "images"
    for k, key in enumerate(CLASS_ORDER):
        (folder / key.value).mkdir(parents=True)
        for number in range(6):
            image = class_image(k, side=80 + 2 * number + 14 * k)
            Image.fromarray(image).save(folder / key.value / f"{number}.png")
    return folder


def test_a_line_for_each_check_and_two_files(images: Path, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "audit"
    assert run(["data", "audit", str(images), "--report", str(out)]) == 0
    printed = capsys.readouterr()
    document = json.loads((out / "audit.json").read_text(encoding="utf-8"))
    assert printed.err == ""
    lines = printed.out.splitlines()
    assert len(lines) == len(document["checks"]) + 1
    for line, check in zip(lines, document["checks"], strict=False):
        assert line.split()[0] == check["verdict"]
        assert line.endswith(check["sentence"])
    assert document["data"] == "images"
    assert document["tumorscope"] == __version__
    assert document["notice"] == NOTICE
    assert document["command"] == f"tumorscope data audit {images.as_posix()} --report {out.as_posix()}"
    page = (out / "index.html").read_text(encoding="utf-8")
    assert all(check["title"] in page for check in document["checks"])
    assert sorted(path.name for path in out.iterdir()) == ["audit.json", "index.html"]


def test_a_bundle_finds_the_wrong_label_and_the_strange_image(
    images: Path, tmp_path: Path, bundle_path: Path, capsys: Capture
) -> None:
    Image.fromarray(class_image(3, side=150)).save(images / "glioma" / "wrong.png")
    Image.fromarray(head_image((240, 240, 240, 240))).save(images / "notumor" / "strange.png")
    out = tmp_path / "audit"
    assert run(["data", "audit", str(images), "--report", str(out), "--model", str(bundle_path)]) == 0
    document = json.loads((out / "audit.json").read_text(encoding="utf-8"))
    assert document["model"] == "quadrants 1.0.0"
    wrong = [(entry["path"], entry["suggested"]) for entry in document["suspected_labels"]]
    assert ("glioma/wrong.png", "pituitary") in wrong
    assert "notumor/strange.png" in [entry["path"] for entry in document["unlike_brain"]]
    assert "--model" in document["command"]


def test_the_shipped_bundle_has_a_name(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bundle_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(bundle_path, tmp_path / "shipped")
    for word, label in (("shipped", load().facts.label), ("./shipped", "quadrants 1.0.0")):
        assert run(["data", "audit", str(images), "--report", "audit", "--model", word]) == 0
        document = json.loads((tmp_path / "audit" / "audit.json").read_text(encoding="utf-8"))
        assert document["model"] == label
        assert document["command"].endswith(f"--model {word}")
        assert {check["verdict"] for check in document["checks"] if check["key"] == "not-brain-mri"} != {
            "not-run"
        }


def test_a_run_is_judged_by_its_out_of_fold_answers(images: Path, tmp_path: Path) -> None:
    manifest = read_manifest(images)
    logits = np.where(np.eye(4, dtype=bool)[manifest.labels()], 3.0, 0.0)
    logits[8] = [0.0, 0.0, 3.0, 0.0]  # a meningioma that no other fold believes
    folds = np.arange(len(manifest)) % 4 + 1
    out, folder = tmp_path / "audit", tmp_path / "first"
    write_predictions(tabulate(manifest, logits, folds), folder / PREDICTIONS_NAME)
    assert run(["data", "audit", str(images), "--report", str(out), "--model", str(folder)]) == 0
    document = json.loads((out / "audit.json").read_text(encoding="utf-8"))
    (suspect,) = document["suspected_labels"]
    assert (suspect["path"], suspect["suggested"]) == ("meningioma/2.png", "notumor")
    verdicts = {check["key"]: check["verdict"] for check in document["checks"]}
    # One of 24 is more than usual, and no more than chance makes of what is usual.
    assert (verdicts["label-errors"], verdicts["not-brain-mri"]) == ("notice", "not-run")
    page = (out / "index.html").read_text(encoding="utf-8")
    assert "Images whose class first doubts, by confident learning" in page
    assert "had not seen" not in page


def test_unreadable_files_are_listed_and_the_rest_answered(
    images: Path, tmp_path: Path, capsys: Capture
) -> None:
    (images / "glioma" / "a.txt").write_text("no image")
    (images / "glioma" / "a.gif").write_bytes(b"GIF89a")
    whole = (images / "glioma" / "0.png").read_bytes()
    (images / "glioma" / "cut.png").write_bytes(whole[: len(whole) // 2])
    out = tmp_path / "audit"
    assert run(["data", "audit", str(images), "--report", str(out)]) == 1
    printed = capsys.readouterr()
    note, *unreadable = printed.err.splitlines()
    assert (
        note == f"note: 1 file that is no image was passed over, the first is {images / 'glioma' / 'a.txt'}"
    )
    assert [line.startswith("unreadable: ") for line in unreadable] == [True, True]
    document = json.loads((out / "audit.json").read_text(encoding="utf-8"))
    assert [entry["path"] for entry in document["unreadable"]] == ["glioma/a.gif", "glioma/cut.png"]
    assert (document["images"], document["tables"][-1]["rows"]) == (26, [["PNG", 6, 6, 6, 6, 24]])


def test_folders_of_other_names_are_mapped(images: Path, tmp_path: Path, capsys: Capture) -> None:
    (images / "glioma").rename(images / "astrocytoma")
    out = tmp_path / "audit"
    command = ["data", "audit", str(images), "--report", str(out), "--map-label", "astrocytoma=glioma"]
    assert run(command) == 0
    document = json.loads((out / "audit.json").read_text(encoding="utf-8"))
    assert document["images_by_class"]["glioma"] == 6
    assert "--map-label astrocytoma=glioma" in document["command"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"data": "nowhere"}, "does not exist"),
        ({"model": "nowhere.onnx"}, "or the word 'shipped'"),
        ({"model": "images"}, "predictions.csv"),
        ({"report": "file"}, "is not a folder"),
        ({"map": "x"}, "NAME=CLASS"),
    ],
)
def test_mistakes_end_in_one_line(
    images: Path, tmp_path: Path, capsys: Capture, change: dict[str, str], told: str
) -> None:
    (tmp_path / "file").write_text("mine")
    command = ["data", "audit", str(tmp_path / change.get("data", "images"))]
    command += ["--report", str(tmp_path / change.get("report", "audit"))]
    if "model" in change:
        command += ["--model", str(tmp_path / change["model"])]
    if "map" in change:
        command += ["--map-label", change["map"]]
    assert run(command) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1
    assert told in printed.err
    assert not (tmp_path / "audit").exists()


def test_help_names_the_parts(capsys: Capture) -> None:
    assert run(["data", "audit", "--help"]) == 0
    printed = capsys.readouterr().out
    for word in ("--report", "--model", "shipped", "--map-label", "exit status 1", "Examples:"):
        assert word in printed


def test_nothing_asks_for_the_network(images: Path, tmp_path: Path, bundle_path: Path) -> None:
    words = ["data", "audit", str(images), "--report", str(tmp_path / "audit"), "--model", str(bundle_path)]
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", BLOCKED, *words], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
