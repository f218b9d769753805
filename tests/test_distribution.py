"""The wheel holds everything a prediction needs, and nothing of the checkout is used."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)],
        check=True,
        capture_output=True,
    )
    return next(out.glob("*.whl"))


def test_wheel_holds_the_bundle_and_its_hash(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "tumorscope/bundles/efficientnet-lite2-closer.onnx" in names
    assert "tumorscope/bundles/efficientnet-lite2-closer.sha256" in names
    assert "tumorscope/py.typed" in names
    assert not [name for name in names if name.startswith("tests/") or "/runs/" in name]


def test_predict_from_the_installed_wheel_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    scripts = environment / ("Scripts" if sys.platform == "win32" else "bin")
    install = [str(scripts / "python"), "-m", "pip", "install", "-q", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True)
    # The libraries are those of this environment; the package comes first, from the wheel.
    own = Path(
        subprocess.check_output(
            [scripts / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
        ).strip()
    )
    (own / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    place = subprocess.check_output(
        [scripts / "python", "-c", "import tumorscope; print(tumorscope.__file__)"], text=True, cwd=tmp_path
    )
    assert Path(place.strip()).is_relative_to(own)

    example = ROOT / "examples" / "synthetic-glioma-axial.png"
    result = subprocess.run(
        [scripts / "tumorscope", "predict", str(example), "--format", "json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    answer = json.loads(result.stdout)
    record = answer[0] if isinstance(answer, list) else answer
    assert record["kind"] == "slice"
    assert record["model"].startswith("efficientnet-lite2-closer ")
    assert sum(record["probabilities"].values()) == pytest.approx(1, abs=1e-5)
