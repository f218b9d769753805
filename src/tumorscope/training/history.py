"""Loss and accuracy by epoch: kept as CSV, drawn as PNG.

Owns ``metrics.csv`` of a fit and the picture of several. Lightning's own CSV logger deletes what an interrupted run
wrote; this one goes on with it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import lightning
from lightning.pytorch.callbacks import Callback

from tumorscope.core.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["COLUMNS", "History", "draw_curves", "read_history"]

METRICS = "metrics.csv"
COLUMNS = ("epoch", "loss", "accuracy", "rate", "held_out_loss", "held_out_accuracy", "watched")
PARTS = ("class_loss", "pointing_loss", "box_loss")
"""Parts of the loss, of runs whose loss has parts."""

Row = Mapping[str, str]


class History(Callback):
    """Writes one row an epoch.

    Parameters
    ----------
    folder
        Of the fit.
    watched
        Which part the held-out figures are of.
    """

    def __init__(self, folder: Path, watched: str) -> None:
        self._folder, self._watched = folder, watched

    def on_train_epoch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,  # noqa: ARG002  # Lightning's signature
    ) -> None:
        """Add the epoch that ended, in place of what a killed run wrote of it and after it."""
        values = {
            name: f"{float(value):.6g}"
            for name, value in trainer.callback_metrics.items()
            if name in (*COLUMNS, *PARTS)
        }
        if not trainer.is_global_zero:
            return  # several processes bring their metrics together; one writes them
        rows = [row for row in read_history(self._folder) if int(row["epoch"]) < trainer.current_epoch]
        rows.append({"epoch": str(trainer.current_epoch), **values, "watched": self._watched})
        columns = [*COLUMNS, *(name for name in PARTS if any(name in row for row in rows))]
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        atomic_write(self._folder / METRICS, text.getvalue())


def read_history(folder: Path) -> Sequence[Row]:
    """The rows of a fit's ``metrics.csv``; none where it does not exist."""
    path = folder / METRICS
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def draw_curves(fits: Mapping[str, Path], out: Path) -> None:
    """Draw loss and accuracy of several fits over the epochs, and the parts of the loss where it has any.

    Nothing is drawn where no fit has epochs, such as those of a mean of others' weights.

    Parameters
    ----------
    fits
        Folder of each fit by the name to show.
    out
        PNG to write.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    histories = {name: read_history(folder) for name, folder in fits.items()}
    if not any(histories.values()):
        return
    parts = [part for part in PARTS if any(row.get(part) for rows in histories.values() for row in rows)]
    panels = 3 if parts else 2
    figure = Figure(figsize=(5 * panels, 4), layout="constrained")
    FigureCanvasAgg(figure)
    loss, accuracy, *more = figure.subplots(1, panels)
    for position, (name, rows) in enumerate(histories.items()):
        colour = f"C{position}"
        _line(loss, rows, "loss", f"{name}, learning (augmented)", colour=colour, style="--")
        _line(loss, rows, "held_out_loss", f"{name}, held out", colour=colour, style="-")
        _line(accuracy, rows, "accuracy", f"{name}, learning (augmented)", colour=colour, style="--")
        _line(accuracy, rows, "held_out_accuracy", f"{name}, held out", colour=colour, style="-")
        for axes in more:
            for part, style in zip(PARTS, ("-", "--", ":"), strict=True):
                label = f"{name}, {part.removesuffix('_loss')}"
                _line(axes, rows, part, label, colour=colour, style=style)
    for axes in more:
        axes.set(xlabel="epoch", ylabel="parts of the loss while learning", ylim=(0, None))
        axes.legend(fontsize="small")
    loss.set(xlabel="epoch", ylabel="loss" if parts else "cross-entropy", ylim=(0, None))
    accuracy.set(xlabel="epoch", ylabel="accuracy (one copy of each slice)", ylim=(None, 1))
    accuracy.legend(fontsize="small")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    atomic_write(out, buffer.getvalue())


def _line(axes: Axes, rows: Sequence[Row], key: str, label: str, *, colour: str, style: str) -> None:
    points = [(int(row["epoch"]) + 1, float(row[key])) for row in rows if row.get(key)]
    if points:
        epochs, values = zip(*points, strict=True)
        axes.plot(epochs, values, color=colour, linestyle=style, marker=".", label=label)
