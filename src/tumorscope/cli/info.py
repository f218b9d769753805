"""``tumorscope info``: what a bundle is, what it was made of and what it is worth.

Owns how a model card looks on a terminal. The card itself comes from ``inference``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tumorscope.cli.text import plain_console

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tumorscope.core.card import Measured, Member, ModelCard

__all__ = ["Format", "info"]


class Format(StrEnum):
    """How the card is printed."""

    TABLE = "table"
    JSON = "json"


def info(
    model: Annotated[
        Path | None,
        typer.Argument(
            metavar="[BUNDLE]",
            help="A bundle (.onnx); the one that ships with tumorscope if left out.",
            show_default=False,
        ),
    ] = None,
    named: Annotated[
        Path | None,
        typer.Option("--model", help="The same, named as for the other verbs.", show_default=False),
    ] = None,
    form: Annotated[
        Format, typer.Option("--format", help="json prints the card as it is stored.")
    ] = Format.TABLE,
) -> None:
    """Print the model card of a bundle: data, measured figures with their protocol, limits, licences.

    \b
    Examples:
      tumorscope info
      tumorscope info my-model.onnx --format json
    """  # noqa: D301 - the backspace tells Typer to keep the lines below as they are
    from tumorscope.core.card import ModelCard
    from tumorscope.core.errors import InvalidConfiguration
    from tumorscope.inference.bundle import read_card

    if model is not None and named is not None:
        raise InvalidConfiguration("a bundle was named twice, as argument and by --model; name it once")
    card = ModelCard.model_validate_json(read_card(model or named))
    if form is Format.JSON:
        typer.echo(card.model_dump_json(indent=2))
        return
    console = plain_console()
    for part in _page(card):
        console.print(part)


def _page(card: ModelCard) -> Iterator[RenderableType]:
    from rich.text import Text

    from tumorscope.core.prediction import NOTICE

    yield Text(f"{card.name} {card.version}", style="bold")
    yield Text(NOTICE)
    yield _facts(
        ("Made", card.created),
        ("Architecture", f"{card.architecture} (recipe {card.recipe}, started from {card.initial_weights})"),
        ("Input", f"{card.input_size} x {card.input_size} pixels, preprocessing {card.preprocessing}"),
        *([("Weights", card.weight_type.kept)] if card.weight_type.kept else ()),
        ("Answers", ", ".join(card.class_order)),
        ("Heat-map", f"{card.heatmap_kind}, stride {card.heatmap_stride}"),
        ("Calibration", _calibration(card)),
        *_made_of(card),
    )
    yield from _data(card)
    for measured in card.evaluation:
        yield from _evaluation(measured)
    yield from _thresholds(card)
    yield Text("\nIntended use", style="bold")
    yield _indented(card.intended_use)
    yield Text("\nLimits", style="bold")
    yield _facts(*(("-", limit) for limit in card.limits))
    yield Text("\nLicences and versions", style="bold")
    yield _facts(*card.licences.items(), *card.versions.items())


def _calibration(card: ModelCard) -> str:
    if card.vector_scaling is None:
        return f"temperature {card.temperature:.3f}"
    scale, bias = (
        ", ".join(f"{value:.3f}" for value in values)
        for values in (card.vector_scaling.scale, card.vector_scaling.bias)
    )
    return f"vector scaling, by class in this order: scale {scale}; bias {bias}"


def _made_of(card: ModelCard) -> Iterator[tuple[str, str]]:
    """The members of an ensemble and what they cost, and other models that it was made from."""
    if card.ensemble is not None:
        made = card.ensemble
        yield "Members", _named(made.members)
        yield (
            "Ensemble",
            f"{made.combination}; {made.graph_bytes / 2**20:.1f} MiB, {made.milliseconds:.1f} ms an image on one "
            "thread of the processor that made it",
        )
    for kind, members in card.forebears.items():
        yield kind, _named(members)


def _named(members: Iterable[Member]) -> str:
    return ", ".join(f"{member.name} ({member.sha256[:8]})" for member in members)


def _data(card: ModelCard) -> Iterator[RenderableType]:
    from rich.text import Text

    data = card.data
    yield Text("\nData", style="bold")
    yield _facts(
        (
            "Images",
            f"{data.images:,} images of {data.slices:,} slices, {data.groups:,} groups, {data.patients:,} patients",
        ),
        ("By class", _listed(data.images_by_class)),
        ("Sources", _listed(data.sources)),
        (
            "Calibration",
            f"{data.calibration_images:,} of these images, {data.calibration_groups:,} groups, kept back",
        ),
        ("Protocol", data.protocol),
        ("Licence", data.licence),
        ("Manifest", f"SHA-256 {data.manifest_sha256}"),
    )


def _evaluation(measured: Measured) -> Iterator[RenderableType]:
    from rich.table import Table
    from rich.text import Text

    yield Text(f"\nMeasured: {measured.protocol}{', leaky split' if measured.leaks else ''}", style="bold")
    yield _indented(
        f"n = {measured.slices:,} slices ({measured.images:,} images) in {measured.groups:,} groups, "
        f"{measured.patients:,} of them known patients; 95 % intervals over groups"
    )
    table = Table(box=None, padding=(0, 2))
    for heading, side in (("figure", "left"), ("value", "right"), ("95 % interval", "right")):
        table.add_column(heading, justify="right" if side == "right" else "left")
    for name, figure in measured.figures.items():
        table.add_row(Text(name), f"{figure.value:.3f}", f"{figure.low:.3f} to {figure.high:.3f}")
    yield table
    yield _indented(f"made by: {measured.command}")


def _thresholds(card: ModelCard) -> Iterator[RenderableType]:
    from rich.text import Text

    thresholds = card.thresholds
    yield Text("\nThresholds", style="bold")
    yield _facts(
        *(
            (f"Set at {key}" + (" *" if key == thresholds.default_coverage else ""), _quantiles(card, key))
            for key in thresholds.conformal
        ),
        (
            "Rejected",
            f"novelty above {thresholds.novelty_limit:.3f} "
            f"({thresholds.novelty_false_rejection:.1%} of calibration slices are)",
        ),
    )


def _quantiles(card: ModelCard, key: str) -> str:
    quantiles = card.thresholds.conformal[key]
    lowest = (f"{name} from {max(1 - q, 0):.3f}" for name, q in zip(card.class_order, quantiles, strict=True))
    return ", ".join(lowest)


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _indented(text: str) -> RenderableType:
    from rich.padding import Padding
    from rich.text import Text

    return Padding(Text(text), (0, 0, 0, 2), expand=False)


def _facts(*rows: tuple[str, str]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(Text(f"  {name}"), Text(value))
    return table
