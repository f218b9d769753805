"""How an evaluation looks on a terminal.

Owns the tables. They are made of the document that ``evaluation.json`` holds, so that both say the same.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from tumorscope.cli.text import plain_console

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["show"]


def show(result: dict[str, Any]) -> None:
    """Print a document of :mod:`tumorscope.evaluation.document`."""
    console = plain_console()
    console.print(f"{result['model']}, protocol {result['protocol']}", style="bold")
    console.print(result["protocol_meaning"])
    console.print(
        f"{result['images']:,} images of {result['slices']:,} slices (copies count once) in "
        f"{result['groups']:,} groups, {result['patients']:,} of them real patients"
    )
    if "predictions" in result:
        console.print(_answers(result["predictions"]))
    elif result["figures"]:
        console.print(_figure_table(result))
        console.print(_class_table(result))
        console.print(_confusion_table(result))
    else:
        console.print(
            "not estimable: " + ", ".join(f"{k} {n:,}" for k, n in result["images_by_class"].items())
        )
    for note in result["notes"]:
        console.print(f"Note: {note}")
    console.print(f"Again: {result['command']}", soft_wrap=True)
    console.print(result["notice"], style="italic")


def _answers(predictions: list[dict[str, Any]]) -> str:
    """What was said of images without labels."""
    said = Counter(answer["diagnosis"] for answer in predictions)
    verdicts = Counter(answer["verdict"] for answer in predictions)
    return (
        f"predictions only: {', '.join(f'{key} {count:,}' for key, count in sorted(said.items()))} "
        f"({', '.join(f'{key} {count:,}' for key, count in sorted(verdicts.items()))})"
    )


def _titled(result: dict[str, Any]) -> str:
    """The protocol, and the leak beside it: no figure is seen without."""
    return str(result["protocol"]) + (", leaky split" if result["leaks"] else "")


def _interval(figure: dict[str, float]) -> tuple[str, str]:
    return f"{figure['value']:.3f}", f"{figure['low']:.3f} to {figure['high']:.3f}"


def _figure_table(result: dict[str, Any]) -> Table:
    from rich.table import Table

    table = Table(title=f"Figures, {_titled(result)}", title_justify="left")
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("95 % interval", justify="right")
    titles = {
        "accuracy": "accuracy",
        "macro_f1": "macro-F1",
        "balanced_accuracy": "balanced accuracy",
        "loss": "loss (nats, raw logits)",
        "loss_calibrated": "loss (nats, calibrated)",
    }
    for name, title in titles.items():
        if name in result["figures"]:
            table.add_row(title, *_interval(result["figures"][name]))
    return table


def _class_table(result: dict[str, Any]) -> Table:
    from rich.table import Table

    table = Table(title=f"By class, {_titled(result)}", title_justify="left")
    table.add_column("class")
    table.add_column("images", justify="right")
    for title in ("sensitivity (95 %)", "specificity (95 %)"):
        table.add_column(title, justify="right")
    for key in result["class_order"]:
        figures = [result["figures"].get(f"{kind}_{key}") for kind in ("sensitivity", "specificity")]
        cells = ["{} ({})".format(*_interval(figure)) if figure else "-" for figure in figures]
        table.add_row(key, f"{result['images_by_class'][key]:,}", *cells)
    return table


def _confusion_table(result: dict[str, Any]) -> Table:
    from rich.table import Table

    from tumorscope.reporting.figure_words import digits_of

    title = f"Confusion in slices, {_titled(result)} (rows: truth; a copy counts as part of a slice)"
    table = Table(title=title, title_justify="left")
    table.add_column("truth \\ answer")
    digits = digits_of(cell for row in result["confusion"] for cell in row)
    for key in result["class_order"]:
        table.add_column(key, justify="right")
    for key, row in zip(result["class_order"], result["confusion"], strict=True):
        table.add_row(key, *(f"{cell:,.{digits}f}" for cell in row))
    return table
