"""The command as a process: what it imports, how it ends, and that it stays on this machine."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bundle_factory import make_card
from tumorscope import __version__
from tumorscope.cli.main import run
from tumorscope.cli.verbs import VERBS

Capture = pytest.CaptureFixture[str]

HEAVY = (
    "torch",
    "timm",
    "lightning",
    "onnx",
    "pydantic",
    "rich",
    "typer",
    "pydicom",
    "nibabel",
    "h5py",
    "scipy",
)

SPY = """
import sys
from tumorscope.cli.main import run
status = run(sys.argv[1:])
print("MODULES", *sorted({name.split(".")[0] for name in sys.modules}), file=sys.stderr)
sys.exit(status)
"""

WITHOUT_TORCH = """
import sys
for name in ("torch", "torchvision", "timm", "lightning"):
    sys.modules[name] = None  # an import of it raises ImportError, as where it is not installed
from tumorscope.cli.main import run
sys.exit(run(sys.argv[1:]))
"""

WITHOUT_NETWORK = """
import socket, sys
def refuse(*arguments, **options):
    raise AssertionError(f"the network was touched: {arguments}")
socket.socket.connect = socket.socket.connect_ex = socket.socket.sendto = refuse
socket.getaddrinfo = socket.create_connection = refuse
from tumorscope.cli.main import run
sys.exit(run(sys.argv[1:]))
"""


def process(code: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def modules_of(*arguments: str | Path) -> set[str]:
    finished = process(SPY, *arguments)
    assert finished.returncode == 0, finished.stderr
    return set(finished.stderr.splitlines()[-1].split()[1:])


def test_an_answer_needs_neither_torch_nor_anything_else_heavy(
    bundle_path: Path, class_png: Callable[[int], Path], tmp_path: Path
) -> None:
    shipped_like = SPY.replace(
        "status =",
        "import tumorscope.inference.bundle as b, hashlib, pathlib\n"
        "path = pathlib.Path(sys.argv.pop())\n"
        "b.shipped_path = lambda: path\n"
        "status =",
    )
    path = tmp_path / "shipped.onnx"
    path.write_bytes(bundle_path.read_bytes())
    path.with_suffix(".sha256").write_text(hashlib.sha256(path.read_bytes()).hexdigest())
    finished = process(shipped_like, "predict", class_png(0), path)
    assert finished.returncode == 0, finished.stderr
    imported = set(finished.stderr.splitlines()[-1].split()[1:])
    assert {"onnxruntime", "tumorscope"} <= imported
    assert imported.isdisjoint(HEAVY)


def test_with_every_option_an_answer_still_needs_no_torch(
    bundle_path: Path, class_png: Callable[[int], Path], tmp_path: Path
) -> None:
    imported = modules_of(
        *("predict", class_png(0), class_png(1), "--model", bundle_path, "--heatmaps", tmp_path / "pictures"),
        *("--output", tmp_path / "answers.csv"),
    )
    assert imported.isdisjoint(("torch", "torchvision", "timm", "lightning"))


def test_an_answer_comes_where_torch_cannot_be_imported(
    bundle_path: Path, class_png: Callable[[int], Path]
) -> None:
    finished = process(WITHOUT_TORCH, "predict", class_png(2), "--model", bundle_path, "--format", "jsonl")
    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout)["diagnosis"] == "notumor"


def test_an_answer_touches_no_network(
    bundle_path: Path, class_png: Callable[[int], Path], tmp_path: Path
) -> None:
    finished = process(
        WITHOUT_NETWORK,
        *("predict", class_png(3), "--model", bundle_path, "--format", "jsonl", "--heatmaps", tmp_path / "p"),
    )
    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout)["diagnosis"] == "pituitary"


def test_help_lists_the_verbs_and_imports_none_of_them(capsys: Capture) -> None:
    imported = modules_of("--help")
    assert imported.isdisjoint(("onnxruntime", "numpy", "torch", "rich"))
    assert run([]) == 0
    text = capsys.readouterr().out
    for verb, purpose in VERBS.items():
        assert f"  {verb}" in text
        assert purpose in text
    assert "not a medical device" in text


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself_with_an_example(verb: str, capsys: Capture) -> None:
    try:
        status = run([verb, "--help"])
    except SystemExit as exit_:
        status = int(exit_.code or 0)
    assert status == 0
    text = capsys.readouterr().out
    assert text.lower().startswith(f"usage: tumorscope {verb}")
    if verb != "data":
        assert f"\n  tumorscope {verb}" in text or f"\n    tumorscope {verb}" in text


@pytest.mark.parametrize("verb", ["predict", "info", "train", "evaluate", "export"])
def test_every_verb_names_a_wrong_option_in_one_line(verb: str, capsys: Capture) -> None:
    assert run([verb, "--no-such-option"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1
    assert f"see 'tumorscope {verb} --help'" in printed.err


def test_an_unknown_verb_and_the_version(capsys: Capture) -> None:
    assert run(["diagnose"]) == 2
    assert capsys.readouterr().err == "error: No such command 'diagnose'; see 'tumorscope --help'\n"
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"tumorscope {__version__}\n"


def test_the_installed_command_is_this_one(bundle_path: Path, class_png: Callable[[int], Path]) -> None:
    command = Path(sys.executable).with_name("tumorscope" + (".exe" if sys.platform == "win32" else ""))
    finished = subprocess.run(
        [command, "predict", class_png(0), "--model", bundle_path, "--format", "jsonl"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (finished.returncode, finished.stderr) == (0, "")
    assert json.loads(finished.stdout)["diagnosis"] == "glioma"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pipes that break and no SIGINT to send")
def test_a_reader_that_leaves_and_ctrl_c_end_quietly(
    bundle_path: Path, class_png: Callable[[int], Path]
) -> None:
    many = [str(class_png(k % 4)) for k in range(4)] * 100
    code = "import sys; from tumorscope.cli.main import main; main()"
    command = [sys.executable, "-c", code, "predict", *many, "--model", str(bundle_path), "--format", "jsonl"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        assert reader.stderr is not None
        reader.stdout.readline()
        reader.stdout.close()
        assert reader.stderr.read() == ""
        assert reader.wait(60) == 1
    blocked = [*command[:4], "-", "--model", str(bundle_path)]
    with subprocess.Popen(blocked, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as waiting:
        assert waiting.stderr is not None
        time.sleep(2)
        os.kill(waiting.pid, signal.SIGINT)
        assert waiting.wait(60) == 130
        assert waiting.stderr.read() == "error: interrupted\n"


def test_info_prints_the_card_for_people_and_for_programs(bundle_path: Path, capsys: Capture) -> None:
    assert run(["info", str(bundle_path)]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for piece in (
        "quadrants 1.0.0",
        "not a medical device",
        "64 x 64 pixels, preprocessing head-crop-v1",
        "Calibration temperature 1.500",
        "8 images of 4 slices, 4 groups, 0 patients",
        "Measured: made by hand",
        "accuracy 0.750 0.500 to 1.000",
        "novelty above 2.200",
        "It only compares the brightness of quadrants.",
        "Apache-2.0",
    ):
        assert piece in text
    assert run(["info", "--model", str(bundle_path), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(make_card().model_dump_json())
    assert run(["info", str(bundle_path), "--model", str(bundle_path)]) == 2
    assert "named twice" in capsys.readouterr().err


def test_info_on_what_is_no_bundle_is_one_line(class_png: Callable[[int], Path], capsys: Capture) -> None:
    assert run(["info", str(class_png(0))]) == 2
    assert capsys.readouterr().err.count("\n") == 1
