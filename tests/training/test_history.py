"""What of a fit is written and drawn by epoch."""

from __future__ import annotations

from pathlib import Path

from fit_once import SETTINGS, rows
from PIL import Image

from tumorscope.training.config import configure
from tumorscope.training.fit import fit
from tumorscope.training.history import COLUMNS, draw_curves, read_history


def test_the_parts_of_a_loss_are_columns_and_curves_where_there_are_parts(tmp_path: Path) -> None:
    data = rows(4)
    boxes = ("supervision.pointing=0.5", "supervision.box=2")
    for name, settings in {"plain": (), "boxes": boxes}.items():
        config = configure("light-cnn", [*SETTINGS, "epochs=1", *settings])
        fit(config, data, data, tmp_path / name, progress=False)
        draw_curves({name: tmp_path / name}, tmp_path / f"{name}.png")
    (plain,), (row,) = read_history(tmp_path / "plain"), read_history(tmp_path / "boxes")
    assert list(plain) == list(COLUMNS)
    assert list(row) == [*COLUMNS, "class_loss", "pointing_loss", "box_loss"]
    whole = float(row["class_loss"]) + 0.5 * float(row["pointing_loss"]) + 2 * float(row["box_loss"])
    assert abs(whole - float(row["loss"])) < 1e-4
    # One panel more.
    for name, size in (("plain", (1200, 480)), ("boxes", (1800, 480))):
        with Image.open(tmp_path / f"{name}.png") as picture:
            assert picture.size == size


def test_a_history_of_an_earlier_version_goes_on(tmp_path: Path) -> None:
    """A run that began before parts and watched images were written has none in its first rows."""
    data = rows(4)
    (tmp_path / "metrics.csv").write_text(
        "epoch,loss,accuracy,rate,held_out_loss,held_out_accuracy\n-1,1.5,0.2,0.1,1.4,0.3\n"
    )
    fit(configure("light-cnn", [*SETTINGS, "epochs=1"]), data, data, tmp_path, progress=False)
    before, after = read_history(tmp_path)
    assert (before["loss"], before["watched"]) == ("1.5", "")
    assert after["watched"] == "held out"
