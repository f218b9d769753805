"""What a finished run or a bundle says of itself: recipe, size, epochs, time, curves, costs.

Owns which file of a run's folder says what. Reads files only; free of torch.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tumorscope.core.card import ModelCard
from tumorscope.core.errors import MissingInput
from tumorscope.core.optional import require
from tumorscope.inference.bundle import read_card
from tumorscope.recipes.registry import find_recipe
from tumorscope.study.document import Costs, Curve, TrainingTime

__all__ = [
    "COSTS",
    "Described",
    "bundle_of",
    "curves_of",
    "describe",
    "fits_of",
    "kept_costs",
    "recipe_of",
    "training_time",
]

COSTS = "costs.json"
"""What a run's folder keeps of :mod:`tumorscope.study.costs`."""

Part = Literal["official", "folds"]


@dataclass(frozen=True, slots=True)
class Described:
    """A model as its run or bundle describes it; ``epochs`` is ``None`` where that is not recorded."""

    recipe: str
    architecture: str
    image_size: int
    epochs: int | None
    initial_weights: str


def bundle_of(path: Path) -> Path | None:
    """The bundle of a run: the one to deploy, else that of its first fold; ``path`` itself if it is one."""
    if path.is_file():
        return path
    of_folds = [folder / "bundle.onnx" for folder in _folds(path)]
    return next((file for file in (path / "bundle.onnx", *of_folds) if file.is_file()), None)


def recipe_of(path: Path) -> str:
    """The recipe that a run or a bundle was made by; as :func:`describe` otherwise."""
    return describe(path).recipe


def describe(path: Path) -> Described:
    """Read what a run, or a bundle, was made of.

    Raises
    ------
    MissingInput
        If it is neither.
    """
    bundle = bundle_of(path)
    if bundle is not None:
        card = ModelCard.model_validate_json(read_card(bundle))
        epochs = card.configuration.get("epochs")
        return Described(
            card.recipe,
            card.architecture,
            card.input_size,
            epochs if isinstance(epochs, int) else None,
            card.initial_weights,
        )
    file = path / "config.yaml"
    if not file.is_file():
        raise MissingInput(f"{path} is neither the folder of a run nor a bundle (.onnx)")
    yaml = require("yaml", extra="train", purpose="reading the configuration of a run without a bundle")
    values: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    origin = next((fit / "initial-weights.txt" for _, fit in fits_of(path, "folds")), None)
    return Described(
        values["recipe"],
        find_recipe(values["recipe"]).architecture,
        values["image_size"],
        values["epochs"],
        origin.read_text(encoding="utf-8").strip()
        if origin is not None and origin.is_file()
        else "not recorded",
    )


def fits_of(run: Path, part: Part) -> tuple[tuple[str, Path], ...]:
    """The fits of a part of a run, each with its name; none of a bundle."""
    if run.is_file():
        return ()
    if part == "official":
        return (("final fit", run / "final"),) if (run / "final").is_dir() else ()
    return tuple((f"fold {folder.name}", folder) for folder in _folds(run))


def training_time(run: Path, part: Part) -> TrainingTime | None:
    """The time that all fits of a part took; ``None`` where one of them did not record it."""
    records = [_record(folder / "time.json") for _, folder in fits_of(run, part)]
    known = [record for record in records if record is not None]
    if not known or len(known) < len(records):
        return None
    return TrainingTime(
        part=part,
        seconds=round(sum(float(record["seconds"]) for record in known), 1),
        fits=len(known),
        sessions=sum(int(record["sessions"]) for record in known),
        device=str(known[0]["device"]),
        threads=int(known[0]["threads"]),
    )


def curves_of(run: Path, part: Part) -> tuple[Curve, ...]:
    """Loss and accuracy by epoch of every fit of a part."""
    return tuple(_curves(run, part))


def kept_costs(run: Path) -> Costs | None:
    """What was counted of a run's network when it was trained by a study."""
    record = None if run.is_file() else _record(run / COSTS)
    return None if record is None else Costs.model_validate(record)


def _folds(run: Path) -> Sequence[Path]:
    found = [folder for folder in (run / "folds").glob("*") if folder.is_dir() and folder.name.isdecimal()]
    return sorted(found, key=lambda folder: int(folder.name))


def _curves(run: Path, part: Part) -> Iterator[Curve]:
    for name, folder in fits_of(run, part):
        file = folder / "metrics.csv"
        if not file.is_file():
            continue
        with file.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        yield Curve(
            part=part,
            fit=name,
            epochs=tuple(int(row["epoch"]) + 1 for row in rows),
            loss=tuple(_number(row.get("loss")) for row in rows),
            held_out_loss=tuple(_number(row.get("held_out_loss")) for row in rows),
            held_out_accuracy=tuple(_number(row.get("held_out_accuracy")) for row in rows),
        )


def _number(text: str | None) -> float | None:
    return float(text) if text else None


def _record(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return record
