"""No verb passes folders of images over in silence."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tumorscope.cli.main import run
from tumorscope.core.labels import CLASS_ORDER
from tumorscope.synthesis.phantom import make_phantom


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Two images of each class, and one in a folder of another name."""
    folder = tmp_path / "images"
    for seed in range(2):
        for key in CLASS_ORDER:
            (folder / key.value).mkdir(parents=True, exist_ok=True)
            picture = Image.fromarray(make_phantom(key, seed=seed, size=64).pixels)
            picture.save(folder / key.value / f"{seed}.png")
    (folder / "astrocytoma").mkdir()
    Image.fromarray(make_phantom(CLASS_ORDER[0], seed=9, size=64).pixels).save(
        folder / "astrocytoma" / "9.png"
    )
    return folder


@pytest.mark.parametrize(
    "words",
    [
        ("audit", "--report", "report"),
        ("split", "--folds", "2", "--trust-groups", "--out", "out.csv"),
        ("trace", "--source", "images", "--out", "out.csv"),
        ("index", "--out", "out.csv"),
    ],
    ids=lambda words: words[0],
)
def test_a_folder_of_another_name_is_named(
    images: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(images.parent)
    verb, *options = words
    assert run(["data", verb, "images", *options]) == 0
    assert "astrocytoma is named after no class and was passed over" in capsys.readouterr().err
