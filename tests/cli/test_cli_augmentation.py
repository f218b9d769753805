"""``tumorscope train --show-augmentation`` as a user runs it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tiny_run import TinyRun
from tumorscope.augmentation.examples import take_examples
from tumorscope.augmentation.families import FAMILIES
from tumorscope.cli.main import run
from tumorscope.core.labels import CLASS_ORDER

SIZE = 32
SMALL = ("--set", f"image_size={SIZE}")


def test_the_sheet_is_drawn_of_phantoms_and_nothing_is_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "sheet.png"
    assert (
        run(["train", "--show-augmentation", str(file), *SMALL, "--set", "augmentation.preset=strong"]) == 0
    )
    assert f": {file}" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]
    with Image.open(file) as sheet:
        pixels = np.asarray(sheet.convert("L"))
    # The rows of the first block begin at the same places, with the originals.
    first = next(iter(take_examples(None, SIZE)))[1]
    found = any(np.array_equal(pixels[top : top + SIZE, 12 : 12 + SIZE], first) for top in range(40, 80))
    assert found
    assert len(pixels) > (1 + len(FAMILIES)) * 4 * SIZE


def test_the_same_settings_draw_the_same_sheet_and_others_another(tiny_run: TinyRun, tmp_path: Path) -> None:
    data = ("--data", str(tiny_run.data))
    for name, preset in (("a", "study"), ("b", "study"), ("c", "standard")):
        command = ["train", "--show-augmentation", str(tmp_path / f"{name}.png"), *data, *SMALL]
        assert run([*command, "--set", f"augmentation.preset={preset}"]) == 0
    one, again, other = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")
    assert one == again
    assert one != other


def test_images_of_every_class_are_shown_and_one_file_is_enough(tiny_run: TinyRun) -> None:
    titles = [title for title, _ in take_examples(tiny_run.data, SIZE)]
    assert titles == [str(label) for label in CLASS_ORDER]
    image = next(tiny_run.data.rglob("*.png"))
    ((title, pixels),) = take_examples(image, SIZE)
    assert title == image.name
    assert pixels.shape == (SIZE, SIZE)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--show-augmentation", "sheet.jpg"], "the name of a .png file is needed"),
        (["--out", "run"], "missing option '--data'"),
        (["--data", "images"], "missing option '--out'"),
    ],
)
def test_what_is_wrong_is_named(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["train", *arguments]) == 2
    assert message in capsys.readouterr().err
