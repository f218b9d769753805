"""Foreign images from a folder and from the program, as a network takes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tiny_run import TinyRun
from tumorscope.assessment.foreign_images import foreign_of_folder, made_foreign
from tumorscope.core.errors import EmptyInput, InvalidConfiguration, MissingInput, TumorscopeError
from tumorscope.dataset.manifest_file import read_manifest
from tumorscope.evaluation.cases import cases_of
from tumorscope.synthesis.foreign import FROM_SLICE, ForeignKind

SIZE = 32


def _draw(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (40, 50), dtype=np.uint8)).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "not-brain"
    for k in range(5):
        _draw(place / "knee" / "series" / f"{k}.png", k)
    _draw(place / "hand" / "0.png", 9)
    _draw(place / "cat.png", 10)
    (place / "README.txt").write_text("Where these come from.")
    (place / ".hidden").mkdir()
    return place


def test_folders_are_kinds(folder: Path) -> None:
    (folder / "knee" / "torn.png").write_bytes((folder / "cat.png").read_bytes()[:60])
    found, failures = foreign_of_folder(folder, SIZE, limit=10)
    assert {kind: len(each.images) for kind, each in found.items()} == {"hand": 1, "knee": 5, "not-brain": 1}
    assert found["knee"].images.shape == (5, SIZE, SIZE)
    assert found["knee"].folds is None
    assert [Path(path).name for path, _ in failures] == ["torn.png"]


def test_a_limit_draws_the_same_images_again(folder: Path) -> None:
    digests = {foreign_of_folder(folder, SIZE, limit=3)[0]["knee"].digest for _ in range(2)}
    assert len(digests) == 1
    assert len(foreign_of_folder(folder, SIZE, limit=3)[0]["knee"].images) == 3


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        (lambda place: place.rename(place.with_name("moved")), MissingInput, "no such folder"),
        (lambda place: (place / "foot").mkdir(), EmptyInput, "foot: nothing readable"),
        (
            lambda place: (place / "hand").rename(place / "text"),
            InvalidConfiguration,
            "'text' is one that is made",
        ),
        (lambda place: (place / "hand").rename(place / "brain"), InvalidConfiguration, "'brain'"),
        (
            lambda place: (place / "hand" / "0.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"x" * 50),
            EmptyInput,
            "'hand' could be read",
        ),
    ],
)
def test_mistakes_are_told(folder: Path, change: object, error: type[TumorscopeError], said: str) -> None:
    assert callable(change)
    change(folder)
    with pytest.raises(error, match=said):
        foreign_of_folder(folder, SIZE, limit=10)


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(EmptyInput, match="nothing readable"):
        foreign_of_folder(tmp_path, SIZE, limit=10)


def test_brain_slices_are_no_foreign_images(folder: Path, tiny_run: TinyRun) -> None:
    brain = next(iter(read_manifest(tiny_run.data)))
    (folder / "hand" / "1.png").write_bytes(brain.path.read_bytes())
    with pytest.raises(InvalidConfiguration, match=r"1 files below .* are brain slices"):
        foreign_of_folder(folder, SIZE, limit=10, brain=frozenset({brain.sha256}))


def test_every_kind_is_made_and_what_is_made_of_a_slice_has_its_fold(tiny_run: TinyRun) -> None:
    manifest = read_manifest(tiny_run.data)
    images = manifest.with_folds([k % 3 for k in range(len(manifest))])
    made = made_foreign(cases_of(images), SIZE, count=8)
    assert set(made) == set(ForeignKind)
    for kind, each in made.items():
        assert each.images.shape == (8, SIZE, SIZE)
        assert (each.folds is not None) == (kind in FROM_SLICE)
    inverted = made["inverted"]
    assert inverted.folds is not None
    assert len(set(inverted.folds.tolist())) > 1
    assert inverted.digest == made_foreign(cases_of(images), SIZE, count=8)["inverted"].digest
